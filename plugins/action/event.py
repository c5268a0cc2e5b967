# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Journal an event of a host: see the documentation of the module friday.upgrade.event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.model import steps
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction

_NAMES = ", ".join(step.name for step in steps.STEPS)


class ActionModule(FridayAction):
    """Write one event to the journal (on disk when the task ends), and what follows from it to the record."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "kind": {"type": "str", "choices": ["step", "state", "note"], "required": True},
        "data": {"type": "dict", "default": {}},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the event's number as ``seq``; a step or a state that there is not is an error of the role."""
        host, data = str(task_vars["inventory_hostname"]), arguments["data"]
        if arguments["kind"] == "step" and steps.find(str(data.get("step"))) is None:
            return {"failed": True, "msg": f"{data.get('step')} is not a step of a host; the steps are {_NAMES}"}
        event = self.session(task_vars).recorder.tell(EventKind(arguments["kind"]), host, **data)
        return {"changed": False, "seq": event.seq}
