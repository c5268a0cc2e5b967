# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The session of a run: what it folds, what may begin, and the record that follows the journal."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, SkippedHost, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import (
    REBOOT,
    SOAK,
    UNCORDON,
    VERIFY,
    HostState,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import files, halt, journal, pause, recorder
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Halted
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

RUN = "20261122-161500-3f2a"


class Written(list[tuple[RunRecord, Any]]):
    """What would have been written to the cluster; fails while it is told to."""

    failing = False

    def __call__(self, _api: object, _namespace: str, record: RunRecord, hosts: Any = None) -> None:
        if self.failing:
            raise ApiError(0, "no answer")
        self.append((record, hosts))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    written = Written()
    monkeypatch.setattr(recorder.cluster_record, "write", written)
    monkeypatch.setattr(recorder.cluster_record, "read", lambda *_: None)
    monkeypatch.setattr(Session, "api", lambda _self: None)
    return written


def a_session(folder: Path, recorded: bool = False) -> Session:
    session = Session(RUN, str(folder), Policy(), recorded=recorded)
    session.recorder.tell(EventKind.RUN_STARTED, holder="me", version="1", check=False)
    session.recorder.tell(EventKind.RUN_PLANNED, plan_digest="d", hosts=["n1", "n2"], waves=1)
    return session


def test_a_long_journal_is_folded_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_session(tmp_path)
    for number in range(300):
        session.recorder.tell(EventKind.STATE, "n1", state=HostState.CORDONED, kernel=str(number))
    session.recorder.tell(EventKind.STATE, "n2", state=HostState.DRAINED)
    read: list[int] = []
    whole = journal.read

    def counted(*arguments: Any) -> journal.Events:
        events = whole(*arguments)
        read.append(len(events))
        return events

    monkeypatch.setattr(recorder.journal, "read", counted)
    assert session.recorder.record() == fold(whole(tmp_path))
    assert read == [303 - 250], "what is before the checkpoint is not read again"


def test_a_checkpoint_that_cannot_be_kept_is_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_session(tmp_path)

    def no_room(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunFiles, "save", no_room)
    for _ in range(260):
        session.recorder.tell(EventKind.NOTE, "n1", message="x")
    assert session.recorder.record().seq == 262


def test_a_record_that_fell_behind_is_brought_up_whole(tmp_path: Path, written: Written) -> None:
    """Whose state could not be written is not forgotten at the next event of another host."""
    session = a_session(tmp_path, recorded=True)
    session.recorder.tell(EventKind.STATE, "n1", state=HostState.CORDONED)
    assert written[-1][1] == ["n1"]
    written.failing = True
    session.recorder.tell(EventKind.STATE, "n1", state=HostState.DRAINED)
    written.failing = False
    session.recorder.tell(EventKind.STATE, "n2", state=HostState.CORDONED)
    assert written[-1][1] == ["n1", "n2"]
    session.recorder.tell(EventKind.STATE, "n2", state=HostState.DRAINED)
    assert written[-1][1] == ["n2"]


class Busy(Written):
    """A cluster that takes the second write (and each later one) only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.open = threading.Event(), threading.Event()
        self.calls = 0

    def __call__(self, _api: object, _namespace: str, record: RunRecord, hosts: Any = None) -> None:
        self.calls += 1
        self.entered.set()
        assert self.open.wait(30)
        super().__call__(_api, _namespace, record, hosts)


def all_at_once(session: Session, written: Busy, hosts: list[str], failing: bool) -> None:
    """The first host's event is being written while all others journal theirs."""
    written.open.clear()
    written.entered.clear()
    written.failing = failing
    before = len(session.recorder.events())
    tellers = [
        threading.Thread(
            target=session.recorder.tell, args=(EventKind.STATE, host), kwargs={"state": HostState.CORDONED}
        )
        for host in hosts
    ]
    tellers[0].start()
    assert written.entered.wait(30)
    for teller in tellers[1:]:
        teller.start()
    while len(session.recorder.events()) < before + len(hosts):
        time.sleep(0.01)
    written.open.set()
    for teller in tellers:
        teller.join(30)


def test_events_of_the_same_moment_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Busy()
    monkeypatch.setattr(recorder.cluster_record, "write", written)
    monkeypatch.setattr(Session, "api", lambda _self: None)
    hosts = [f"n{number:02}" for number in range(30)]
    session = Session(RUN, str(tmp_path), Policy(), recorded=True)
    written.open.set()
    session.recorder.tell(EventKind.RUN_PLANNED, plan_digest="d", hosts=hosts, waves=1)
    assert written.pop()[1] is None, "all hosts, in their order"
    all_at_once(session, written, hosts, failing=False)
    assert [len(hosts) for _, hosts in written] == [1, 29]
    assert all(host.state is HostState.CORDONED for host in written[-1][0].hosts.values())

    written.clear()
    calls = written.calls
    all_at_once(session, written, hosts, failing=True)
    assert written.calls == calls + 2, "nor does a server that is away cost every process its patience"
    written.failing = False
    session.recorder.tell(EventKind.STOP, reason="enough")
    assert [sorted(hosts) for _, hosts in written] == [hosts], "nothing that could not be written is forgotten"


def test_what_the_journal_has_no_room_for_is_in_the_record(
    tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = a_session(tmp_path, recorded=True)

    def no_room(*_: Any, **__: Any) -> None:
        raise journal.JournalError("the disk is full")

    monkeypatch.setattr(journal.Journal, "append", no_room)
    with pytest.raises(journal.JournalError):
        session.recorder.tell(EventKind.FAILURE, "n1", state=HostState.FAILED, step="upgrade", message="broken")
    assert written[-1][0].hosts["n1"].state is HostState.FAILED
    assert session.recorder.record().hosts["n1"].state is HostState.PLANNED


def test_nothing_begins_in_a_run_that_was_asked_to_halt(tmp_path: Path) -> None:
    session = a_session(tmp_path)
    halt.ask(tmp_path, "it was interrupted (Ctrl-C)")
    halt.ask(tmp_path, "a second reason")
    with pytest.raises(Halted, match=r"step reboot was not started: it was interrupted \(Ctrl-C\)"):
        session.recorder.step("n1", REBOOT)
    session.recorder.step("n1", UNCORDON)
    session.recorder.tell(EventKind.STATE, "n1", state=HostState.DONE)
    assert [event.data.get("step") for event in session.recorder.events()][2:] == ["uncordon", None]


def test_not_even_an_uncordon_without_the_lock(tmp_path: Path, written: Written) -> None:
    session = a_session(tmp_path, recorded=True)
    (tmp_path / keeper.LOST_FILE).write_text("taken by another")
    with pytest.raises(Halted, match="the lock is lost: taken by another"):
        session.recorder.step("n1", UNCORDON)


class Lapses:
    """A lock that has lapsed, and becomes ours again, is lost, or the run is asked to stop, at the third look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, then: Any) -> None:
        self.slept: list[float] = []
        self.why, self.then = "not renewed in time", then
        monkeypatch.setattr(pause.keeper, "lapsed", lambda _folder: self.why)
        monkeypatch.setattr(pause.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == 3:
            self.then(self)


def notes(session: Session) -> list[str]:
    return [str(event.data["message"]) for event in session.recorder.events() if event.kind is EventKind.NOTE]


def test_a_step_waits_for_a_lock_that_has_lapsed(
    tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = a_session(tmp_path, recorded=True)
    lapses = Lapses(monkeypatch, lambda own: setattr(own, "why", ""))
    session.recorder.step("n1", VERIFY)
    assert lapses.slept == [1.0] * 3
    began, over = notes(session)
    assert began == "the lock could not be renewed in time: waiting for it up to 15m00s, nothing new starts"
    assert over == "the lock is renewed: continuing"
    assert session.recorder.events()[-1].kind is EventKind.STEP
    session.recorder.step("n1", SOAK)
    assert len(notes(session)) == 2, "nothing is said of a lock that is held"


def test_of_all_that_wait_one_tells_and_none_harms_another(
    tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain asks from many threads at a time; the journal is long enough for a checkpoint to be due."""
    session = a_session(tmp_path, recorded=True)
    for number in range(248):
        session.recorder.tell(EventKind.STATE, "n1", state=HostState.CORDONED, kernel=str(number))
    why = ["not renewed in time"]
    monkeypatch.setattr(pause.keeper, "lapsed", lambda _folder: why[0])
    monkeypatch.setattr(pause, "_REST", 0.01)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(session.pause.halted) for _ in range(8)]
        time.sleep(0.3)
        why[0] = ""
        assert [each.result() for each in waiting] == [""] * 8
    assert notes(session)[0].startswith("the lock could not be renewed in time")
    assert notes(session)[1:] == ["the lock is renewed: continuing"]
    assert session.recorder.record().seq == 252
    why[0] = "not renewed in time"
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(session.pause.halted)
        time.sleep(0.1)
        why[0] = ""
        assert again.result() == ""
    assert len(notes(session)) == 4, "another lapse is another one to tell of"


def test_two_threads_that_write_a_file_are_not_in_each_others_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, both = Session(RUN, str(tmp_path), Policy()), threading.Barrier(2)
    monkeypatch.setattr(files.os, "fsync", lambda _descriptor: both.wait(30))
    with ThreadPoolExecutor(2) as pool:
        for written in [pool.submit(session.files.save, RunRecord(run=name), "file.json") for name in ("a" * 999, "b")]:
            written.result()
    found = session.files.load(RunRecord, "file.json")
    assert found is not None and found.run in ("a" * 999, "b")


def test_a_lock_that_lapses_may_be_lost(tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_session(tmp_path, recorded=True)

    def lose(lapses: Lapses) -> None:
        (tmp_path / keeper.LOST_FILE).write_text("taken by another")
        lapses.why = ""

    Lapses(monkeypatch, lose)
    with pytest.raises(Halted, match="the lock is lost: taken by another"):
        session.recorder.step("n1", VERIFY)
    assert notes(session)[1:] == ["taken by another"]


def test_a_request_to_stop_ends_the_wait_and_gives_nothing_back(
    tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = a_session(tmp_path, recorded=True)
    Lapses(monkeypatch, lambda _own: halt.ask(tmp_path, "Ctrl-C"))
    assert session.pause.halted() == "Ctrl-C"
    with pytest.raises(Halted, match="step uncordon was not started: the lock may no longer be ours"):
        session.recorder.step("n1", UNCORDON)


def test_a_rest_ends_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_session(tmp_path)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        halt.ask(tmp_path, "enough")

    monkeypatch.setattr(pause.time, "sleep", sleep)
    session.pause.rest(3600)
    assert slept == [1.0]


def test_the_outline_has_what_every_event_needs(tmp_path: Path) -> None:
    session = a_session(tmp_path)
    assert session.files.outline().waves == (), "not made yet, which is not remembered"
    host = PlannedHost("n1", "node-1", "z", "because", "6.1", "6.12", True, evictions=("a/b",), seconds=60)
    plan = Plan((Wave(1, "canary", "z", "first", (host,)),), (SkippedHost("n2", "n2", "up to date"),), 60, "digest")
    session.files.save(plan.outline(), files.OUTLINE_FILE)
    assert session.files.planned("n1").node == "node-1"
    assert session.files.planned("n1").target_kernel == "6.12"
    assert session.files.planned("n1").evictions == ()
    assert session.files.outline().digest == plan.digest
    with pytest.raises(LookupError, match="n2 is not planned"):
        session.files.planned("n2")
