# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that is over is brought to its end by the next one: by the one of its record and journal that knows more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import close_dead_runs, cluster_record, journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import SESSION_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from tests.unit.run.config_maps import ConfigMaps

DEAD, NEXT = "20261122-161500-3f2a", "20261122-171500-3f2a"


@pytest.fixture
def cluster() -> ConfigMaps:
    return ConfigMaps()


def a_session(folder: Path, cluster: ConfigMaps, run: str = DEAD) -> Session:
    session = Session(run, str(folder / run), Policy(), namespace="friday", recorded=True)
    vars(session)["_connection"] = cluster
    session.keep()
    session.recorder.tell(EventKind.RUN_STARTED, holder="me", version="1", check=False)
    session.recorder.tell(EventKind.RUN_PLANNED, plan_digest="d", hosts=["n1", "n2"], waves=1)
    session.recorder.tell(EventKind.STATE, "n1", state=HostState.DRAINED)
    return session


def stored(cluster: ConfigMaps) -> RunRecord:
    found = cluster_record.read(cluster, "friday", DEAD)  # type: ignore[arg-type]
    assert found
    return found


def close(folder: Path, cluster: ConfigMaps) -> list[str]:
    """What the next run has to say, started twice: at the second time there is nothing left to do."""
    session = Session(NEXT, str(folder / NEXT), Policy(), namespace="friday", recorded=True)
    vars(session)["_connection"] = cluster
    said = list(close_dead_runs.close_dead(session))
    left = stored(cluster)
    assert (list(close_dead_runs.close_dead(session)), stored(cluster)) == ([], left)
    return said


def test_a_dead_run_is_closed_with_its_report(tmp_path: Path, cluster: ConfigMaps) -> None:
    a_session(tmp_path, cluster)
    (line,) = close(tmp_path, cluster)
    assert line == f"run {DEAD} did not finish cleanly: closed, {tmp_path / DEAD}/report.html"
    assert (tmp_path / DEAD / "report.html").exists()
    record = stored(cluster)
    assert (record.outcome, record.hosts["n1"].state) == ("inconclusive", HostState.DRAINED)
    assert record.closed_by == NEXT


def test_states_that_the_journal_has_lost_stay_in_the_record(tmp_path: Path, cluster: ConfigMaps) -> None:
    session = a_session(tmp_path, cluster)
    kept = Path(session.folder, journal.FILE_NAME).read_text()
    session.recorder.tell(EventKind.STATE, "n1", state=HostState.VERIFIED)
    Path(session.folder, journal.FILE_NAME).write_text(kept)
    (line,) = close(tmp_path, cluster)
    assert line.endswith("/report.html")
    record = stored(cluster)
    assert (record.outcome, record.hosts["n1"].state) == ("inconclusive", HostState.VERIFIED)
    assert session.recorder.record().finished
    assert (record.closed_by, session.recorder.record().closed_by) == (NEXT, NEXT)


def test_the_end_of_a_run_whose_disk_was_full_is_in_its_record(
    tmp_path: Path, cluster: ConfigMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = a_session(tmp_path, cluster)
    before = session.recorder.record()

    def append(*_: Any, **__: Any) -> None:
        raise journal.JournalError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(journal.Journal, "append", append)
        for kind, host, data in (
            (EventKind.FAILURE, "n1", {"state": HostState.FAILED, "step": "upgrade", "message": "broken"}),
            (EventKind.STOP, "", {"reason": "n1 is failed"}),
            (EventKind.RUN_FINISHED, "", {"outcome": "fail", "message": "stopped"}),
        ):
            with pytest.raises(journal.JournalError):
                session.recorder.tell(kind, host, **data)
    assert session.recorder.record() == before
    close(tmp_path, cluster)
    record = stored(cluster)
    assert (record.hosts["n1"].state, record.hosts["n2"].state) == (HostState.FAILED, HostState.PLANNED)
    assert (record.stop, record.outcome, record.message) == ("n1 is failed", "fail", "stopped")
    assert session.recorder.record().outcome == "fail"


def test_an_end_that_the_api_server_did_not_hear_of_is_told_it_later(tmp_path: Path, cluster: ConfigMaps) -> None:
    session = a_session(tmp_path, cluster)
    cluster.away = True
    session.recorder.tell(EventKind.STATE, "n1", state=HostState.DONE)
    session.recorder.tell(EventKind.RUN_FINISHED, outcome="pass", message="all well")
    cluster.away = False
    assert not stored(cluster).finished
    (line,) = close(tmp_path, cluster)
    assert line == f"run {DEAD} ended with pass: its record in the cluster was behind, and is updated"
    assert stored(cluster) == session.recorder.record()


def test_so_is_one_that_another_controller_has_closed_meanwhile(tmp_path: Path, cluster: ConfigMaps) -> None:
    session = a_session(tmp_path, cluster)
    cluster.away = True
    session.recorder.tell(EventKind.RUN_FINISHED, outcome="pass", message="all well")
    cluster.away = False
    close(tmp_path / "other", cluster)
    assert stored(cluster).outcome == "inconclusive"
    close(tmp_path, cluster)
    assert (stored(cluster).outcome, stored(cluster).closed_by) == ("pass", "")


def test_a_run_whose_files_are_torn_is_closed_by_its_record(tmp_path: Path, cluster: ConfigMaps) -> None:
    a_session(tmp_path, cluster)
    (tmp_path / DEAD / SESSION_FILE).write_text('{"run": "2026')
    session = Session(NEXT, str(tmp_path / NEXT), Policy(), namespace="friday", recorded=True)
    vars(session)["_connection"] = cluster
    first, second = close_dead_runs.close_dead(session)
    assert f"run {DEAD} is closed without its journal in {tmp_path / DEAD}" in first
    assert second == f"run {DEAD} did not finish cleanly: closed"
    assert stored(cluster).outcome == "inconclusive"
    assert list(close_dead_runs.close_dead(session)) == []


def test_what_was_finished_stays_as_it_is(tmp_path: Path, cluster: ConfigMaps) -> None:
    session = a_session(tmp_path, cluster)
    session.recorder.tell(EventKind.RUN_FINISHED, outcome="fail", message="stopped")
    left = stored(cluster)
    assert close(tmp_path, cluster) == []
    assert stored(cluster) == left
