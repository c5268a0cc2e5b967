# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Channels: where people are told. Named in ``CHANNELS``, chosen by ``friday_notify``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.channel import EVENTS, Channel
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.plain_json import PlainJson
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.slack import Slack

CHANNELS: tuple[type[Channel], ...] = (Slack, PlainJson)
_TYPES = {channel.name: channel for channel in CHANNELS}
_KEYS = ("type", "url", "events")
_KEY = re.compile(r"[a-z_]{1,30}")
_VARIABLE = "friday_notify"


def parse(entries: Any) -> tuple[tuple[Channel, ...], tuple[Problem, ...]]:
    """The channels of ``friday_notify``, and all that is wrong with its entries. No problem quotes an address."""
    if not isinstance(entries, (list, tuple)):
        return (), (Problem(_VARIABLE, "is not a list", "write a list of entries, each with a url"),)
    channels: list[Channel] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries, start=1):
        wrong = [Problem(_VARIABLE, f"entry {number} {message}", fix) for message, fix in _faults(entry)]
        problems += wrong
        if not wrong:
            channels.append(_TYPES[entry.get("type", Slack.name)](entry["url"], entry.get("events", EVENTS[0])))
    return tuple(channels), tuple(problems)


def _faults(entry: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with an entry, each with its fix."""
    if not isinstance(entry, Mapping):
        yield "is not a mapping", "give it a url"
        return
    if unknown := sorted(str(key) for key in entry.keys() - set(_KEYS)):
        # What does not look like a key may be an address, which Ansible takes for key=value.
        named = f": {', '.join(unknown)}" if all(map(_KEY.fullmatch, unknown)) else ""
        yield f"has unknown keys{named}", f"known are {', '.join(_KEYS)}"
    kind = entry.get("type", Slack.name)
    if not isinstance(kind, str) or kind not in _TYPES:
        yield "has an unknown type", f"known are {', '.join(_TYPES)}"
    if entry.get("events", EVENTS[0]) not in EVENTS:
        yield "has an unknown value for events", f"known are {', '.join(EVENTS)}"
    url = entry.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        yield "has no url that begins with https:// or http://", "give it one"
