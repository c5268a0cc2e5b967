# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare a host with how it was: see the documentation of the module friday.upgrade.verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import judging, rounds
from ansible_collections.friday.upgrade.plugins.plugin_utils.model import steps
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import looks
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import steady
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.earlier_run import keep_earlier
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import HOSTS, LAST_VERDICT_FILE, VERDICT_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

_PHASES = {step.name: step for step in steps.PHASES}


class ActionModule(FridayAction):
    """One round: compare, then say pass, fail, or wait and ask for another look."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "phase": {"type": "str", "choices": list(_PHASES), "required": True},
        "host": {"type": "dict", "required": True},
        "peer": {"type": "dict", "default": {}},
        "peer_name": {"type": "str", "default": ""},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``again``; fails with the probable cause when the verdict is clear or the deadline is over.

        The last look fails nothing: its verdict is kept for that on the whole run.
        """
        session, host = self.session(task_vars), str(task_vars["inventory_hostname"])
        phase, peer = _PHASES[arguments["phase"]], arguments["peer_name"]
        waited = session.pause.await_lock()
        if reason := session.pause.halted():
            return {"failed": True, "halted": True, "again": False, "msg": f"{phase.name} was interrupted: {reason}"}
        files = (HOSTS, host, _progress(phase))
        progress = session.files.load(rounds.Progress, *files)
        if progress is None:
            progress = rounds.Progress(started=_began(session, host, phase))
        if waited:  # what was seen is old, and nothing was looked at meanwhile
            session.files.save(replace(progress, started=progress.started + waited), *files)
            return {"changed": False, "again": True, "msg": "waited for the lock; checking again"}
        kept = looks.load(session.files, host, looks.SEEN)
        if kept is None:
            raise LookupError(f"{host} was not observed: the task friday.upgrade.observe must run before this one")
        seen = replace(kept, facts=judging.facts_of({host: arguments["host"], peer: arguments["peer"]}))
        known = _known(session, host, phase)
        if phase is steps.BEFORE:
            verdict = judging.judge_before(session.policy, seen, known, peer)
        else:
            verdict = judging.judge_after(session.policy, seen, known)
        session.files.save(verdict, HOSTS, host, LAST_VERDICT_FILE if phase is steps.LAST else VERDICT_FILE)
        progress, next_round = rounds.next_round(progress, verdict, phase, steady(), session.policy)
        session.files.save(progress, *files)
        if next_round.action == "again":
            session.recorder.tell(EventKind.NOTE, host, message=f"{next_round.reason}; checking again")
            session.pause.rest(next_round.wait)
        elif next_round.action == "pass":
            _passed(session, known, phase, seen)
        return {
            "changed": False,
            "again": next_round.action == "again",
            "failed": next_round.action == "fail" and phase is not steps.LAST,  # which is weighed with all others
            "msg": next_round.reason,
            "outcome": next_round.outcome.value,  # the verdict itself is long, and lies in the run's folder
        }


def _began(session: Session, host: str, phase: steps.Step) -> float:
    """When a phase began: a soak with the last look of the verification before it, any other with its first look."""
    verify = _progress(steps.VERIFY)
    before = session.files.load(rounds.Progress, HOSTS, host, verify) if phase is steps.SOAK else None
    return before.looked if before else steady()


def _known(session: Session, host: str, phase: steps.Step) -> judging.Known:
    """What the run has in its files of the host. How it was before an earlier run is kept at the first look."""
    files, planned, recorded = session.files, session.files.planned(host), session.recorder.record().hosts.get(host)
    left_by = recorded.resumes if recorded else ""
    if phase is steps.BEFORE and left_by:
        keep_earlier(session, host, left_by)
    return judging.Known(
        planned,
        next((target for target in files.targets() if target.host == host), Target(host, planned.node, planned.zone)),
        looks.load(files, host, looks.BEFORE),
        looks.load(files, host, looks.EARLIER),
        judging.boots_of(host, session.recorder.events()),
        left_by,
    )


def _passed(session: Session, known: judging.Known, phase: steps.Step, seen: Observation) -> None:
    if phase is steps.LAST:
        return
    host = known.planned.host
    if phase is not steps.BEFORE:
        facts = seen.facts[host]
        session.recorder.tell(EventKind.STATE, host, state=phase.reaches, kernel=facts.kernel, boot_id=facts.boot_id)
        return
    files = session.files
    looks.keep(files, host, looks.BEFORE, seen, looks.cluster_file(files, host, looks.SEEN))
    if known.left_by:
        how = f"how it was before run {known.left_by}"
        if known.earlier is None:
            how = f"how it is now: {how} is unknown"
        session.recorder.tell(EventKind.NOTE, host, message=f"compared with {how}")


def _progress(phase: steps.Step) -> str:
    """The file that has how far a phase has come."""
    return f"progress-{phase.name}.json"
