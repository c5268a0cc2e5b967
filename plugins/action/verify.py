# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare a host with how it was: see the documentation of the module friday.upgrade.verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import rounds
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.compare import compare
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.survey import read_answer
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import steady
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.earlier_run import earlier_baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import BEFORE_FILE, EARLIER_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

_REACHED = {"after": HostState.VERIFIED, "soak": HostState.SOAKED}


class ActionModule(FridayAction):
    """One round: compare, then say pass, fail, or wait and ask for another look."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "phase": {"type": "str", "choices": ["before", "after", "soak"], "required": True},
        "host": {"type": "dict", "required": True},
        "peer": {"type": "dict", "default": {}},
        "peer_name": {"type": "str", "default": ""},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``again``; fails with the probable cause when the verdict is clear or the deadline is over."""
        session, host, phase = self.session(task_vars), str(task_vars["inventory_hostname"]), arguments["phase"]
        waited = session.pause.await_lock()
        if reason := session.pause.halted():
            return {"failed": True, "halted": True, "again": False, "msg": f"{phase} was broken off: {reason}"}
        files = ("hosts", host, f"{phase}.json")
        progress = session.files.load(rounds.Progress, *files)
        if progress is None:
            progress = rounds.Progress(started=_began(session, host, phase))
        if waited:  # what was seen is old, and nothing was looked at meanwhile
            session.files.save(replace(progress, started=progress.started + waited), *files)
            return {"changed": False, "again": True, "msg": "the lock was waited for; looking again"}
        seen = Observation(
            session.files.load(Snapshot, "hosts", host, "seen.json") or _never(), _facts(host, arguments)
        )
        verdict = _judge(session, host, phase, seen, arguments["peer_name"])
        session.files.save(verdict, "hosts", host, "verdict.json")
        progress, next_round = rounds.next_round(progress, verdict, phase, steady(), session.policy)
        session.files.save(progress, *files)
        if next_round.action == "again":
            session.recorder.tell(EventKind.NOTE, host, message=f"{next_round.reason}; looking again")
            session.pause.rest(next_round.wait)
        elif next_round.action == "pass":
            _passed(session, host, phase, seen)
        return {
            "changed": False,
            "again": next_round.action == "again",
            "failed": next_round.action == "fail",
            "msg": next_round.reason,
            "outcome": next_round.outcome.value,  # the verdict itself is long, and lies in the run's folder
        }


def _began(session: Session, host: str, phase: str) -> float:
    """When a phase began: a soak with the last look of the verification before it, any other with its first look."""
    before = session.files.load(rounds.Progress, "hosts", host, "after.json") if phase == "soak" else None
    return before.looked if before else steady()


def _facts(host: str, arguments: dict[str, Any]) -> dict[str, HostFacts]:
    """What the host and the peer answered; one that could not be asked says so in its ``unknown``."""
    facts = {}
    for name, result in ((host, arguments["host"]), (arguments["peer_name"], arguments["peer"])):
        if name and not result.get("skipped"):
            answer, problem = read_answer(name, result)
            facts[name] = answer or HostFacts(host=name, unknown={"*": problem.message if problem else "no answer"})
    return facts


def _judge(session: Session, host: str, phase: str, seen: Observation, peer: str) -> Verdict:
    if phase == "before":
        return _judge_before(session, host, seen, peer)
    found = session.files.load(Observation, "hosts", host, BEFORE_FILE) or _never()
    earlier = session.files.load(Observation, "hosts", host, EARLIER_FILE)
    planned = session.files.planned(host)
    boots = [str(e.data.get("boot_id", "")) for e in session.recorder.events() if e.host == host and _rebooted(e)]
    if earlier and earlier.facts[host].boot_id != found.facts[host].boot_id:
        # The earlier run has rebooted it, or who repaired it.
        boots = boots or [found.facts[host].boot_id]
    return compare(
        earlier or found,
        seen,
        host,
        planned.target_kernel,
        session.policy,
        node=planned.node,
        reboot=bool(boots),
        boot_id=boots[-1] if boots else "",
    )


def _judge_before(session: Session, host: str, seen: Observation, peer: str) -> Verdict:
    """The host by itself. Where it was left by a run that this controller knows nothing of, nothing else is there."""
    earlier = session.files.load(Observation, "hosts", host, EARLIER_FILE)
    if earlier is None and (earlier := earlier_baseline(session, host)):
        session.files.save(earlier, "hosts", host, EARLIER_FILE)
    targets = [target for target in session.files.targets() if target.host == host]
    return baseline(session.policy, seen, targets, peer, left_by="" if earlier else session.files.waited(host))


def _rebooted(event: Event) -> bool:
    return event.kind is EventKind.STATE and event.data.get("state") == HostState.REBOOTED.value


def _passed(session: Session, host: str, phase: str, seen: Observation) -> None:
    if phase == "before":
        session.files.save(seen, "hosts", host, BEFORE_FILE)
        if run := session.files.waited(host):
            how = f"how it was before run {run}"
            if not (Path(session.folder) / "hosts" / host / EARLIER_FILE).exists():
                how = f"how it is now: {how} is not known here"
            session.recorder.tell(EventKind.NOTE, host, message=f"compared with {how}")
        return
    facts = seen.facts[host]
    session.recorder.tell(EventKind.STATE, host, state=_REACHED[phase], kernel=facts.kernel, boot_id=facts.boot_id)


def _never() -> Any:
    raise LookupError(
        "this round was not prepared: friday.upgrade.observe comes first, and the phase before ahead of others"
    )
