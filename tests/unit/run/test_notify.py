# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling people while a run goes on, and when it has ended."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.notify import Told, tell_verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.channel import Channel
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData


class Torn(Exception):
    """What a channel should not raise."""


@dataclass(frozen=True)
class Paper(Channel):
    """A channel that keeps what it is given, and fails when it is told to."""

    name = "paper"
    about = "the paper"
    kept: list[Any] = field(default_factory=list)
    fault: list[str] = field(default_factory=list)

    def verdict(self, data: ReportData, report: str) -> Any:
        return ("verdict", data.record.run, report)

    def event(self, event: Any, line: str) -> Any:
        return (event.kind.value, line.split()[-1])

    def send(self, payload: Any, timeout: float = 10.0) -> str | None:
        self.kept.append(payload)
        return self.fault[0] if self.fault else None


def told(folder: Path, *channels: Channel, plan_only: bool = False) -> Session:
    session = Session("run", str(folder), Policy(), plan_only=plan_only, tells_events=True)
    session.notifying(lambda: Told(channels))
    session.recorder.tell(EventKind.RUN_PLANNED, plan_digest="d", hosts=["n1"], waves=1)
    session.recorder.tell(EventKind.NOTE, "n1", message="one")
    return session


def test_events_go_to_who_wants_all_of_them(tmp_path: Path) -> None:
    everything, verdict = Paper("https://a", "all"), Paper("https://b")
    told(tmp_path, everything, verdict)
    assert [kind for kind, _ in everything.kept] == ["note"], "what the console shows, and no more"
    assert verdict.kept == []


def test_who_does_not_answer_is_left_alone_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, well = Paper("https://a", "all", fault=["no answer"]), Paper("https://b", "all")
    session = told(tmp_path, broken, well)
    session.recorder.tell(EventKind.NOTE, "n1", message="two")
    assert (len(broken.kept), len(well.kept)) == (1, 2)
    long_ago = time.time() - 61
    for marker in tmp_path.glob("notify-*-failed"):
        os.utime(marker, (long_ago, long_ago))
    session.recorder.tell(EventKind.NOTE, "n1", message="three")
    assert (len(broken.kept), len(well.kept)) == (2, 3)


def test_nobody_is_told_of_plans(tmp_path: Path) -> None:
    everything = Paper("https://a", "all")
    session = told(tmp_path, everything, plan_only=True)
    assert everything.kept == [] and session.channels() == Told()


def test_the_verdict_goes_to_everybody_and_what_fails_is_said(tmp_path: Path) -> None:
    broken, well = Paper("https://a", fault=["the paper at a: no answer"]), Paper("https://b", "all")
    faults = tell_verdict(Told((broken, well)), ReportData(RunRecord("run")), "/report.html")
    assert faults == ["the message was not posted: the paper at a: no answer"]
    assert well.kept == [("verdict", "run", "/report.html")]


def test_addresses_are_in_no_file_and_in_no_result(tmp_path: Path) -> None:
    session = told(tmp_path, Paper("https://topsecret", "all"))
    session.keep()
    assert "topsecret" not in str(session.data())
    assert not any("topsecret" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert session.changed(recorded=True).channels == session.channels, "a changed session tells the same people"
    assert RunFiles(tmp_path).folder == tmp_path


def test_a_channel_that_raises_harms_nobody_else() -> None:
    class Raising(Paper):
        def verdict(self, data: ReportData, report: str) -> Any:
            raise Torn("topsecret")

    well = Paper("https://b")
    faults = tell_verdict(Told((Raising("https://a"), well)), ReportData(RunRecord("run")), "")
    assert faults == ["the message was not posted: the paper: Torn"]
    assert len(well.kept) == 1


def test_what_cannot_be_evaluated_is_said_and_looked_up_only_when_it_is_needed(tmp_path: Path) -> None:
    calls: list[int] = []

    def failing() -> Told:
        calls.append(1)
        return Told((), ("friday_notify could not be evaluated (AnsibleError): nobody is told",))

    session = Session("run", str(tmp_path), Policy()).notifying(failing)
    session.recorder.tell(EventKind.NOTE, "n1", message="one")
    assert calls == [], "nobody wants to know of events"
    assert tell_verdict(session.channels(), ReportData(RunRecord("run")), "") == [
        "the message was not posted: friday_notify could not be evaluated (AnsibleError): nobody is told"
    ]


def test_an_address_is_in_no_repr() -> None:
    assert "topsecret" not in repr(Paper("https://topsecret"))
