# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain JSON, for whatever program listens: events as the journal has them, the verdict as a few fields."""

from __future__ import annotations

from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import view
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.channel import Channel
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData


class PlainJson(Channel):
    """Any address that takes JSON."""

    name = "json"
    about = "the receiver"

    def verdict(self, data: ReportData, report: str) -> dict[str, Any]:
        """``kind`` is ``verdict``; states by host, what was found and accepted, and what to do next."""
        record = data.record
        return {
            "kind": "verdict",
            "run": record.run,
            "outcome": record.outcome,
            "message": record.message,
            "started": record.started,
            "finished": record.finished,
            "hosts": {host: known.state.value for host, known in record.hosts.items()},
            "accepted": list(view.accepted(data)),
            "advice": list(data.advice),
            "report": report,
        }

    def event(self, event: Event, line: str) -> Any:
        """The event as it is in the journal, with its ``line`` on the console."""
        return {**to_data(event), "line": line}
