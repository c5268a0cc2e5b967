# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell people: every channel of ``friday_notify``, wherever a run ends. Never a reason to stop, and never silent."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.channel import Channel
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData


@dataclass(frozen=True)
class Told:
    """Who is told, and why somebody is not (``faults``)."""

    channels: tuple[Channel, ...] = ()
    faults: tuple[str, ...] = ()


Channels = Callable[[], Told]
"""Evaluates ``friday_notify``: only when somebody is to be told, as it may look its secrets up somewhere."""


def nobody() -> Told:
    """Plans and checks tell nobody."""
    return Told()


_PATIENCE = 3.0  # seconds for each step of an exchange, while hosts wait
_LONG = 10.0  # the same, when the run has ended
_PAUSE = 60.0  # seconds for which a channel that failed is not told of events


def tell_event(files: RunFiles, channels: Sequence[Channel], event: Event, line: str) -> list[str]:
    """Tell the channels that want to know of every event; returns what went wrong, once a minute for each channel."""
    faults = []
    for number, channel in enumerate(channels):
        if channel.events != "all" or _failed_lately(files, number):
            continue
        if fault := _sent(channel, partial(channel.event, event, line), _PATIENCE):
            faults.append(fault)
            with contextlib.suppress(OSError):
                files.path(_marker(number)).touch()
    return faults


def tell_verdict(told: Told, data: ReportData, report: str) -> list[str]:
    """Tell every channel how the run ended; returns what went wrong."""
    faults = [_sent(channel, partial(channel.verdict, data, report), _LONG) for channel in told.channels]
    return [f"the message was not posted: {fault}" for fault in (*told.faults, *faults) if fault]


def _sent(channel: Channel, payload: Callable[[], Any], timeout: float) -> str | None:
    """Send what the channel makes of it. A channel that fails at that is its own fault, and nobody else's."""
    try:
        return channel.send(payload(), timeout)
    except Exception as error:
        return f"{channel.about}: {type(error).__name__}"


def _failed_lately(files: RunFiles, number: int) -> bool:
    try:
        return time.time() - files.path(_marker(number)).stat().st_mtime < _PAUSE
    except OSError:
        return False


def _marker(number: int) -> str:
    return f"notify-{number}-failed"
