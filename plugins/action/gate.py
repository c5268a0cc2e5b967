# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open or close a wave: see the documentation of the module friday.upgrade.gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.gate import gate
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import wait_until_settled
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import BASELINE_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


class ActionModule(FridayAction):
    """Ask the record, the lock, the cluster and Ansible's list of lost hosts whether a wave may start."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "wave": {"type": "int", "required": True},
        "lost": {"type": "list", "elements": "str", "default": []},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``open``; a wave that stays closed says why in ``reason`` and stops the run."""
        session, wave = self.session(task_vars), arguments["wave"]
        if wave == 0:
            return {"changed": False, "open": False, "reason": "there is nothing to do"}
        try:
            closed = self._closed(session, wave, arguments["lost"])
        except KubeError as error:
            closed = error.problem
        if closed:
            if not session.recorder.record().stop:  # what has stopped the run is told already
                session.recorder.tell(EventKind.STOP, reason=closed.line(), wave=wave)
            return {"changed": False, "open": False, "reason": closed.line()}
        session.recorder.tell(EventKind.WAVE_STARTED, wave=wave)
        return {"changed": False, "open": True, "reason": ""}

    def _closed(self, session: Session, wave: int, lost: list[str]) -> Problem | None:
        """The reason to keep the wave closed. A cluster that is still settling gets until the deadline."""
        if stopped := _stopped(session):
            return stopped
        over = bool(lost or session.recorder.record().stop)
        hosts = {
            planned.host for each in session.files.outline().waves if each.number == wave for planned in each.hosts
        }
        while True:
            snapshot, health = wait_until_settled.settled(session, 0 if over else session.policy.verify_timeout, hosts)
            if not session.pause.await_lock():
                break  # else what was seen is old
        if stopped := _stopped(session):  # while it was waited for
            return stopped
        seen = session.files.load(Observation, BASELINE_FILE)
        return gate(
            session.files.plan(),
            session.recorder.record(),
            wave,
            snapshot,
            health,
            lost,
            seen.snapshot if seen else None,
            session.policy.accept,
            session.policy.quorums,
        )


def _stopped(session: Session) -> Problem | None:
    """What stops the run as a whole, whatever the cluster says."""
    reason = session.pause.halted()
    if lock := session.pause.lock_lost():
        return Problem("lock", f"is lost: {lock}", "check who holds the Lease, then run Friday again")
    return Problem("run", f"was halted: {reason}", "rerun the same command to resume") if reason else None
