# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels import slack
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.post import post
from tests.unit.tell.slack_receiver import SECRET_PATH, SlackReceiver, faults
from tests.unit.tell.stories import STORIES, accepted, incident, passed, refused

HOSTILE = "<!channel> & <https://evil.example|click> ``` `x` \x1b[31m *b* \u202e \udcff" + "&<>" * 3000


@pytest.fixture
def receiver() -> Iterator[SlackReceiver]:
    with SlackReceiver() as server:
        yield server


def hostile(data: Any) -> Any:
    """``data`` with a hostile text wherever text from outside stands."""
    verdict = data.verdicts["node3"]
    bad = Finding(Layer.BPF, HOSTILE, HOSTILE, Severity.FAIL, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,) * 200)
    verdict = dataclasses.replace(verdict, cause=bad, consequences=(dataclasses.replace(bad, layer=Layer.DNS),) * 100)
    record = dataclasses.replace(data.record, message=HOSTILE, run=HOSTILE)
    return dataclasses.replace(data, record=record, verdicts={"node3": verdict}, advice=(HOSTILE,) * 100)


@pytest.mark.parametrize("name", STORIES)
def test_every_story_is_taken(receiver: SlackReceiver, name: str) -> None:
    payload = slack.message(STORIES[name](), "https://awx.example/report.html?a=1&b=2")
    assert post(receiver.url, payload, "the chat", 5) is None, receiver.rejected
    assert receiver.messages == [payload]


def test_the_incident_says_what_broke_and_what_to_do() -> None:
    text = json.dumps(slack.message(incident()), ensure_ascii=False)
    for said in (
        "Probable cause: BPF on `node3`",
        "Processed 1000001 insn",
        "1 failed, still cordoned",
        "endpoints:",
        "What to do next",
        "2 not touched",
    ):
        assert said in text


def test_what_was_accepted_is_told() -> None:
    text = json.dumps(slack.message(accepted()), ensure_ascii=False)
    assert "Found and accepted (friday_accept)" in text and "kernel-raid: array md0 of node1 is degraded" in text
    assert "Accepted" not in json.dumps(slack.message(passed()))


def test_hostile_and_endless_text_stays_within_the_rules(receiver: SlackReceiver) -> None:
    problems = tuple(dataclasses.replace(p, message=HOSTILE, fix=HOSTILE) for p in refused().problems * 20)
    for data in (hostile(incident()), dataclasses.replace(refused(), problems=problems)):
        payload = slack.message(data, HOSTILE)
        assert faults(payload) == []
        assert post(receiver.url, payload, "the chat") is None
        assert "the rest is in the report" in json.dumps(payload)


def test_a_fleet_is_counted_not_listed(receiver: SlackReceiver) -> None:
    data = passed()
    one = data.record.hosts["node4"]
    record = dataclasses.replace(data.record, hosts={f"node{n}.rack{n % 40}.example.org": one for n in range(5000)})
    payload = slack.message(dataclasses.replace(data, record=record))
    assert faults(payload) == [] and "5000 done" in json.dumps(payload) and "4980 more" in json.dumps(payload)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, "no_service", {}), "answered 404: no_service"),
        ((403, "action_prohibited", {}), "answered 403: action_prohibited"),
        ((429, "", {"Retry-After": "30"}), "answered 429"),
        ((500, f"cannot route {SECRET_PATH}", {}), "answered 500: cannot route ***"),
        ((302, "", {"Location": "http://127.0.0.1:1/elsewhere"}), "answered 302"),
    ],
)
def test_refusals_are_told_without_the_secret(receiver: SlackReceiver, answer: Any, expected: str) -> None:
    receiver.answer = answer
    error = post(receiver.url, {"text": "hello"}, "the chat")
    assert error is not None and expected in error and "127.0.0.1" in error
    assert not any(piece in error for piece in SECRET_PATH.split("/") if len(piece) > 8)
    assert len(receiver.requests) == 1  # a redirect is not followed


def test_any_success_is_a_success(receiver: SlackReceiver) -> None:
    receiver.answer = (204, "", {})  # other receivers of this format answer so
    assert post(receiver.url, {"text": "hello"}, "the chat") is None


def test_a_receiver_that_does_not_answer_costs_no_more_than_the_timeout(receiver: SlackReceiver) -> None:
    receiver.delay_seconds = 30
    started = time.monotonic()
    error = post(receiver.url, {"text": "hello"}, "the chat", timeout=0.5)
    assert error is not None and "could not be reached" in error and "c3RhbmQ" not in error
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:1{SECRET_PATH}",
        "c3RhbmQtaW4tc2VjcmV0",
        "http://[c3RhbmQtaW4tc2VjcmV0",
        "",
        "ftp://x/c3RhbmQtaW4tc2VjcmV0",
        "http://user:c3RhbmQtaW4tc2VjcmV0@127.0.0.1:1/x",
        "http://127.0.0.1:c3RhbmQtaW4tc2VjcmV0/",
    ],
)
def test_nothing_is_raised_and_no_secret_told(url: str) -> None:
    error = post(url, {"text": "hello"}, "the chat", 1)
    assert error is not None and "c3RhbmQ" not in error


def test_an_opener_that_tells_the_url_is_not_repeated() -> None:
    def opener(url: str, **_: object) -> None:
        raise RuntimeError(f"could not open {url}")

    error = post(
        "https://hooks.example/services/T1234/B5678/topsecret?key=alsosecret", {"text": "x"}, "the chat", 1, opener
    )
    assert (
        error is not None and "RuntimeError: could not open ***" in error and "secret" not in error.replace("***", "")
    )


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ({}, "no_text"),
        ({"text": "<!channel>"}, "calls people"),
        ({"text": "a < b"}, "not escaped"),
        ({"text": "x", "blocks": [{"type": "divider"}] * 51}, "51 blocks"),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
            "151 of 150",
        ),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]},
            "3001 of 3000",
        ),
        ({"text": "x", "blocks": [{"type": "section"}]}, "neither text nor fields"),
    ],
)
def test_the_stand_in_holds_to_the_rules(payload: Any, fault: str) -> None:
    assert any(fault in line for line in faults(payload))
