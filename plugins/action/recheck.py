# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look once more before a reboot: see the documentation of the module friday.upgrade.recheck."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import recheck
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import RECHECK
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.looks import look
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


class ActionModule(FridayAction):
    """Say whether the host reboots, and fail when the node is not as the drain left it."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {"upgrade": {"type": "dict", "default": {}}}

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``reboot`` and the ``kernel`` to come. An API server that does not answer is waited for."""
        session, host = self.session(task_vars), str(task_vars["inventory_hostname"])
        planned = session.files.planned(host)
        if not recheck.needed(planned, arguments["upgrade"]):
            return {"changed": False, "reboot": False}
        session.recorder.step(host, RECHECK)
        deadline = time.monotonic() + session.policy.verify_timeout
        while True:
            if reason := session.pause.halted():
                return {"failed": True, "halted": True, "msg": f"the reboot was not started: {reason}"}
            snapshot, reason = _look(session)
            if snapshot:
                break
            if time.monotonic() >= deadline:
                return {"failed": True, "msg": f"{host} was not rebooted: {reason}"}
            session.recorder.tell(EventKind.NOTE, host, message=f"{reason}; checking again")
            session.pause.rest(session.policy.check_interval)
        refused = recheck.refusals(session.policy, snapshot, planned, session.run)
        if refused:
            return {"failed": True, "msg": f"{host} was not rebooted: {'; '.join(refused)}"}
        return {"changed": False, "reboot": True, "kernel": planned.target_kernel}


def _look(session: Session) -> tuple[Snapshot | None, str]:
    """The cluster, or why nothing can be said of it now."""
    try:
        snapshot = look(session.files, session.api())
    except KubeError as error:
        return None, error.problem.line()
    reason = recheck.unknown(snapshot)
    return (None, reason) if reason else (snapshot, "")
