# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal as module
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.journal import (
    Journal,
    JournalError,
    new_run_id,
    read,
)

RUN = "20261127-160000-3f2a"
FORK = multiprocessing.get_context("fork")


def test_what_is_appended_is_read_back_and_folds_to_the_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "state" / RUN)
    journal.append(RUN, EventKind.RUN_STARTED, data={"holder": "anna"}, clock=lambda: 10.0)
    journal.append(RUN, EventKind.STATE, "node1", {"state": HostState.CORDONED}, clock=lambda: 11.5)
    written = journal.append(RUN, EventKind.NOTE, "node1", {"verdict": Verdict(Outcome.PASS)}, clock=lambda: 12.0)
    events = read(journal.folder)
    assert [(e.seq, e.time, e.host) for e in events] == [(1, 10.0, ""), (2, 11.5, "node1"), (3, 12.0, "node1")]
    assert events[-1] == written and written.data["verdict"]["outcome"] == "pass"
    assert fold(events).hosts["node1"].state is HostState.CORDONED
    assert events.torn == ""


def test_a_line_is_one_json_object_whatever_is_in_it(tmp_path: Path) -> None:
    text = "two\nlines \u2028 \x1b[31m \udcff é"
    Journal(tmp_path).append(RUN, EventKind.NOTE, data={"message": text})
    raw = (tmp_path / "journal.jsonl").read_bytes()
    assert raw.count(b"\n") == 1 and raw.endswith(b"\n") and raw.isascii()
    assert json.loads(raw)["data"]["message"] == text == read(tmp_path)[0].data["message"]


def _append_many(folder: Path, host: str, count: int) -> None:
    journal = Journal(folder)
    for number in range(count):
        journal.append(RUN, EventKind.NOTE, host, {"n": number, "filler": "x" * (number * 37 % 5000)})


def test_processes_that_append_at_the_same_time_leave_no_gap_and_no_torn_line(tmp_path: Path) -> None:
    hosts = [f"node{n}" for n in range(6)]
    workers = [FORK.Process(target=_append_many, args=(tmp_path / RUN, host, 40)) for host in hosts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    events = read(tmp_path / RUN)
    assert [event.seq for event in events] == list(range(1, 241))
    for host in hosts:  # and each writer's own events are in its order
        assert [event.data["n"] for event in events if event.host == host] == list(range(40))
    assert all(a.time <= b.time for a, b in itertools.pairwise(events))


def test_a_journal_object_made_before_the_fork_is_safe_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(RUN, EventKind.RUN_STARTED)
    workers = [
        FORK.Process(target=lambda: [journal.append(RUN, EventKind.NOTE) for _ in range(40)], args=()) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [event.seq for event in read(tmp_path)] == list(range(1, 162))


def test_killed_writers_leave_a_journal_that_goes_on(tmp_path: Path) -> None:
    for _ in range(5):
        worker = FORK.Process(target=_append_many, args=(tmp_path, "node1", 100_000))
        worker.start()
        time.sleep(0.08)
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join(10)
    before = len(read(tmp_path))
    Journal(tmp_path).append(RUN, EventKind.STOP, data={"reason": "killed"})
    events = read(tmp_path)
    assert before > 5 and len(events) > before and events[-1].kind is EventKind.STOP


@pytest.mark.parametrize("torn", [b'{"seq":3,"ti', b"\x00\x00\x00", b'{"seq":3}', b"x" * 200_000])
def test_a_torn_last_line_is_told_by_the_reader_and_mended_by_the_next_writer(tmp_path: Path, torn: bytes) -> None:
    journal = Journal(tmp_path)
    for _ in range(2):
        journal.append(RUN, EventKind.NOTE, data={"message": "whole"})
    with journal.path.open("ab") as file:
        file.write(torn)
    events = read(tmp_path)
    assert len(events) == 2
    assert f"torn ({len(torn)} bytes, after event 2)" in events.torn and str(journal.path) in events.torn
    appended = journal.append(RUN, EventKind.NOTE, data={"message": "after"})
    events = read(tmp_path)
    assert events.torn == "" and [event.seq for event in events] == [1, 2, 3, 4] and appended.seq == 4
    assert f"torn line of {len(torn)} bytes" in events[2].data["message"]  # what was lost is not lost sight of


def test_a_torn_first_line_is_mended(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"seq":1')
    assert list(read(tmp_path)) == [] and read(tmp_path).torn
    assert Journal(tmp_path).append(RUN, EventKind.RUN_STARTED).seq == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [lines[0], b"garbage", lines[2]], "line 2 is not an event"),
        (lambda lines: [lines[0], lines[2]], "line 2: event 3 is here, event 2 is missing"),
        (lambda lines: [lines[0], lines[1], b"[]"], "line 3 is not an event"),
        (lambda lines: [lines[0], lines[1], lines[2].replace(b'"note"', b'"nota"')], "line 3 is not an event"),
    ],
)
def test_damage_in_the_middle_is_an_error_and_names_the_line(tmp_path: Path, damage: object, message: str) -> None:
    journal = Journal(tmp_path)
    for _ in range(3):
        journal.append(RUN, EventKind.NOTE)
    lines = journal.path.read_bytes().split(b"\n")[:3]
    journal.path.write_bytes(b"\n".join(damage(lines)) + b"\n")  # type: ignore[operator]
    with pytest.raises(JournalError, match=message):
        read(tmp_path)


def test_time_never_runs_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(RUN, EventKind.NOTE, clock=lambda: 100.0)
    assert journal.append(RUN, EventKind.NOTE, clock=lambda: 50.0).time == 100.0


def test_file_and_folders_are_synced_when_they_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(module.os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))
    journal = Journal(tmp_path / "state" / RUN)
    journal.append(RUN, EventKind.RUN_STARTED)
    assert synced == [str(p) for p in (tmp_path, tmp_path / "state", journal.folder, journal.path)]
    journal.append(RUN, EventKind.NOTE)
    assert synced[4:] == [str(journal.path)]


def _append_with_limit(folder: Path, limit: int, queue: object) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        while True:
            Journal(folder).append(RUN, EventKind.NOTE, data={"filler": "x" * 300})
    except JournalError as error:
        queue.put(str(error))  # type: ignore[attr-defined]


def test_a_file_size_limit_is_a_clear_error_and_leaves_no_torn_line(tmp_path: Path) -> None:
    queue = FORK.Queue()
    worker = FORK.Process(target=_append_with_limit, args=(tmp_path, 2000, queue))
    worker.start()
    message = queue.get(timeout=30)
    worker.join(30)
    assert "ulimit -f" in message and str(tmp_path / "journal.jsonl") in message and "not recorded" in message
    events = read(tmp_path)
    assert events.torn == "" and len(events) >= 3


@pytest.fixture
def small_disk(tmp_path: Path) -> object:
    """A real file system of 64 KiB; skipped where mounting is not allowed; there the limit above has to do."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_clear_error_and_what_was_written_stays(small_disk: Path) -> None:
    journal = Journal(small_disk / RUN)
    with pytest.raises(JournalError, match=r"disk is full: free space there, or set friday_state_dir"):
        for _ in range(1000):
            journal.append(RUN, EventKind.NOTE, data={"filler": "x" * 1000})
    events = read(journal.folder)
    assert events.torn == "" and len(events) > 20
    count = len(events)
    with journal.path.open("rb+") as file:  # room again
        keep = file.read().index(b'{"seq":11,')
        file.truncate(keep)
    assert journal.append(RUN, EventKind.NOTE).seq == 11 < count


def test_a_file_in_the_folders_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / RUN).write_text("not a folder")
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(tmp_path / RUN).append(RUN, EventKind.NOTE)


def test_run_ids_sort_by_time_and_differ() -> None:
    ids = [new_run_id(1795795200.0), new_run_id(1795795200.0), new_run_id(1795795201.0)]
    assert ids[0].startswith("20261127-160000-") and len(set(ids)) == 3 and max(ids) == ids[2]
    assert all(len(name) == 20 and name == name.lower() for name in ids)


def test_the_folder_of_a_run_is_found_by_its_id_alone(tmp_path: Path) -> None:
    state, run = tmp_path / "state", "20261127-160000-3f2a"
    for folder in (state / run, tmp_path / "elsewhere"):
        module.Journal(folder).append(run, EventKind.NOTE)
    assert module.folder_of(state, run) == state / run
    assert module.folder_of(state, "20261127-160000-0000") is None
    for stranger in ("", ".", "../elsewhere", f"{run}/", f"{run}\n"):
        assert module.folder_of(state, stranger) is None


def test_where_the_journals_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert module.state_folder() == tmp_path / "friday"
    assert module.state_folder("~/runs") == Path.home() / "runs"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert module.state_folder() == Path.home() / ".local/state/friday"


def test_no_journal_is_no_events(tmp_path: Path) -> None:
    assert list(read(tmp_path / "nothing")) == []
