# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide on the waves: see the documentation of the module friday.upgrade.plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline, refusals
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.preflight import preflight
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
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.status import life
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.survey import read_answer
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import resolve_targets
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import lineup, make_plan, waits_since
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import Life
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.declared import name_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import (
    BASELINE_FILE,
    BASELINE_VERDICT_FILE,
    OUTLINE_FILE,
    PLAN_FILE,
    PROBLEMS_FILE,
    TARGETS_FILE,
    Problems,
    Targets,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.prune_records import prune
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console

SURVEY_RESULT = "survey_result"  # what roles/survey registers


class ActionModule(FridayAction):
    """Weigh the survey and the cluster; refuse with all problems at once, or plan the waves."""

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``lineup`` and ``serial`` for the play Waves, and ``hosts`` for its roles."""
        session = self.session(task_vars)
        targets, facts, unread = _survey(task_vars, session.policy.only)
        problems = [*session.problems, *unread]
        plan, members, runs, owed = Plan(waves=()), {}, {}, set[str]()
        try:
            snapshot = read_snapshot(session.api(), cni_nodes={target.node for target in targets})
        except KubeError as error:
            problems += [] if error.problem in problems else [error.problem]
        else:
            observation = Observation(snapshot, facts)
            session.files.save(observation, BASELINE_FILE)
            targets, unresolved = resolve_targets(targets, snapshot, session.policy)
            problems += unresolved
            session.files.save(Targets(targets), TARGETS_FILE)
            # A host that could not be read is told once, with the reason.
            told = {problem.subject for problem in unread}
            found = preflight(session.policy, targets, snapshot, facts)
            problems += [problem for problem in found if problem.subject not in told]
            health = baseline(session.policy, observation, [target for target in targets if target.host in facts])
            session.files.save(health, BASELINE_VERDICT_FILE)
            problems += refusals(health, session.policy.accept)
            left, lacking = _left(session, snapshot)
            runs = {node.name: waits_since(node) for node in snapshot.nodes}
            members = members_of(map(str, task_vars["groups"]["all"]), targets)
            problems += [*changed(session.policy, members, left), *lacking]
            if reason := session.pause.halted():
                problems.append(Problem("run", f"was halted: {reason}", "run the same command again"))
            if not problems:
                owed = _owed(session.policy, targets, runs, facts, left)
                plan = make_plan(session.policy, targets, snapshot, facts, owed)
                problems += replanned(session.policy, plan, left)
                if session.recorded and not problems:
                    prune(session, keep={*marks(snapshot), *(record.run for record in left)})
        return self._told(session, plan, problems, members, runs, owed)

    def _told(
        self,
        session: Session,
        plan: Plan,
        problems: list[Problem],
        members: Mapping[str, str],
        runs: Mapping[str, str],
        owed: Collection[str],
    ) -> dict[str, Any]:
        session.files.save(Problems(tuple(problems)), PROBLEMS_FILE)
        session.files.save(plan, PLAN_FILE)
        session.files.save(plan.outline(), OUTLINE_FILE)
        if not problems:  # those are told by the verdict
            hosts = plan.hosts()
            session.recorder.tell(
                EventKind.RUN_PLANNED,
                plan_digest=plan.digest,
                hosts=[host.host for host in hosts],
                waves=len(plan.waves),
                policy=policy_of(session.policy),
                inventory=inventory_of(members),
                members=dict(members),
                kernels={host.host: host.target_kernel for host in hosts},
                packages={host.host: packages_of(host.packages) for host in hosts},
                resumes={host.host: runs[host.node] for host in hosts if runs.get(host.node)},
                owed=[host.host for host in hosts if host.host in owed],
            )
            health = session.files.load(Verdict, BASELINE_VERDICT_FILE)
            self.show([console.plan_table(plan), *console.acceptance(session.policy.accept, health)])
        waves = () if session.plan_only or problems else plan.waves
        return {
            "changed": False,
            "problems": to_data(problems),
            "digest": plan.digest,
            "hosts": {planned.host: to_data(planned) for planned in plan.hosts()},
            "lineup": lineup(waves),
            "serial": [len(wave.hosts) + 1 for wave in waves] or [1],
            "path": str(session.files.path(PLAN_FILE)),
        }


def _survey(
    task_vars: Mapping[str, Any], only: Collection[str]
) -> tuple[tuple[Target, ...], dict[str, HostFacts], list[Problem]]:
    """The hosts that took part in the survey: as targets, with their facts, and those that could not be read.

    Whether a host outside of ``only`` (when that names any) could be read is no problem.
    """
    targets, facts, problems = [], {}, []
    for host in task_vars["groups"]["all"]:
        hostvars = task_vars["hostvars"][host]
        if SURVEY_RESULT not in hostvars:
            continue
        names = {}
        for name in ("friday_node_name", "friday_zone"):
            names[name], wrong = name_of(str(host), hostvars, name)
            problems += wrong
        targets.append(Target(str(host), names["friday_node_name"] or str(host), names["friday_zone"]))
        seen, problem = read_answer(str(host), to_data(hostvars[SURVEY_RESULT]))
        if seen:
            facts[str(host)] = seen
        if problem and (not only or host in only):
            problems.append(problem)
    if not targets:
        problems.append(
            Problem("friday_hosts", "no host of the inventory took part in the survey", "check the pattern")
        )
    return tuple(targets), facts, problems


def _left(session: Session, snapshot: Snapshot) -> tuple[list[RunRecord], list[Problem]]:
    """Records of the runs that have left nodes cordoned, or that died; and a problem for each that can't be had."""
    found, problems = [], []
    for run in marks(snapshot):
        try:
            known = cluster_record.read(session.api(), session.namespace, run)
        except (KubeError, ValueError) as error:
            problems += unrecorded(session.policy, run, str(error))
        else:
            found += [known] if known else []
            problems += (
                [] if known else unrecorded(session.policy, run, f"there is none in namespace {session.namespace}")
            )
    try:
        records = cluster_record.read_stored(session.api(), session.namespace).records
        at_work = _at_work(session)
    except KubeError as error:
        Display().warning(f"whether the last run has died could not be looked at: {error}")
        return found, problems
    dead = died((each for each in records if each.run != session.run), at_work)
    found += [dead] if dead and dead.run not in marks(snapshot) else []
    return found, problems


def _at_work(session: Session) -> str:
    """The other run that holds the lock and lives, where this one has not taken it; empty when there is none."""
    holder = None if session.recorded else lease.current(session.api(), session.namespace)
    return holder.run if holder and life(holder.lock(), now()) is not Life.ABANDONED else ""


def _owed(
    policy: Policy,
    targets: Iterable[Target],
    runs: Mapping[str, str],
    facts: Mapping[str, HostFacts],
    left: Iterable[RunRecord],
) -> set[str]:
    """The hosts that the run which has left them cordoned (``runs``, by node) still owes a reboot."""
    records = {record.run: record for record in left}
    found = set()
    for target in targets:
        run = runs.get(target.node)
        known = records[run].hosts.get(target.host) if run in records else None
        if run and target.host in facts and owes_reboot(policy, known, facts[target.host]):
            found.add(target.host)
    return found
