# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide on the waves: see the documentation of the module friday.upgrade.plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import planning
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.lock import at_work
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.resume import marks
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import lineup
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
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
    """Read the survey and the cluster; refuse with all problems at once, or plan the waves."""

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``lineup`` and ``serial`` for the play Waves, and ``hosts`` for its roles."""
        session = self.session(task_vars)
        inputs = _read(session, task_vars)
        made = planning.plan(inputs)
        _keep(session, inputs, made)
        if not made.problems:  # those are told by the verdict
            if session.recorded and inputs.snapshot:
                prune(session, keep=made.kept)
            session.recorder.tell(EventKind.RUN_PLANNED, **made.event(session.policy))
            self.show([console.plan_table(made.plan), *console.acceptance(session.policy.accept, made.health)])
        waves = () if session.plan_only or made.problems else made.plan.waves
        return {
            "changed": False,
            "problems": to_data(made.problems),
            "digest": made.plan.digest,
            "hosts": {planned.host: to_data(planned) for planned in made.plan.hosts()},
            "lineup": lineup(waves),
            "serial": [len(wave.hosts) + 1 for wave in waves] or [1],
            "path": str(session.files.path(PLAN_FILE)),
        }


def _read(session: Session, task_vars: Mapping[str, Any]) -> planning.Inputs:
    """Everything that the plan is made from; what cannot be read is a problem, or counts as not there."""
    misnamed: list[Problem] = []
    survey = planning.read_survey(_answers(task_vars, misnamed), session.policy.only)
    problems = [*session.problems, *misnamed]
    snapshot, marked, records, working = None, {}, (), ""
    try:
        snapshot = read_snapshot(session.api(), cni_nodes={target.node for target in survey.targets})
    except KubeError as error:
        problems += [] if error.problem in problems else [error.problem]
    else:
        marked = {run: _record(session, run) for run in marks(snapshot)}
        records, working = _other_runs(session)
    return planning.Inputs(
        policy=session.policy,
        inventory=tuple(map(str, task_vars["groups"]["all"])),
        survey=survey,
        snapshot=snapshot,
        problems=tuple(problems),
        marked=marked,
        records=records,
        at_work=working,
        halted=session.pause.halted(),
    )


def _answers(task_vars: Mapping[str, Any], problems: list[Problem]) -> Iterator[tuple[Target, Mapping[str, Any]]]:
    """Each host that took part in the survey, with its answer; what is wrong with its names is added to problems."""
    for host in map(str, task_vars["groups"]["all"]):
        hostvars = task_vars["hostvars"][host]
        if SURVEY_RESULT in hostvars:
            node, wrong_node = name_of(host, hostvars, "friday_node_name")
            zone, wrong_zone = name_of(host, hostvars, "friday_zone")
            problems += [*wrong_node, *wrong_zone]
            yield Target(host, node or host, zone), to_data(hostvars[SURVEY_RESULT])


def _record(session: Session, run: str) -> RunRecord | str:
    """The record of a run that left nodes cordoned, or why it cannot be read."""
    try:
        known = cluster_record.read(session.api(), session.namespace, run)
    except (KubeError, ValueError) as error:
        return str(error)
    return known or f"there is none in namespace {session.namespace}"


def _other_runs(session: Session) -> tuple[tuple[RunRecord, ...], str]:
    """Records of the other runs, the newest first, and which of them is at work, if this one has not the lock."""
    try:
        records = cluster_record.read_stored(session.api(), session.namespace).records
        holder = None if session.recorded else lease.current(session.api(), session.namespace)
    except KubeError as error:
        Display().warning(f"whether the last run died is unknown: {error}")
        return (), ""
    return tuple(each for each in records if each.run != session.run), at_work(holder.lock() if holder else None, now())


def _keep(session: Session, inputs: planning.Inputs, made: planning.Planned) -> None:
    """Write what later steps, and the report, read."""
    files, snapshot = session.files, inputs.snapshot
    if snapshot and made.health:
        files.save(Observation(snapshot, inputs.survey.facts), BASELINE_FILE)
        files.save(Targets(made.targets, inputs.survey.silent()), TARGETS_FILE)
        files.save(made.health, BASELINE_VERDICT_FILE)
    files.save(Problems(made.problems), PROBLEMS_FILE)
    files.save(made.plan, PLAN_FILE, indent=1)
    files.save(made.plan.outline(), OUTLINE_FILE)
