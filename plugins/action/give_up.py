# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give up a host that did not get through: see the documentation of the module friday.upgrade.give_up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, HostRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.give_up_host import give_up

_WORDS = {HostState.FAILED: "failed", HostState.HELD: "was held"}


class ActionModule(FridayAction):
    """Say in which state the host is left, undo this run's own cordon where nothing was changed, stop later waves."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "task": {"type": "str", "default": ""},
        "result": {"type": "dict", "default": {}},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Fail in every case: the host has not got through."""
        session, host = self.session(task_vars), str(task_vars["inventory_hostname"])
        known = session.recorder.record().hosts.get(host) or HostRecord(HostState.PLANNED, now())
        state, remark = give_up(session, host, known)
        message = _message(arguments) + remark
        halted = {"halted": True} if arguments["result"].get("halted") else {}
        session.recorder.tell(EventKind.FAILURE, host, state=state, step=known.step, message=message, **halted)
        reason = session.pause.halted() or f"{host} {_WORDS[state]} in step {known.step or 'start'}"
        session.recorder.tell(EventKind.STOP, reason=reason)
        return {"failed": True, "changed": False, "state": to_data(state), "msg": f"{host} {_WORDS[state]}: {message}"}


def _message(arguments: dict[str, Any]) -> str:
    result = arguments["result"]
    text = str(result.get("msg") or result.get("stderr") or result.get("exception") or "no message")
    # A verdict and a halt speak for themselves; of any other task it has to be said which.
    speaks = "outcome" in result or "halted" in result or not arguments["task"]
    return text if speaks else f"{arguments['task']}: {text}"
