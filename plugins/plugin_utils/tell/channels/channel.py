# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every channel is: an address, and the form of what is posted there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.post import post

EVENTS = ("verdict", "all")
"""How much a channel is told: the verdict alone, or every line that the console shows as well."""


@dataclass(frozen=True)
class Channel(ABC):
    """One entry of ``friday_notify``. Subclasses give its form; they never raise, and never stop a run.

    Attributes:
        name: ``type`` of the entry.
        about: what is there, for a sentence.
        url: where to post; a secret.
        events: one of :data:`EVENTS`.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    url: str = field(repr=False)
    events: str = EVENTS[0]

    @abstractmethod
    def verdict(self, data: ReportData, report: str) -> Any:
        """What is posted when a run has ended, as JSON values. ``report`` is where its report is (URL or path)."""

    @abstractmethod
    def event(self, event: Event, line: str) -> Any:
        """What is posted for an event, as JSON values. ``line`` is how the console shows it."""

    def send(self, payload: Any, timeout: float = 10.0) -> str | None:
        """Post; None when it was taken, else what went wrong, without the address."""
        return post(self.url, payload, self.about, timeout)
