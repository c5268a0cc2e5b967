from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.gate import gate
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import make_plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from tests.unit.decide.fleets import fleet

FLEET = fleet({"node1": "zone-a", "node2": "zone-b", "node3": "zone-c"})
PLAN = make_plan(*FLEET.arguments())
GOOD = Verdict(Outcome.PASS)


def record(*states, **changes):
    hosts = {f"node{i}": HostRecord(HostState(state), 0.0) for i, state in enumerate(states, start=1)}
    return RunRecord("run", plan_digest=PLAN.digest, hosts=hosts, **changes)


def closed(wave, known=None, some=FLEET, health=GOOD, lost=(), found=FLEET):
    known = known or record("done", "planned", "planned")
    problem = gate(PLAN, known, wave, some.snapshot, health, lost, found.snapshot)
    return problem.line() if problem else ""


def test_waves_start_one_after_the_other():
    assert closed(1, record("planned", "planned", "planned")) == ""
    assert closed(1, record()) == ""
    assert closed(2) == ""
    assert closed(2, record("done", "cordoned", "planned")) == "", "a peer of the wave may have begun already"
    assert closed(3, record("done", "done", "planned")) == ""


@pytest.mark.parametrize("state", [state for state in HostState if state is not HostState.DONE])
def test_a_wave_stays_closed_unless_all_before_are_done(state):
    assert closed(2, record(state, "planned", "planned")).startswith("node1: ")


@pytest.mark.parametrize("state", ["failed", "held"])
def test_a_host_that_stopped_keeps_all_waves_closed(state):
    assert closed(2, record("done", state, "planned")).startswith(f"node2: is {state}")


def test_a_later_wave_that_was_touched_keeps_it_closed():
    assert closed(2, record("done", "planned", "cordoned")).startswith("node3: in the later wave 3 is already cordoned")


def test_a_stop_a_lost_host_and_another_plan_keep_it_closed():
    assert "was stopped: node1 is failed" in closed(2, record("done", "planned", "planned", stop="node1 is failed"))
    assert closed(2, lost=["node10", "node2"]).startswith("node2, node10: was lost")
    assert closed(2, replace(record("done"), plan_digest="other")).startswith("plan: does not match the one")
    assert closed(9).startswith("wave 9: is not in the plan")


def test_health_keeps_it_closed():
    cause = Finding(Layer.DNS, "dns", "kube-dns", Severity.FAIL, "does not answer")
    assert closed(2, health=Verdict(Outcome.FAIL, cause)) == (
        "kube-dns: the cluster is not healthy: DNS: does not answer -> fix it first, or accept it: friday_accept: [dns]"
    )
    assert "is unknown" in closed(2, health=Verdict(Outcome.INCONCLUSIVE))


def test_nodes_keep_it_closed():
    assert closed(2, some=FLEET.with_node("node2", ready=None)).startswith("node2: is not Ready")
    assert "in another zone (zone-c)" in closed(2, some=FLEET.with_node("node3", ready=False))
    assert "by somebody else" in closed(2, some=FLEET.with_node("node3", unschedulable=True))
    assert closed(2, some=FLEET.with_snapshot(nodes=FLEET.snapshot.nodes[:1])).startswith("node2: is no longer a node")
    assert closed(2, some=FLEET.with_snapshot(nodes=(), unknown={"nodes": "403"})).startswith(
        "nodes: could not be read"
    )


def test_another_friday_at_work_keeps_it_closed():
    marked = FLEET.with_node("node3", unschedulable=True, cordoned_by="run0")
    assert closed(2, some=marked).startswith("node3: was cordoned by another Friday, run run0")
    assert closed(2, some=marked, found=marked) == "", "one that had died before this one began"
    assert closed(2, some=marked.with_node("node3", cordoned_by="run")) == "", "a peer that this run has taken over"
    assert closed(2, some=marked.with_node("node3", cordoned_by="run1"), found=marked).startswith("node3: ")


def test_etcd_keeps_its_majority():
    some = fleet({f"node{i}": "zone-a" for i in range(1, 6)})
    for i in range(1, 6):
        some = some.with_node(f"node{i}", etcd=True)
    plan = make_plan(*some.arguments())

    def line(some):
        problem = gate(plan, RunRecord("run"), 1, some.snapshot, GOOD, ())
        return problem.line() if problem else ""

    two_away = some.with_node("node4", ready=False)
    assert line(two_away) == ""
    assert line(two_away.with_node("node5", ready=None)).startswith(
        "node1: etcd would keep only 2 of 5 members, 3 required"
    )


@pytest.mark.parametrize("members", [1, 2])
def test_an_etcd_that_can_never_keep_its_majority_is_no_obstacle(members):
    some = fleet({f"node{i}": "zone-a" for i in range(1, members + 1)})
    for i in range(1, members + 1):
        some = some.with_node(f"node{i}", etcd=True)
    assert gate(make_plan(*some.arguments()), RunRecord("run"), 1, some.snapshot, GOOD, ()) is None
