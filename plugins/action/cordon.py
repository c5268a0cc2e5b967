# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cordon or uncordon a node: see the documentation of the module friday.upgrade.cordon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import cordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import CORDON, UNCORDON, HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction


class ActionModule(FridayAction):
    """Cordon with Friday's mark; uncordon what bears it, and nothing else."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {"type": "str", "choices": ["cordoned", "uncordoned"], "required": True}
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Journal first, act, and journal the state that was reached."""
        session, host = self.session(task_vars), str(task_vars["inventory_hostname"])
        node = session.files.planned(host).node
        if arguments["state"] == "cordoned":
            session.recorder.step(host, CORDON)
            done = cordon.cordon(session.api(), node, session.run)
            if done.foreign:
                return {"failed": True, "changed": False, "msg": done.message}
            # After a kill in the reboot this tells from another machine whether it has happened.
            session.recorder.tell(
                EventKind.STATE, host, state=HostState.CORDONED, kernel=done.kernel, boot_id=done.boot_id
            )
        else:
            session.recorder.step(host, UNCORDON)
            done = cordon.uncordon(session.api(), node, session.run)
            if done.cordoned:
                session.recorder.tell(EventKind.NOTE, host, message=done.message)
            session.recorder.tell(EventKind.STATE, host, state=HostState.DONE)
        return {"changed": done.changed, "msg": done.message}
