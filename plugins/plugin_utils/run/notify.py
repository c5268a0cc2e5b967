# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell people: every channel of ``friday_notify``, wherever a run ends. Never a reason to stop, and never silent."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.channel import Channel
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData

_PATIENCE = 3.0  # seconds for each step of an exchange, while hosts wait
_PAUSE = 60.0  # seconds for which a channel that failed is not told of events


def tell_event(files: RunFiles, channels: Sequence[Channel], event: Event, line: str) -> list[str]:
    """Tell the channels that want to know of every event; returns what went wrong, once a minute for each channel."""
    faults = []
    for number, channel in enumerate(channels):
        if channel.events != "all" or _failed_lately(files, number):
            continue
        if fault := channel.send(channel.event(event, line), _PATIENCE):
            faults.append(fault)
            with contextlib.suppress(OSError):
                files.path(_marker(number)).touch()
    return faults


def tell_verdict(channels: Iterable[Channel], data: ReportData, report: str) -> list[str]:
    """Tell every channel how the run ended; returns what went wrong."""
    faults = [channel.send(channel.verdict(data, report)) for channel in channels]
    return [f"the message was not posted: {fault}" for fault in faults if fault]


def _failed_lately(files: RunFiles, number: int) -> bool:
    try:
        return time.time() - files.path(_marker(number)).stat().st_mtime < _PAUSE
    except OSError:
        return False


def _marker(number: int) -> str:
    return f"notify-{number}-failed"
