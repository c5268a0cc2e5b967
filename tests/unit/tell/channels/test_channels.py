# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``friday_notify``: which entries are channels, and what is said of the others without a word of their addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels import CHANNELS, parse
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.slack import Slack

ROOT = Path(__file__).resolve().parents[4]
URL = "https://hooks.example/services/T1234/topsecret"


def test_an_entry_needs_an_address_alone() -> None:
    assert parse([{"url": URL}]) == ((Slack(URL),), ())
    assert parse([{"url": URL, "events": "all", "type": "slack"}]) == ((Slack(URL, "all"),), ())
    assert parse([]) == ((), ())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (URL, "entry 2 is not a mapping"),
        ({"url": "topsecret"}, "entry 2 has no url that begins with https:// or http://"),
        ({"type": "slack"}, "entry 2 has no url that begins with https:// or http://"),
        ({"url": URL, "type": "topsecret"}, "entry 2 has an unknown type"),
        ({"url": URL, "events": "topsecret"}, "entry 2 has an unknown value for events"),
        ({"url": URL, "channel": "topsecret"}, "entry 2 has unknown keys: channel"),
        ({"https://hooks.example/topsecret?wait": "true", "url": URL}, "entry 2 has unknown keys"),
        ({"url": URL, "type": ["topsecret"]}, "entry 2 has an unknown type"),
    ],
)
def test_what_is_wrong_with_one_is_said_of_that_one(entry: Any, message: str) -> None:
    channels, problems = parse([{"url": URL}, entry])
    assert channels == (Slack(URL),), "another entry is none the worse for it"
    assert [problem.message for problem in problems] == [message]
    assert not any("topsecret" in problem.line() for problem in problems)


def test_what_is_no_list_is_said() -> None:
    assert [problem.message for problem in parse(URL)[1]] == ["is not a list"]


def test_each_type_is_in_the_argument_spec_and_in_the_reference() -> None:
    from pathlib import Path

    root = Path(__file__).resolve().parents[4]
    spec = yaml.safe_load((root / "roles/guard/meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]
    names = [channel.name for channel in CHANNELS]
    assert spec["friday_notify"]["options"]["type"]["choices"] == names
    page = (root / "docs/reference/events-and-record.md").read_text()
    assert all(f"| `{name}` |" in page for name in names)
