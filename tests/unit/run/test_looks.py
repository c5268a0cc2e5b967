# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the cluster that hosts share, and what is kept of them for each."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError, KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import looks
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import RunFiles
from tests.unit.checks import three_nodes as lab

SEEN = lab.healthy()


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    return RunFiles(tmp_path)


class Reader:
    """Reads the cluster, and counts how often; raises what is in ``errors`` first."""

    def __init__(self) -> None:
        self.count = 0
        self.errors: list[Exception] = []

    def __call__(self, _api: object) -> Snapshot:
        self.count += 1
        if self.errors:
            raise self.errors.pop()
        return replace(SEEN.snapshot, time=float(self.count))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader()
    monkeypatch.setattr(looks, "read_snapshot", reader)
    return reader


def look(files: RunFiles, monkeypatch: pytest.MonkeyPatch, *clock: float, host: str = "") -> Snapshot:
    """Look, with a clock that gives these times: when it was asked for, and when a reading begins."""
    times = iter(clock)
    monkeypatch.setattr(looks, "steady", lambda: next(times))
    return looks.look(files, None, host)


def test_who_asked_before_the_reading_began_takes_what_was_read(
    files: RunFiles, read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = look(files, monkeypatch, 1.0, 2.0)
    assert look(files, monkeypatch, 1.5) == first
    assert look(files, monkeypatch, 2.0) == first
    assert read.count == 1


def test_nobody_is_given_what_was_read_before_they_asked(
    files: RunFiles, read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(files, monkeypatch, 1.0, 2.0)
    assert look(files, monkeypatch, 2.1, 2.2).time == 2.0
    assert read.count == 2


def test_a_server_that_is_away_costs_its_patience_once(
    files: RunFiles, read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    read.errors.append(ApiError(0, "no answer in time"))
    for clock in ((1.0, 2.0), (1.5,)):
        with pytest.raises(KubeError, match="no answer in time"):
            look(files, monkeypatch, *clock)
    assert read.count == 1
    assert look(files, monkeypatch, 3.0, 4.0).time == 2.0


def test_how_a_host_was_outlives_the_looks_after_it_and_takes_no_room(
    files: RunFiles, read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in ("node1", "node2"):
        snapshot = replace(look(files, monkeypatch, 1.0, 2.0, host=host), agents=SEEN.snapshot.agents[:1])
        looks.keep_seen(files, host, snapshot)
        before = Observation(snapshot, SEEN.facts)
        looks.keep(files, host, looks.BEFORE, before, looks.cluster_file(files, host, looks.SEEN))
    kept = looks.cluster_file(files, "node1", looks.BEFORE)
    assert kept.stat().st_ino == looks.cluster_file(files, "node2", looks.BEFORE).stat().st_ino, "read once, kept once"
    looks.keep_seen(files, "node1", look(files, monkeypatch, 3.0, 4.0, host="node1"))
    assert looks.load(files, "node1", looks.BEFORE) == before
    assert looks.load(files, "node1", looks.SEEN).snapshot.time == 2.0  # type: ignore[union-attr]
    assert not list(kept.parent.glob(".*")), "no drafts stay"


def test_where_there_are_no_links_it_is_copied(files: RunFiles, read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    snapshot = look(files, monkeypatch, 1.0, 2.0, host="node1")
    looks.keep_seen(files, "node1", snapshot)
    assert looks.load(files, "node1", looks.SEEN) == Observation(snapshot)


def test_a_look_without_an_answer_is_kept_as_one(
    files: RunFiles, read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks.keep_seen(files, "node1", look(files, monkeypatch, 1.0, 2.0, host="node1"))
    nothing = looks.unanswered(ApiError(0, "no answer"))
    looks.keep_seen(files, "node1", nothing, answered=False)
    kept = looks.load(files, "node1", looks.SEEN)
    assert kept is not None and kept.snapshot == nothing
    assert looks.load(files, "node1", looks.BEFORE) is None


def test_what_another_host_reads_meanwhile_is_not_what_this_one_has_seen(
    files: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a host's agent is asked, another one reads the cluster again, and gets less of it."""
    whole = replace(SEEN.snapshot, time=1.0)
    partial = replace(SEEN.snapshot, time=2.0, workloads=(), unknown={"workloads": "no answer in time"})
    answers = iter((whole, partial))
    monkeypatch.setattr(looks, "read_snapshot", lambda _api: next(answers))
    first = look(files, monkeypatch, 1.0, 2.0, host="node1")
    second = look(files, monkeypatch, 3.0, 4.0, host="node2")
    looks.keep_seen(files, "node1", first)
    looks.keep_seen(files, "node2", second)
    for host, snapshot in (("node1", whole), ("node2", partial)):
        kept = looks.load(files, host, looks.SEEN)
        assert kept is not None and kept.snapshot == snapshot


def test_what_the_file_of_the_cluster_lacks_stays_unknown(files: RunFiles) -> None:
    """Whatever has gone wrong with the two files of a look: what could not be read is not taken for nothing."""
    partial = replace(SEEN.snapshot, workloads=(), unknown={"workloads": "no answer in time"})
    cluster = files.save(partial, "looks", "some.json")
    looks.keep(files, "node1", looks.BEFORE, replace(SEEN, snapshot=replace(partial, unknown={})), cluster)
    kept = looks.load(files, "node1", looks.BEFORE)
    assert kept is not None and kept.snapshot.unknown == {"workloads": "no answer in time"}
