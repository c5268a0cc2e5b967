# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a record and a node mean together: for every state in which a run can die, a true sentence and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.status import (
    Journal,
    assess,
    earlier,
    judge,
    last_run,
    life,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import Boot, HostStatus, Life, Lock, Status
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState

S = HostState
RUN, OTHER = "20261122-161500-3f2a", "20261115-161500-aaaa"
BOTH = (RUN, OTHER)
NOW = 1000.0
AGAIN = "rerun the same command"
WELL = Node("n", ready=True, kernel="6.12", boot_id="old")
OURS = replace(WELL, unschedulable=True, cordoned_by=RUN)
LOCK = Lock(f"ann@tower:7:{RUN}", RUN, "ann", "tower", 7, started=100.0, renewed=980.0, ttl=60)


def host(state: HostState, step: str = "", node: Node | None = OURS, **more: Any) -> HostStatus:
    return judge("h", "n", HostRecord(state, 5.0, step, boot_id=more.pop("boot_id", "old"), **more), node, RUN)


@pytest.mark.parametrize(
    ("state", "step", "node", "means", "todo"),
    [
        (S.PLANNED, "", WELL, "not touched", ""),
        (S.PLANNED, "before", WELL, "was being checked when the run died; nothing on it was changed", AGAIN),
        (S.PLANNED, "cordon", WELL, "was being cordoned when the run died; nothing on it was changed", AGAIN),
        (
            S.CORDONED,
            "cordon",
            OURS,
            "is cordoned, and some of its pods may have been evicted; nothing on it was ch",
            AGAIN,
        ),
        (S.CORDONED, "drain", OURS, "nothing on it was changed; drain was under way when the run died", AGAIN),
        (S.DRAINED, "drain", OURS, "is cordoned and drained; nothing on it was changed", AGAIN),
        (
            S.DRAINED,
            "upgrade",
            OURS,
            "upgrade was under way when the run died: packages may be half ins",
            "dpkg --audit",
        ),
        (S.UPGRADED, "upgrade", OURS, "has its new packages, but was not compared with how it was before", AGAIN),
        (
            S.UPGRADED,
            "verify",
            OURS,
            "not compared with how it was before; verify was under way when the run died",
            AGAIN,
        ),
        (S.REBOOTED, "reboot", OURS, "was rebooted, but was not compared with how it was before", AGAIN),
        (S.VERIFIED, "verify", OURS, "was compared and is well; its soak had not ended", AGAIN),
        (S.VERIFIED, "soak", OURS, "its soak had not ended; soak was under way when the run died", AGAIN),
        (S.SOAKED, "soak", OURS, "was compared and soaked, and waits to be uncordoned", AGAIN),
        (S.SOAKED, "uncordon", OURS, "was compared and soaked, and was being uncordoned when the run died", AGAIN),
        (S.DRAINED, "uncordon", OURS, "nothing on it was changed, and it was being uncordoned when the", AGAIN),
        (S.DONE, "uncordon", WELL, "done", ""),
    ],
)
def test_each_point_at_which_a_run_can_die(state: HostState, step: str, node: Node, means: str, todo: str) -> None:
    found = host(state, step, node)
    assert means in found.means
    assert todo in found.todo and bool(todo) == bool(found.todo)
    assert found.as_expected == (not todo)


def test_every_state_and_step_has_its_words() -> None:
    for state in S:
        for step in ("", "before", "cordon", "drain", "upgrade", "reboot", "verify", "soak", "uncordon", "of-later"):
            for node in (None, WELL, OURS):
                assert host(state, step, node).means


@pytest.mark.parametrize(
    ("node", "boot_id", "boot", "means"),
    [
        (OURS, "old", Boot.SAME, "died and did not happen: kernel 6.12 still runs, in the same boot"),
        (OURS, "before", Boot.OTHER, "died: it has booted since, runs kernel 6.12, and was not compared"),
        (OURS, "", Boot.UNKNOWN, "died; its boot before that is not recorded, so whether it happened is unknown"),
        (replace(OURS, ready=None), "old", Boot.SAME, "died, and its node does not answer"),
        (None, "old", Boot.UNKNOWN, "died, and its node does not answer; the cluster has no node n"),
    ],
)
@pytest.mark.parametrize("state", [S.DRAINED, S.UPGRADED])
def test_a_reboot_that_was_under_way(state: HostState, node: Node | None, boot_id: str, boot: Boot, means: str) -> None:
    found = host(state, "reboot", node, boot_id=boot_id)
    assert f"reboot was under way when the run {means}" in found.means
    assert (found.boot, found.as_expected) == (boot, False)
    assert AGAIN in found.todo


def test_a_step_that_has_ended_is_not_in_hand() -> None:
    begun = host(S.DRAINED, "upgrade", step_since=7.0)
    assert (begun.step, begun.step_since) == ("upgrade", 7.0)
    ended = host(S.UPGRADED, "upgrade", step_since=7.0)
    assert (ended.step, ended.step_since) == ("", 0.0)
    assert host(S.FAILED, "upgrade").step == ""


def test_hosts_that_did_not_get_through_have_their_reason() -> None:
    failed = host(S.FAILED, "verify", message="BPF: refused")
    assert (failed.means, failed.todo) == ("failed in step verify: BPF: refused", f"fix h, then {AGAIN}")
    held = host(S.HELD, "drain", WELL, message="PodDisruptionBudget web")
    assert held.means == "held in step drain, nothing on it was changed: PodDisruptionBudget web"
    assert held.todo == f"clear what blocked h, then {AGAIN}"


@pytest.mark.parametrize(
    ("state", "node", "remark"),
    [
        (S.DONE, replace(WELL, ready=False), "its node is not Ready"),
        (S.DONE, replace(WELL, ready=None), "whether its node is Ready is unknown"),
        (S.DONE, replace(WELL, boot_id="new"), "it has booted again since that was recorded, and runs kernel 6.12"),
        (S.DONE, OURS, "its node is cordoned by this run, which the record does not have"),
        (S.DONE, replace(WELL, unschedulable=True), "its node is cordoned by somebody else"),
        (S.PLANNED, replace(OURS, cordoned_by=OTHER), f"its node is cordoned by run {OTHER}"),
        (S.DONE, replace(WELL, cordoned_by=RUN), f"its node has the mark of run {RUN}, but is not cordoned"),
        (S.FAILED, WELL, "its node is no longer cordoned"),
        (S.FAILED, replace(OURS, cordoned_by=""), "does not have Friday's mark: it is somebody else's"),
        (S.SOAKED, replace(OURS, cordoned_by=OTHER), f"run {OTHER} has cordoned its node"),
        (S.DONE, None, "the cluster has no node n"),
    ],
)
def test_what_the_node_has_to_say_against_the_record(state: HostState, node: Node | None, remark: str) -> None:
    found = host(state, "", node)
    assert found.means.endswith(f"; {remark}") or f"{remark}" in found.means
    assert found.todo and not found.as_expected


@pytest.mark.parametrize(
    ("state", "step", "node", "means"),
    [
        (S.PLANNED, "", replace(OURS, cordoned_by=OTHER), "not touched by this run"),
        (S.PLANNED, "cordon", OURS, "was being cordoned when the run died; nothing on it was changed by this run"),
        (S.DRAINED, "", OURS, "is cordoned and drained; nothing on it was changed by this run"),
    ],
)
def test_what_an_earlier_run_has_done_is_not_forgotten(state: HostState, step: str, node: Node, means: str) -> None:
    seen = host(state, step, node, resumes=OTHER)
    assert seen.means.startswith(f"{means}; run {OTHER} had left it unfinished")
    assert seen.todo == AGAIN
    assert f"cordoned by run {OTHER}" not in seen.means, "that is told"
    assert "cordoned by this run" in host(S.PLANNED, "", OURS, resumes=OTHER).means, "that is news"


def test_a_cordon_that_was_about_to_be_made_and_was() -> None:
    assert host(S.PLANNED, "cordon", OURS).means.endswith("; its node is cordoned by this run")


def record(states: dict[str, HostRecord] | None = None, **fields: Any) -> RunRecord:
    hosts = {"h": HostRecord(S.DRAINED, 5.0, "upgrade")} if states is None else states
    return RunRecord(RUN, **{"started": 100.0, "wave": 1, "seq": 8, "hosts": hosts, **fields})


def stand(
    recorded: RunRecord | None,
    journal: Journal | None = None,
    nodes: Sequence[Node] | None = (OURS,),
    lock: Lock | None = None,
    **names: str,
) -> Status:
    where = Status(NOW, "https://192.0.2.1", "friday", lock=lock)
    return assess(where, recorded, journal, nodes, {"h": "n", **names})


def test_what_is_under_way_is_left_to_a_run_that_lives() -> None:
    found = stand(record(), lock=LOCK)
    assert (found.life, found.active) == (Life.ALIVE, True)
    assert (found.hosts[0].means, found.hosts[0].todo) == ("upgrade is under way", "")


@pytest.mark.parametrize(
    ("lock", "fields", "moment"),
    [
        (None, {}, "when the run died"),
        (replace(LOCK, renewed=900.0), {}, "when the run died"),
        (replace(LOCK, run=OTHER), {}, "when the run died"),
        (replace(LOCK, renewed=NOW + 60), {}, "when this was recorded"),
        (None, {"finished": 900.0}, "when the run ended"),
    ],
)
def test_since_when_nothing_is_known(lock: Lock | None, fields: dict[str, float], moment: str) -> None:
    found = stand(record(**fields), lock=lock)
    assert not found.active
    assert f"upgrade was under way {moment}:" in found.hosts[0].means


@pytest.mark.parametrize(
    ("renewed", "expected"),
    [(NOW - 59, Life.ALIVE), (NOW - 60, Life.ABANDONED), (NOW + 5, Life.ALIVE), (NOW + 6, Life.UNCLEAR)],
)
def test_what_one_look_tells_of_a_lock(renewed: float, expected: Life) -> None:
    assert life(replace(LOCK, renewed=renewed), NOW) is expected
    assert life(None, NOW) is Life.FREE
    assert life(replace(LOCK, renewed=renewed, gone=True), NOW) is Life.ABANDONED


def journaled(seq: int, state: HostState = S.UPGRADED, fault: str = "") -> Journal:
    return Journal(record({"h": HostRecord(state, 6.0)}, seq=seq), "/state/journal.jsonl", fault)


@pytest.mark.parametrize(
    ("seq", "state", "source", "note"),
    [
        (
            9,
            S.UPGRADED,
            "journal",
            "goes to event 9, the record in the cluster to event 8: the following is from the journal",
        ),
        (9, S.DRAINED, "journal", "to event 8: what lies between is not kept in the record"),
        (7, S.CORDONED, "record", "the journal has lost its end, and the following is from the record"),
        (8, S.UPGRADED, "journal", "but they differ: the following is from the journal"),
    ],
)
def test_the_newer_one_of_record_and_journal_is_told(seq: int, state: HostState, source: str, note: str) -> None:
    recorded = record({"h": HostRecord(S.DRAINED, 5.0)})
    found = stand(recorded, journaled(seq, state))
    assert found.source == source
    assert found.hosts[0].state is (state if source == "journal" else S.DRAINED)
    assert len(found.notes) == 1 and note in found.notes[0]


def test_a_journal_that_agrees_needs_no_words() -> None:
    found = stand(record({"h": HostRecord(S.DRAINED, 5.0)}), journaled(8, S.DRAINED))
    assert (found.source, found.notes) == ("journal", ())


def test_a_journal_with_a_fault_is_told() -> None:
    torn = stand(record({"h": HostRecord(S.DRAINED, 5.0)}), journaled(9, fault="the last line is torn"))
    assert torn.notes[0] == "the journal here: the last line is torn"
    damaged = stand(record(), Journal(None, "/state/journal.jsonl", "line 3 is not an event"))
    assert (damaged.source, damaged.notes) == ("record", ("the journal here: line 3 is not an event",))


def test_a_broken_lock_that_only_the_record_knows_of_is_told() -> None:
    found = stand(record({"h": HostRecord(S.DRAINED, 5.0)}, unlocked="by bob"), journaled(9))
    assert (found.source, found.run and found.run.unlocked) == ("journal", "by bob")


def test_without_a_record_the_journal_is_told() -> None:
    found = stand(None, journaled(9))
    assert found.source == "journal" and "the cluster has no readable record of this run" in found.notes[0]


def test_nothing_is_known_of_no_run() -> None:
    found = stand(None)
    assert (found.run, found.source, found.hosts, found.cordons) == (None, "", (), {"n": RUN})


def test_cordons_of_no_host_of_the_run_are_told_apart() -> None:
    nodes = (OURS, replace(OURS, name="n10"), replace(OURS, name="n2", cordoned_by=OTHER), replace(WELL, name="n3"))
    assert list(stand(record(), nodes=nodes).cordons.items()) == [("n2", OTHER), ("n10", RUN)]


def test_without_the_nodes_the_record_speaks_alone() -> None:
    (found,) = stand(record(), nodes=None).hosts
    assert (found.seen, found.as_expected) == (None, False)
    assert found.means == "upgrade was under way when the run died: packages may be half installed"
    (done,) = stand(record({"h": HostRecord(S.DONE, 5.0)}), nodes=None).hosts
    assert (done.means, done.todo) == ("done", "")


def test_other_runs_are_listed_newest_first() -> None:
    torn = "20261116-000000-bbbb"
    records = [RunRecord(run, outcome="pass", hosts={"h": HostRecord(S.DONE, 1.0)}) for run in (RUN, OTHER)]
    lines = earlier([RUN, torn, OTHER], records, {torn: "torn"}, RUN)
    assert [(line.run, line.done, line.hosts, line.unreadable) for line in lines] == [
        (torn, 0, 0, "torn"),
        (OTHER, 1, 1, ""),
    ]
    assert [line.run for line in earlier([OTHER, torn, RUN], records, {torn: "torn"}, "")] == [OTHER, torn, RUN]
    old, new = RunRecord(OTHER, 1.0, 2.0, outcome="pass"), RunRecord(RUN, 1.0, 2.0, outcome="nothing-to-do")
    assert last_run([RUN, OTHER], [new, old], None, NOW) == (RUN, ())
    assert last_run([OTHER, RUN], [new, replace(old, outcome="nothing-to-do")], None, NOW) == (OTHER, ())
    assert last_run([RUN, OTHER], [old], None, NOW) == (RUN, ()), "one that can't be read is told, not passed over"
    assert last_run([], (), None, NOW) == ("", ())


def test_a_run_that_was_refused_hides_no_hosts() -> None:
    left = RunRecord(OTHER, 1.0, hosts={"node1": HostRecord(HostState.UPGRADED, 1.0)})
    refused = RunRecord(RUN, 3.0, 4.0, outcome="fail", message="2 problems to solve first")
    run, (note,) = last_run(BOTH, [refused, left], None, NOW)
    assert run == OTHER
    assert note == f"run {RUN}, after this one, was not started: 2 problems to solve first"
    assert last_run([RUN], [refused], None, NOW) == (RUN, ())


def test_nor_does_one_that_died_before_it_had_a_plan() -> None:
    left = RunRecord(OTHER, 1.0, hosts={"node1": HostRecord(HostState.UPGRADED, 1.0)})
    dead = RunRecord(RUN, 3.0)
    assert last_run(BOTH, [dead, left], None, NOW) == (
        OTHER,
        (f"run {RUN}, after this one, died before it had a plan",),
    )
    gone = replace(LOCK, renewed=1.0)
    assert last_run(BOTH, [dead, left], gone, NOW)[0] == OTHER
    assert last_run(BOTH, [dead, left], LOCK, NOW) == (RUN, ()), "it is at work"
    closed = replace(dead, finished=4.0, outcome="inconclusive", message="it did not finish cleanly")
    note = f"run {RUN}, after this one, did not get as far as a plan: it did not finish cleanly"
    assert last_run(BOTH, [closed, left], None, NOW) == (OTHER, (note,))
