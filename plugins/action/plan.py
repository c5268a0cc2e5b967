# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide on the waves: see the documentation of the module friday.upgrade.plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.preflight import preflight
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.survey import read_answer
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import resolve_targets
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import make_plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.kube import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Outcome,
    Problem,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.session import (
    BASELINE_FILE,
    BASELINE_VERDICT_FILE,
    OUTLINE_FILE,
    PLAN_FILE,
    PROBLEMS_FILE,
    TARGETS_FILE,
    Problems,
    Session,
    Targets,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console

SURVEY_RESULT = "survey_result"  # what roles/survey registers


class ActionModule(FridayAction):
    """Weigh the survey and the cluster; refuse with all problems at once, or plan the waves."""

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``lineup`` and ``serial`` for the play Waves, and ``hosts`` for its roles."""
        session = self.session(task_vars)
        targets, facts, unread = _survey(task_vars, session.policy.only)
        problems = [*session.problems, *unread]
        plan = Plan(waves=())
        try:
            snapshot = read_snapshot(session.api(), cni_nodes={target.node for target in targets})
        except KubeError as error:
            problems += [] if error.problem in problems else [error.problem]
        else:
            observation = Observation(snapshot, facts)
            session.save(observation, BASELINE_FILE)
            targets, unresolved = resolve_targets(targets, snapshot, session.policy)
            problems += unresolved
            session.save(Targets(targets), TARGETS_FILE)
            # A host that could not be read is told once, with the reason.
            told = {problem.subject for problem in unread}
            found = preflight(session.policy, targets, snapshot, facts)
            problems += [problem for problem in found if problem.subject not in told]
            health = baseline(session.policy, observation, [target for target in targets if target.host in facts])
            session.save(health, BASELINE_VERDICT_FILE)
            problems += _unhealthy(health)
            if not problems:
                plan = make_plan(session.policy, targets, snapshot, facts)
        return self._told(session, plan, problems)

    def _told(self, session: Session, plan: Plan, problems: list[Problem]) -> dict[str, Any]:
        session.save(Problems(tuple(problems)), PROBLEMS_FILE)
        session.save(plan, PLAN_FILE)
        session.save(plan.outline(), OUTLINE_FILE)
        if not problems:  # those are told by the verdict
            hosts = [planned.host for planned in plan.hosts()]
            session.tell(EventKind.RUN_PLANNED, plan_digest=plan.digest, hosts=hosts, waves=len(plan.waves))
            self.show(console.chunks(console.plan_table(plan)))
        waves = () if session.plan_only or problems else plan.waves
        return {
            "changed": False,
            "problems": to_data(problems),
            "digest": plan.digest,
            "hosts": {planned.host: to_data(planned) for planned in plan.hosts()},
            "lineup": _lineup(waves),
            "serial": [len(wave.hosts) + 1 for wave in waves] or [1],
            "path": str(session.path(PLAN_FILE)),
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
        targets.append(
            Target(str(host), str(hostvars.get("friday_node_name") or host), str(hostvars.get("friday_zone") or ""))
        )
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


def _unhealthy(verdict: Verdict) -> list[Problem]:
    """What keeps the cluster from being a baseline, a problem for each finding."""
    if verdict.outcome is Outcome.PASS:
        return []
    found: dict[object, Finding] = {}
    for finding in (verdict.cause, *verdict.consequences):
        # What could not be read keeps many checks from being asked: the same reason is one problem.
        if finding:
            unknown = finding.severity is Severity.UNKNOWN
            found.setdefault((finding.subject, finding.evidence) if unknown else finding, finding)
    return [
        Problem(
            finding.subject, f"{finding.layer.label}: {finding.message}", "repair it first, a Friday starts from health"
        )
        for finding in found.values()
    ]


def _lineup(waves: Any) -> list[dict[str, Any]]:
    """Hosts in the order of the play, each wave behind its marker; a lone marker when there is nothing to do."""
    lineup = []
    for wave in waves:
        marker = f"friday-wave-{wave.number}"
        for name in (marker, *(planned.host for planned in wave.hosts)):
            lineup.append({"name": name, "wave": wave.number, "marker": marker})
    return lineup or [{"name": "friday-no-wave", "wave": 0, "marker": "friday-no-wave"}]
