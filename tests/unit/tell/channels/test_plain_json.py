# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain JSON: what a program that listens can rely on."""

from __future__ import annotations

import json

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.plain_json import PlainJson
from tests.unit.tell.stories import accepted, incident, passed

CHANNEL = PlainJson("https://receiver.example/friday")


def test_a_verdict_has_its_outcome_and_the_state_of_each_host() -> None:
    data = incident()
    told = json.loads(json.dumps(CHANNEL.verdict(data, "/report.html")))
    assert (told["kind"], told["run"], told["report"]) == ("verdict", data.record.run, "/report.html")
    assert (told["outcome"], told["message"]) == ("fail", data.record.message)
    assert told["hosts"] == {host: known.state.value for host, known in data.record.hosts.items()}
    assert told["advice"] == list(data.advice) != []


def test_a_pass_is_told_as_one() -> None:
    assert CHANNEL.verdict(passed(), "")["outcome"] == "pass"
    assert CHANNEL.verdict(passed(), "")["accepted"] == []
    assert CHANNEL.verdict(accepted(), "")["accepted"][0].startswith("kernel-raid: array md0 of node1 is degraded")


def test_an_event_is_the_journals_with_its_line() -> None:
    event = Event(7, 12.5, "run", EventKind.STEP, "node1", {"step": "drain"})
    told = json.loads(json.dumps(CHANNEL.event(event, "16:42:10  node1  drain")))
    assert told == {
        **{"seq": 7, "time": 12.5, "run": "run", "kind": "step", "host": "node1", "data": {"step": "drain"}},
        "line": "16:42:10  node1  drain",
    }
