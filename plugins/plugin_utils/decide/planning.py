# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From everything that was read to a plan, or to all the problems that stand in its way, at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import ALL_FIELDS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline, refusals
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.preflight import preflight
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.quorum import broken
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.resume import (
    changed,
    died,
    inventory_of,
    marks,
    members_of,
    owes_reboot,
    packages_of,
    policy_of,
    replanned,
    unrecorded,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.survey import read_answer
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import resolve_targets
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import left_by, make_plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot

_LISTED = 5  # things in a message; the rest is counted


@dataclass(frozen=True)
class Survey:
    """The hosts that took part: as targets, with their facts by host, and why the others could not be read."""

    targets: tuple[Target, ...] = ()
    facts: dict[str, HostFacts] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def silent(self) -> tuple[str, ...]:
        """The hosts that were read in no part: they will not answer later either."""
        return tuple(host for host, facts in self.facts.items() if ALL_FIELDS in facts.unknown)


@dataclass(frozen=True)
class Inputs:
    """What a plan is made from.

    Attributes:
        policy: the run's.
        inventory: names of all hosts of the inventory, also of those that take no part.
        survey: what the hosts answered.
        snapshot: the cluster; None when it could not be read (the reason is in ``problems``).
        problems: what was found before: by the guard, or while the cluster was read.
        marked: for each run that left nodes cordoned its record, or why that cannot be read.
        records: of other runs, the newest first.
        at_work: the other run that holds the lock and lives; empty when there is none.
        halted: why nothing more may begin; empty while all is well.
    """

    policy: Policy
    inventory: tuple[str, ...]
    survey: Survey
    snapshot: Snapshot | None
    problems: tuple[Problem, ...] = ()
    marked: Mapping[str, RunRecord | str] = field(default_factory=dict)
    records: tuple[RunRecord, ...] = ()
    at_work: str = ""
    halted: str = ""


@dataclass(frozen=True)
class Planned:
    """What came of it. With problems the plan is empty, or one that must not be carried out.

    Attributes:
        targets: with node and zone resolved.
        health: verdict on the cluster as a baseline; None when it was not read.
        members: hosts of the inventory as a record keeps them.
        resumes: node -> the earlier run that left it cordoned.
        owed: hosts that such a run was to reboot and did not.
        kept: runs whose records are still needed.
    """

    plan: Plan
    problems: tuple[Problem, ...]
    targets: tuple[Target, ...] = ()
    health: Verdict | None = None
    members: dict[str, str] = field(default_factory=dict)
    resumes: dict[str, str] = field(default_factory=dict)
    owed: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()

    def event(self, policy: Policy) -> dict[str, Any]:
        """The data of the event that says what is planned (``EventKind.RUN_PLANNED``)."""
        hosts = self.plan.hosts()
        return {
            "plan_digest": self.plan.digest,
            "hosts": [host.host for host in hosts],
            "waves": len(self.plan.waves),
            "policy": policy_of(policy),
            "inventory": inventory_of(self.members),
            "members": self.members,
            "kernels": {host.host: host.target_kernel for host in hosts},
            "packages": {host.host: packages_of(host.packages) for host in hosts},
            "resumes": {host.host: self.resumes[host.node] for host in hosts if self.resumes.get(host.node)},
            "owed": [host.host for host in hosts if host.host in self.owed],
        }


def read_survey(answers: Iterable[tuple[Target, Mapping[str, Any]]], only: Collection[str]) -> Survey:
    """The survey from what each host answered: a target (its zone may be empty) and the registered result.

    Whether a host outside of ``only`` (when that names any) could be read is not a problem.
    """
    targets, facts, problems = [], {}, []
    for target, result in answers:
        targets.append(target)
        seen, problem = read_answer(target.host, result)
        if seen:
            facts[target.host] = seen
        if problem and (not only or target.host in only):
            problems.append(problem)
    if not targets:
        message = "no host of the inventory took part in the survey"
        problems.append(Problem("friday_hosts", message, "check the pattern"))
    return Survey(tuple(targets), facts, tuple(problems))


def plan(inputs: Inputs) -> Planned:
    """Resolve the hosts, look for all problems, and put the hosts into waves when there are none."""
    policy, survey, snapshot = inputs.policy, inputs.survey, inputs.snapshot
    problems = [*inputs.problems, *survey.problems]
    if snapshot is None:
        return Planned(Plan(waves=()), tuple(problems), survey.targets)
    targets, unresolved = resolve_targets(survey.targets, snapshot, policy)
    problems += unresolved
    reported = {problem.subject for problem in survey.problems}  # a host that could not be read is reported once
    found = preflight(policy, targets, snapshot, survey.facts)
    problems += [problem for problem in found if problem.subject not in reported]
    health = baseline(
        policy, Observation(snapshot, survey.facts), [target for target in targets if target.host in survey.facts]
    )
    problems += refusals(health, inputs.policy.accept)
    left = _left(inputs)
    members = members_of(inputs.inventory, targets)
    problems += [*changed(policy, members, left), *_unread_records(inputs)]
    if inputs.halted:
        problems.append(Problem("run", f"was halted: {inputs.halted}", "rerun the same command"))
    resumes = {node.name: run for node in snapshot.nodes if (run := left_by(node))}
    owed: frozenset[str] = frozenset()
    owed = frozenset(_owed(policy, targets, resumes, survey.facts, left))
    made = make_plan(policy, targets, snapshot, survey.facts, owed)
    problems += _not_spared(policy, snapshot, made)
    if problems:
        owed, made = frozenset(), Plan(waves=())
    else:
        problems += replanned(policy, made, left)
    kept = frozenset((*marks(snapshot), *(record.run for record in left)))
    return Planned(made, tuple(problems), targets, health, members, resumes, owed, kept)


def _not_spared(policy: Policy, snapshot: Snapshot, made: Plan) -> list[Problem]:
    """What is down while a host is away, unless that is accepted, and quorums that a wave would not keep."""
    problems = []
    for host in made.hosts():
        if host.outage and host.node not in policy.accept_outage:
            listed = "; ".join(host.outage[:_LISTED])
            more = f"; and {len(host.outage) - _LISTED} more" if host.outage[_LISTED:] else ""
            message = f"takes down what runs nowhere else, for about {-(-host.seconds // 60)} minutes: {listed}{more}"
            accept = ", ".join((*policy.accept_outage, host.node))
            fix = f"accept it: friday_accept_outage: [{accept}]; or add room, or leave the host out (friday_only)"
            problems.append(Problem(host.host, message, fix))
    for wave in made.waves:
        leaving = {host.node for host in wave.hosts}
        problems += broken(snapshot, policy.quorums, leaving)
    return problems


def _left(inputs: Inputs) -> list[RunRecord]:
    """Records of the runs that this one resumes: those that left nodes cordoned, and one that died."""
    found = [record for record in inputs.marked.values() if isinstance(record, RunRecord)]
    dead = died(inputs.records, inputs.at_work)
    return [*found, *([dead] if dead and dead.run not in inputs.marked else [])]


def _unread_records(inputs: Inputs) -> list[Problem]:
    reasons = {run: why for run, why in inputs.marked.items() if isinstance(why, str)}
    return [problem for run, why in reasons.items() for problem in unrecorded(inputs.policy, run, why)]


def _owed(
    policy: Policy,
    targets: Iterable[Target],
    resumes: Mapping[str, str],
    facts: Mapping[str, HostFacts],
    left: Iterable[RunRecord],
) -> set[str]:
    """The hosts to which the run that left them cordoned still owes a reboot."""
    records = {record.run: record for record in left}
    found = set()
    for target in targets:
        run = resumes.get(target.node)
        known = records[run].hosts.get(target.host) if run in records else None
        if run and target.host in facts and owes_reboot(policy, known, facts[target.host]):
            found.add(target.host)
    return found
