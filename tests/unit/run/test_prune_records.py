# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deleting old records never stops a run, and never takes the run's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import prune_records
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.cluster_record import Stored

RUNS = ("20261104-161500-3f2a", "20261103-161500-3f2a", "20261102-161500-3f2a", "20261101-161500-3f2a")


class FakeSession:
    namespace, policy = "friday", Policy(keep_runs=2)

    def __init__(self, run: str = RUNS[0]) -> None:
        self.run = run
        self.told: list[tuple[EventKind, str]] = []

    def api(self) -> None:
        return None

    @property
    def recorder(self) -> FakeSession:
        return self

    def tell(self, kind: EventKind, message: str) -> None:
        self.told.append((kind, message))


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is deleted, of four records of runs that have ended."""
    gone: list[str] = []

    def prune(_api: Any, _namespace: str, runs: Sequence[str]) -> tuple[str, ...]:
        gone.extend(runs)
        return tuple(runs)

    stored = Stored(RUNS, tuple(RunRecord(run, finished=1.0) for run in RUNS), {})
    monkeypatch.setattr(prune_records.cluster_record, "read_stored", lambda *_: stored)
    monkeypatch.setattr(prune_records.cluster_record, "prune", prune)
    return gone


def test_old_records_are_deleted_and_that_is_journaled(deleted: list[str]) -> None:
    session = FakeSession()
    prune_records.prune(session, ())  # type: ignore[arg-type]
    assert deleted == [RUNS[2], RUNS[3]]
    message = f"old records deleted (friday_keep_runs): 2 runs, {RUNS[3]} to {RUNS[2]}"
    assert session.told == [(EventKind.NOTE, message)]


def test_the_runs_own_record_stays_when_its_clock_is_behind(deleted: list[str]) -> None:
    prune_records.prune(FakeSession(RUNS[3]), ())  # type: ignore[arg-type]
    assert deleted == [RUNS[2]]


@pytest.mark.parametrize("call", ["read_stored", "prune"])
def test_what_goes_wrong_is_a_warning(call: str, deleted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []

    def refuse(*_: Any) -> None:
        raise ApiError(403, "configmaps is forbidden", request="DELETE")

    monkeypatch.setattr(prune_records.cluster_record, call, refuse)
    monkeypatch.setattr(prune_records.Display, "warning", lambda _self, text, *_more: warnings.append(text))
    session = FakeSession()
    prune_records.prune(session, ())  # type: ignore[arg-type]
    assert session.told == []
    assert len(warnings) == 1 and "records of old runs could not be deleted: DELETE: configmaps is f" in warnings[0]
