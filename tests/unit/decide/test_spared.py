# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No wave takes what can't be spared, and what a node's drain means is known beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import planning
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drain
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.gate import gate
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline, refusals
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.placement import Placement
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.quorum import etcd_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.recheck import refusals as not_empty
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import make_plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import NamedQuorum, Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    Apart,
    Node,
    Observation,
    Requirement,
    Snapshot,
    Spread,
    Taint,
    Toleration,
    Webhook,
)
from tests.unit.decide.fleets import Fleet, budget, fleet, pod

ROOM = {"cpu": 4000, "memory": 8 * 1024**3, "pods": 110}
WEB = (Requirement("app", "In", ("web",)),)


def one_zone(count: int, **policy: object) -> Fleet:
    """Hosts of one zone with room for four pods of 1000m each; nothing but what is under test makes waves small."""
    given = {"wave_sizes": ("8",), "max_unavailable": "100%", "max_unavailable_per_zone": "100%", **policy}
    some = fleet({f"node{i}": "zone-a" for i in range(1, count + 1)}, **given)
    nodes = tuple(
        replace(n, allocatable=ROOM, labels={"kubernetes.io/hostname": n.name, "zone": "a"})
        for n in some.snapshot.nodes
    )
    return some.with_snapshot(nodes=nodes)


def waves(some: Fleet) -> list[list[str]]:
    return [[host.host for host in wave.hosts] for wave in make_plan(*some.arguments()).waves]


def reasons(some: Fleet) -> str:
    return "; ".join(wave.reason for wave in make_plan(*some.arguments()).waves)


def planned(some: Fleet) -> planning.Planned:
    survey = planning.Survey(some.targets, some.facts)
    names = tuple(target.host for target in some.targets)
    return planning.plan(planning.Inputs(some.policy, names, survey, some.snapshot))


# -- capacity


def full(count: int, cpu: int) -> Fleet:
    pods = tuple(
        pod(f"p{i}-{j}", f"node{i}", f"app{i}-{j}", requests={"cpu": cpu})
        for i in range(1, count + 1)
        for j in range(3)
    )
    return one_zone(count, canary="node1").with_snapshot(pods=pods)


def test_a_wave_takes_no_more_than_the_others_have_room_for() -> None:
    assert waves(full(5, 100)) == [["node1"], ["node2", "node3", "node4", "node5"]]
    # 3 of 4 cpu are used everywhere: four nodes have room for four pods, two nodes have six.
    assert waves(full(5, 1000)) == [["node1"], ["node2"], ["node3"], ["node4"], ["node5"]]
    assert "1000m cpu requested, at most 0m cpu free on the 3 nodes that could take it" in reasons(full(5, 1000))
    assert waves(full(9, 1000))[1] == ["node2", "node3"], "seven that stay have room for six"


def test_nodes_that_take_nothing_are_no_room() -> None:
    some = full(8, 1000).with_policy(only=tuple(f"node{i}" for i in range(1, 8)))
    assert len(waves(some)[1]) == 2
    assert len(waves(some.with_node("node8", unschedulable=True))[1]) == 1
    assert len(waves(some.with_node("node8", unschedulable=True, cordoned_by="run-1"))[1]) == 2, (
        "it is uncordoned first"
    )
    assert len(waves(some.with_node("node8", ready=False))[1]) == 1
    tainted = some.with_node("node8", taints=(Taint("gpu", "", "NoSchedule"),))
    assert len(waves(tainted)[1]) == 1
    tolerant = tuple(replace(p, tolerations=(Toleration("gpu", "Exists"),)) for p in some.snapshot.pods)
    assert len(waves(tainted.with_snapshot(pods=tolerant))[1]) == 2


@pytest.mark.parametrize(
    ("changes", "homeless"),
    [
        ({}, False),
        ({"selector": (("zone", "a"),)}, False),
        ({"selector": (("zone", "b"),)}, True),
        ({"affinity": ((Requirement("zone", "NotIn", ("a",)),),)}, True),
        ({"affinity": ((Requirement("metadata.name", "In", ("node2",)),),)}, False),
        ({"apart": (Apart("kubernetes.io/hostname", WEB),)}, True),
        ({"apart": (Apart("kubernetes.io/hostname", (Requirement("app", "In", ("db",)),)),)}, False),
        # node1 is cordoned then, and still counts as a domain without any: node2 would have two more.
        ({"spread": (Spread("kubernetes.io/hostname", 1, WEB),)}, True),
        ({"spread": (Spread("kubernetes.io/hostname", 2, WEB),)}, False),
        ({"requests": {"cpu": 5000}}, True),
        ({"requests": {"example.org/gpu": 1}}, True),
        ({"requests": {"host port 80/TCP": 1}}, True),
        ({"requests": {"host port 81/TCP": 1}}, False),
    ],
)
def test_what_decides_where_a_pod_goes(changes: dict[str, object], homeless: bool) -> None:
    one = pod("web-1", "node1", **changes)
    other = pod("web-2", "node2", requests={"host port 80/TCP": 1})
    snapshot = one_zone(2).with_snapshot(pods=(one, other)).snapshot
    assert bool(Placement(snapshot).homeless([one], {"node1"})) is homeless


# -- workloads, shares, quorums


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet", "Cluster"])
def test_no_wave_takes_all_pods_of_a_workload(kind: str) -> None:
    pods = (pod("a", "node2", owner_kind=kind), pod("b", "node3", owner_kind=kind))
    some = one_zone(4, canary="node1").with_snapshot(pods=pods)
    assert waves(some) == [["node1"], ["node2", "node4"], ["node3"]]
    three = some.with_snapshot(pods=(*pods, pod("c", "node4", owner_kind=kind, ready=False)))
    assert len(waves(three)[1]) == 2, "what is not ready keeps nothing available"
    assert len(waves(some.with_snapshot(pods=(*pods, pod("c", "node1", owner_kind=kind))))[1]) == 3


def test_pods_of_a_job_keep_nothing_available() -> None:
    pods = (pod("a", "node2", owner_kind="Job"), pod("b", "node3", owner_kind="Job"))
    assert len(waves(one_zone(4, canary="node1").with_snapshot(pods=pods))[1]) == 3


def test_a_share_of_the_zone_and_of_the_cluster_at_most() -> None:
    some = fleet({f"{zone}{i}": f"zone-{zone}" for zone in "abc" for i in range(8)}, wave_sizes=("8",))
    assert max(map(len, waves(some))) == 4, "half of a zone"
    assert "4 hosts at a time (friday_max_unavailable_per_zone)" in reasons(some)
    assert max(map(len, waves(some.with_policy(max_unavailable="2")))) == 2
    assert max(map(len, waves(some.with_policy(max_unavailable_per_zone="100%")))) == 8
    away = some.with_node("b0", ready=False).with_policy(canary="a0")
    assert max(len(wave.hosts) for wave in make_plan(*away.arguments()).waves if wave.zone == "zone-b") == 3
    assert waves(fleet({"n1": "a", "n2": "b"}, max_unavailable="1%", max_unavailable_per_zone="1%")) == [["n1"], ["n2"]]


GARAGE = NamedQuorum("s3", "default", ("app=garage",), 2)


def test_a_quorum_that_is_named_is_kept_by_the_plan_and_the_gate() -> None:
    pods = tuple(pod(f"g{i}", f"node{i}", "garage", owner_kind="DaemonSet") for i in (1, 2, 3, 4))
    some = one_zone(4, canary="node1", quorums=(GARAGE,)).with_snapshot(pods=pods)
    assert waves(some) == [["node1"], ["node2", "node3"], ["node4"]]
    assert not planned(some).problems
    down = some.with_snapshot(pods=(*pods[:2], *(replace(p, ready=False) for p in pods[2:])))
    message = "s3 would keep only 1 of 4 members, 2 required"
    assert message in planned(down).problems[0].message
    made = make_plan(*some.arguments())
    closed = gate(made, RunRecord("r"), 1, down.snapshot, Verdict(Outcome.PASS), (), quorums=(GARAGE,))
    assert closed and message in closed.message


def control_plane(count: int, *down: int) -> Fleet:
    some = fleet({f"cp{i}": f"zone-{i}" for i in range(1, count + 1)})
    pods = tuple(
        pod(
            f"{part}-cp{i}",
            f"cp{i}",
            namespace="kube-system",
            owner_kind="Node",
            owner_name=f"cp{i}",
            ready=i not in down or part != "etcd",
            labels={"component": part},
        )
        for i in range(1, count + 1)
        for part in ("etcd", "kube-apiserver")
    )
    nodes = tuple(replace(node, etcd=True, roles=("control-plane",)) for node in some.snapshot.nodes)
    return some.with_snapshot(nodes=nodes, pods=pods)


def k3s(count: int, *down: int) -> Fleet:
    some = fleet({f"cp{i}": f"zone-{i}" for i in range(1, count + 1)})
    for i in range(1, count + 1):
        some = some.with_node(f"cp{i}", etcd=True, voter=i not in down, labels={"node-role.kubernetes.io/etcd": "true"})
    return some


@pytest.mark.parametrize("make", [control_plane, k3s])
def test_a_member_that_is_down_on_a_ready_node_stops_the_others(make) -> None:  # type: ignore[no-untyped-def]
    well, sick = make(3), make(3, 1).with_policy(canary="cp2")
    assert not planned(well).problems
    assert any("a member of etcd is not ready" in p.message for p in planned(sick).problems)
    accepted = sick.with_policy(accept=("control-plane",))
    assert any("etcd would keep only 1 of 3 members, 2 required" in p.message for p in planned(accepted).problems)
    closed = gate(make_plan(*accepted.arguments()), RunRecord("r"), 1, sick.snapshot, Verdict(Outcome.PASS), ())
    assert closed and closed.subject == "cp2"
    only_it = accepted.with_policy(canary="cp1", only=("cp1",))
    assert not planned(only_it).problems, "the one that is down can be spared"


@pytest.mark.parametrize("make", [control_plane, k3s])
def test_two_members_are_accepted_by_name_and_one_is_told(make) -> None:  # type: ignore[no-untyped-def]
    assert [p.subject for p in planned(make(2)).problems] == ["cp1", "cp2"]
    assert "etcd has two members" in planned(make(2)).problems[0].message
    assert not planned(make(2).with_policy(accept_outage=("cp1", "cp2"))).problems
    one = planned(make(1))
    assert not one.problems
    assert "only member of etcd" in one.plan.hosts()[0].notes[0]
    assert not planned(make(5)).problems


def test_only_static_pods_are_members_where_there_are_any() -> None:
    some = control_plane(3)
    external = some.with_snapshot(pods=tuple(p for p in some.snapshot.pods if not p.name.startswith("etcd-cp3")))
    assert [member.node for member in etcd_of(external.snapshot).members] == ["cp1", "cp2"]
    assert not etcd_of(fleet({"n1": "a"}).with_node("n1", etcd=True).snapshot).seen


def test_an_api_server_that_says_that_it_is_not_ready() -> None:
    snapshot = Snapshot(0, "x", nodes=(Node("n1", ready=True),), not_ready="[-]etcd failed")
    assert "[-]etcd failed" in refusals(baseline(Policy(), Observation(snapshot), []))[0].message


# -- one node, or the only one of its kind


def test_what_can_run_nowhere_else_is_refused_until_accepted_and_then_stays() -> None:
    pods = (pod("web-1", "node1"), pod("dns-1", "node1", "dns"), pod("dns-2", "node1", "dns"))
    one = one_zone(1).with_snapshot(pods=pods, budgets=(budget("dns", 0, "dns", desired_healthy=3),))
    (problem,) = planned(one).problems
    assert problem.subject == "node1"
    assert problem.message.startswith("takes down what runs nowhere else, for about ")
    assert "default/web-1" in problem.message and "friday_accept_outage: [node1]" in problem.fix
    accepted = one.with_policy(accept_outage=("node1",))
    made = planned(accepted)
    assert not made.problems
    (host,) = made.plan.hosts()
    assert (host.evictions, len(host.outage), host.blockers) == ((), 3, ())
    cordoned = accepted.with_node("node1", unschedulable=True, cordoned_by="r").snapshot
    assert not_empty(accepted.policy, cordoned, host, "r") == ()


def test_the_only_node_of_its_kind() -> None:
    some = one_zone(3).with_node("node3", labels={"pool": "infra"})
    pinned = (pod("prom-1", "node3", "prom", selector=(("pool", "infra"),)), pod("web-1", "node3"))
    some = some.with_snapshot(pods=pinned)
    assert [p.subject for p in planned(some).problems] == ["node3"]
    left = drain(some.with_policy(accept_outage=("node3",)).policy, some.snapshot, "node3")
    assert ([p.name for p in left.evict], [p.name for p in left.bound]) == (["web-1"], ["prom-1"])
    elsewhere = pod("prom-2", "node2", "prom")
    assert not planned(some.with_snapshot(pods=(*pinned, elsewhere))).problems, "another replica is enough"


def test_a_single_replica_that_can_move_is_no_problem() -> None:
    made = planned(one_zone(3).with_snapshot(pods=(pod("web-1", "node2"),)))
    assert not made.problems
    notes = [note for host in made.plan.hosts() for note in host.notes]
    assert notes == ["Deployment default/web is down while it moves: none of its ready pods is on another node"]


def test_the_last_endpoint_of_a_webhook_that_fails_closed() -> None:
    hook = Webhook("ValidatingWebhookConfiguration", "guard", "guard.lab", "Fail", "a/guard", 1, ("node2",))
    some = one_zone(3).with_snapshot(webhooks=(hook, replace(hook, name="other", endpoint_nodes=("node1", "node2"))))
    notes = {host.host: host.notes for host in planned(some).plan.hosts() if host.notes}
    assert list(notes) == ["node2"] and "guard.lab" in notes["node2"][0]


# -- the drain


NONE = {"current_healthy": 1, "desired_healthy": 1, "expected_pods": 1}


def lasting(*pods, policy: Policy | None = None, **changes: object) -> list[bool]:  # type: ignore[no-untyped-def]
    snapshot = one_zone(3).with_snapshot(pods=pods, budgets=(budget("web", 0, **{**NONE, **changes}),)).snapshot
    return [obstacle.lasting for obstacle in drain(policy or Policy(), snapshot, "node1").obstacles]


def test_a_budget_is_refused_only_where_nobody_will_free_it() -> None:
    one = pod("web-1", "node1")
    assert lasting(one) == [True]
    assert lasting(one, policy=Policy(accept_budgets=("default/web",))) == [False]
    assert lasting(one, owner_kind="Cluster") == [False], "an operator made the budget"
    assert lasting(replace(one, owner_kind="Cluster")) == [False]
    assert lasting(one, pod("web-2", "node2")) == [False]
    assert lasting(one, pod("web-2", "node2"), error="found no controllers for pod") == [True]


def test_what_always_may_go() -> None:
    sick = pod("web-1", "node1", ready=False)
    assert lasting(sick, current_healthy=0) == [True]
    assert lasting(sick, current_healthy=0, always_allow=True) == []
    assert lasting(pod("web-1", "node1"), always_allow=True) == [True], "a pod that is ready is protected"


def test_what_makes_a_drain_wait_is_told() -> None:
    old = pod("db-0", "node1", terminating=True, ends_by=30.0, finalizers=("example.org/cleanup",))
    slow = pod("slow-1", "node1", "slow", grace=7200)
    some = one_zone(2).with_snapshot(
        pods=(old, slow, pod("x", "node2", terminating=True, ends_by=90000.0)), time=90000.0
    )
    blockers = make_plan(*some.arguments()).hosts()
    told = [line for host in blockers for line in host.blockers]
    assert told == [
        "default/db-0 is terminating since 1970-01-01 00:00 UTC, kept by its finalizers example.org/cleanup",
        "default/slow-1 may take 7200 s to end, longer than friday_drain_timeout (1800 s)",
    ]
    assert not planned(some).problems
    held = next(host for host in blockers if host.blockers)
    assert held.seconds > some.policy.drain_timeout


def test_what_tolerates_the_cordon_is_evicted_once() -> None:
    one = pod("operator", "node1", tolerates_cordon=True, created=100.0)
    some = one_zone(2).with_snapshot(pods=(one,))
    assert drain(Policy(), some.snapshot, "node1").evict == (one,)
    cordoned = some.with_node("node1", unschedulable=True, cordoned_at=200.0)
    assert drain(Policy(), cordoned.snapshot, "node1").evict == (one,)
    later = cordoned.with_snapshot(pods=(replace(one, created=201.0),))
    assert drain(Policy(), later.snapshot, "node1").evict == ()
