# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person reads of where things stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import (
    Boot,
    HostStatus,
    Life,
    Lock,
    RunLine,
    Status,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.standing import status_text, still_alive, unlock_text
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.view import describe_event

NOW = 1795795200.0  # 2026-11-27 16:00:00 UTC
RUN, BEFORE = "20261127-153000-3f2a", "20261120-160000-aaaa"
LOCK = Lock(f"ann@tower:7:{RUN}", RUN, "ann", "tower", 7, NOW - 1800, NOW - 20, 120)
NODE = Node("node2", ready=False, unschedulable=True, cordoned_by=RUN, kernel="6.12.107", boot_id="b")
HOST = HostStatus(
    "node2", "node2", HostState.UPGRADED, NOW - 300, "reboot", NOW - 200, seen=NODE, boot=Boot.OTHER,
    means="reboot was under way", todo="run the same command again", as_expected=False,
)  # fmt: skip
DIED = Status(
    NOW,
    "https://192.0.2.1:6443",
    "friday",
    lock=LOCK,
    life=Life.ALIVE,
    run=RunRecord(RUN, NOW - 1800, holder="ann@tower:7", wave=2, stop="node9 failed", seq=12),
    source="record",
    hosts=(HOST, replace(HOST, host="second", todo="")),
    cordons={"node7": BEFORE},
    earlier=(RunLine(BEFORE, NOW - 7 * 86400, NOW - 7 * 86400, "pass", 3, 3), RunLine("x", unreadable="no JSON")),
)


def text(status: Status, width: int = 120) -> str:
    return " ".join(status_text(status, width).split())


def test_everything_is_told() -> None:
    told = text(DIED)
    for part in (
        f"lock held by run {RUN} of ann@tower, process 7, since 2026-11-27 15:30:00 UTC (30m00s ago)",
        "alive: renewed 20s ago, good for 120 s; unless renewed it expires at 2026-11-27 16:01:40 UTC",
        f"run {RUN} of ann@tower:7 started 2026-11-27 15:30:00 UTC, did not finish cleanly",
        "stopped: node9 failed wave 2; 2 hosts; from the record in the cluster (event 12)",
        "node2 upgraded not Ready, cordoned reboot was under way 2026-11-27 15:55:00 UTC by this run",
        "reboot begun 6.12.107 2026-11-27 15:56:40 UTC another boot than recorded second upgraded",
        "1. node2: run the same command again",
        f"Friday's cordons on other nodes: node cordoned by ----- {'-' * 24} node7 run {BEFORE}",
        f"{BEFORE} 2026-11-20 16:00:00 UTC 3 of 3 done pass",
        "x ? 0 of 0 done no JSON",
    ):
        assert part in told


@pytest.mark.parametrize("width", [80, 120])
def test_lines_are_not_wider_than_asked_for(width: int) -> None:
    long = replace(DIED, notes=("word " * 80,), hosts=(replace(HOST, means="word " * 90, todo="word " * 70),))
    lines = status_text(long, width).splitlines()
    assert max(map(len, lines)) <= width
    assert text(long, width).count("word") == 80 + 90 + 70, "nothing is cut"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"lock": None, "life": Life.FREE}, ["lock free"]),
        (
            {"lock": replace(LOCK, renewed=NOW - 3600), "life": Life.ABANDONED},
            ["looks abandoned: renewed 1h00m ago, and expired at 2026-11-27 15:02:00 UTC", "friday.upgrade.unlock"],
        ),
        (
            {"lock": replace(LOCK, gone=True), "life": Life.ABANDONED},
            ["has ended", "the next run watches it for"],
        ),
        ({"lock": replace(LOCK, renewed=NOW + 60), "life": Life.UNCLEAR}, ["2026-11-27 16:01:00 UTC, which is in the"]),
        ({"lock": Lock("a stranger")}, ["held by run ? of a stranger"]),
        ({"run": None, "hosts": ()}, ["run none is recorded"]),
        ({"active": True}, ["running now"]),
        (
            {"run": RunRecord(RUN, NOW - 60, NOW - 3 * 86400, outcome="fail", message="node2 failed")},
            ["ended 2026-11-24 16:00:00 UTC (3 days ago) FAIL: node2 failed no wave was started"],
        ),
        ({"source": "journal", "notes": ("torn",)}, ["from the journal on this controller", "note torn"]),
        ({"unread": "no rights", "hosts": (replace(HOST, seen=None),)}, ["the record alone: no rights", "not read"]),
        ({"hosts": (replace(HOST, seen=None),)}, ["there is none"]),
        ({"hosts": (replace(HOST, seen=replace(NODE, cordoned_by="")),)}, ["not by Friday"]),
        ({"hosts": (replace(HOST, seen=replace(NODE, cordoned_by=BEFORE)),)}, [f"by {BEFORE}"]),
        ({"earlier": tuple(RunLine(f"run-{n:02}") for n in range(12))}, ["run-09", "and 2 more"]),
    ],
)
def test_each_case_has_its_words(change: dict[str, object], parts: list[str]) -> None:
    told = text(replace(DIED, **change))  # type: ignore[arg-type]
    for part in parts:
        assert part in told


def test_text_of_strangers_is_harmless() -> None:
    told = status_text(replace(DIED, lock=Lock("\x1b[31mred"), notes=("\x1b]0;title\x07",)))
    assert "\x1b" not in told and "\x07" not in told


def test_a_broken_lock_is_told() -> None:
    told = " ".join(unlock_text(LOCK, NOW, "the laptop is gone", done=True).split())
    assert f"lock of run {RUN} of ann@tower, process 7 is broken: the laptop is gone" in told
    assert "held since 2026-11-27 15:30:00 UTC (30m00s ago), renewed 20s ago" in told
    assert "would be broken (nothing was changed): gone" in unlock_text(LOCK, NOW, "gone", done=False)
    words = "2026-11-27 15:59:00 UTC by bob@host-b: gone"
    assert f"its lock was broken {words}" in text(replace(DIED, run=RunRecord(RUN, unlocked=words)))


def test_who_breaks_the_lock_of_one_that_lives_is_warned() -> None:
    warning = still_alive(LOCK, Life.ALIVE, NOW)
    assert f"THE HOLDER SEEMS TO BE ALIVE, it renewed the lock 20s ago: run {RUN} of ann@tower" in warning
    assert "notices within 40 s that the lease is lost" in warning
    assert "MAY BE ALIVE" in still_alive(LOCK, Life.UNCLEAR, NOW)
    assert still_alive(LOCK, Life.ABANDONED, NOW) == ""


def test_the_event_has_its_words() -> None:
    data = {"by": "bob@host-b", "reason": "gone"}
    assert (
        describe_event(Event(1, NOW, RUN, EventKind.LOCK_BROKEN, data=data))
        == "the lock was broken by bob@host-b: gone"
    )
    undone = Event(1, NOW, RUN, EventKind.LOCK_BROKEN, data={**data, "reason": ""})
    assert describe_event(undone) == "the lock was not broken after all"
