# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open or close a wave: see the documentation of the module friday.upgrade.gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils import watch
from ansible_collections.friday.upgrade.plugins.plugin_utils.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.gate import gate
from ansible_collections.friday.upgrade.plugins.plugin_utils.kube import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.session import BASELINE_FILE, Session


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
            if not session.record().stop:  # what has stopped the run is told already
                session.tell(EventKind.STOP, reason=closed.line(), wave=wave)
            return {"changed": False, "open": False, "reason": closed.line()}
        session.tell(EventKind.WAVE_STARTED, wave=wave)
        return {"changed": False, "open": True, "reason": ""}

    def _closed(self, session: Session, wave: int, lost: list[str]) -> Problem | None:
        """The reason to keep the wave closed. A cluster that is still settling gets until the deadline."""
        if stopped := _stopped(session):
            return stopped
        over = bool(lost or session.record().stop)
        hosts = {planned.host for each in session.outline().waves if each.number == wave for planned in each.hosts}
        while True:
            snapshot, health = watch.settled(session, 0 if over else session.policy.verify_timeout, hosts)
            if not session.await_lock():
                break  # else what was seen is old
        if stopped := _stopped(session):  # while it was waited for
            return stopped
        seen = session.load(Observation, BASELINE_FILE)
        return gate(session.plan(), session.record(), wave, snapshot, health, lost, seen.snapshot if seen else None)


def _stopped(session: Session) -> Problem | None:
    """What stops the run as a whole, whatever the cluster says."""
    reason = session.halted()
    if lock := session.lock_lost():
        return Problem("lock", f"is lost: {lock}", "see who holds the Lease, then run Friday again")
    return Problem("run", f"was halted: {reason}", "the same command goes on") if reason else None
