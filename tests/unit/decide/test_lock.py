# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does the holder of a lock live? And a lock is broken by who has looked at it and says why."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.lock import at_work, refusals
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.lock import life as decide_life
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import Life, Lock

RUN, OTHER = "20261122-161500-3f2a", "20261122-170000-9c1d"
LOCK = Lock(f"ann@tower:7:{RUN}", RUN, "ann", "tower", 7, 100.0, 900.0, 120)
STRANGER = Lock("a controller of somebody else's")


@pytest.mark.parametrize(
    ("run", "reason", "lock", "expected"),
    [
        (RUN, "gone", LOCK, []),
        ("", "gone", LOCK, ["friday_unlock_run: is not set"]),
        (RUN, " \n", LOCK, ["friday_unlock_reason: is not set"]),
        (
            OTHER,
            "gone",
            LOCK,
            [f"friday_unlock_run: is {OTHER}, but the lock is held by run {RUN} of ann@tower, process 7"],
        ),
        (RUN, "gone", None, ["lock: is free"]),
        ("", "", None, ["friday_unlock_run: is not set", "friday_unlock_reason: is not set", "lock: is free"]),
        (RUN, "gone", STRANGER, ["lock: is held by a controller of somebody else's, which is not a run of Friday"]),
    ],
)
def test_all_reasons_to_refuse(run: str, reason: str, lock: Lock | None, expected: list[str]) -> None:
    found = [problem.line() for problem in refusals(run, reason, lock)]
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


def test_a_broken_lock_is_part_of_the_record() -> None:
    broken = Event(1, 1795795200.0, RUN, EventKind.LOCK_BROKEN, data={"by": "bob@host-b", "reason": "gone"})
    record = fold([broken], RunRecord(RUN, wave=2))
    assert (record.unlocked, record.wave) == ("2026-11-27 16:00:00 UTC by bob@host-b: gone", 2)
    after_all = Event(2, 1795795201.0, RUN, EventKind.LOCK_BROKEN, data={"by": "bob@host-b", "reason": ""})
    assert fold([after_all], record).unlocked == ""


@pytest.mark.parametrize(
    ("renewed", "gone", "life", "may_live"),
    [
        (100.0, False, Life.ALIVE, True),
        (30.0, False, Life.ABANDONED, False),
        (38.0, False, Life.ABANDONED, True),  # within what clocks may differ
        (110.0, False, Life.UNCLEAR, True),
        (1000.0, False, Life.UNCLEAR, False),
        (100.0, True, Life.ABANDONED, False),
    ],
)
def test_whether_a_holder_lives_is_answered_in_one_place(
    renewed: float, gone: bool, life: Life, may_live: bool
) -> None:
    lock = Lock("ann@host-a:100:run", "run", "ann", "host-a", 100, renewed=renewed, ttl=60, gone=gone)
    assert lock.life(100.0) is life
    assert lock.may_live(100.0) is may_live
    assert at_work(lock, 100.0) == ("" if life is Life.ABANDONED else "run")


def test_a_free_lock_is_nobodys() -> None:
    assert decide_life(None, 100.0) is Life.FREE
    assert at_work(None, 100.0) == ""
