"""The planner's invariants, for any fleet."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import FINISHED
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import make_plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import DisruptionBudget, Pod
from tests.unit.decide.fleets import Fleet
from tests.unit.decide.strategies import GARAGE, crowded_fleets, fleets, large_fleets

thorough = settings(max_examples=150, deadline=None, database=None)


def plan_of(fleet: Fleet) -> Plan:
    return make_plan(*fleet.arguments())


@given(fleets())
@thorough
def test_every_target_is_exactly_once_in_a_wave_or_skipped(fleet: Fleet) -> None:
    plan = plan_of(fleet)
    placed = [host.host for host in plan.hosts()] + [host.host for host in plan.skipped]
    assert sorted(placed) == sorted(target.host for target in fleet.targets)


@given(fleets())
@thorough
def test_the_first_wave_is_one_host_and_waves_count_from_one(fleet: Fleet) -> None:
    plan = plan_of(fleet)
    assert [wave.number for wave in plan.waves] == list(range(1, len(plan.waves) + 1))
    assert len({wave.name for wave in plan.waves}) == len(plan.waves)
    if plan.waves:
        assert (plan.waves[0].name, len(plan.waves[0].hosts)) == ("canary", 1)


@given(fleets())
@thorough
def test_a_wave_has_one_zone_and_a_zone_is_finished_before_the_next(fleet: Fleet) -> None:
    plan = plan_of(fleet)
    for wave in plan.waves:
        assert {host.zone for host in wave.hosts} == {wave.zone}
    visits = [zone for zone, _ in groupby(wave.zone for wave in plan.waves)]
    assert len(visits) == len(set(visits))


@given(fleets())
@thorough
def test_no_wave_exceeds_the_policy(fleet: Fleet) -> None:
    plan = plan_of(fleet)
    sizes = fleet.policy.wave_sizes
    for place, wave in enumerate(plan.waves[1:]):
        size = sizes[min(place, len(sizes) - 1)]
        limit = max(1, len(fleet.targets) * int(size[:-1]) // 100) if size.endswith("%") else int(size)
        assert 1 <= len(wave.hosts) <= limit


@given(fleets())
@thorough
def test_the_control_plane_and_etcd_go_one_by_one(fleet: Fleet) -> None:
    nodes = {node.name: node for node in fleet.snapshot.nodes}
    for wave in plan_of(fleet).waves:
        assert sum(nodes[host.node].etcd or bool(nodes[host.node].roles) for host in wave.hosts) <= 1


@given(st.one_of(crowded_fleets(), fleets()))
@thorough
def test_a_wave_of_several_hosts_keeps_every_budget(fleet: Fleet) -> None:
    pods = {f"{pod.namespace}/{pod.name}": pod for pod in fleet.snapshot.pods}
    for wave in plan_of(fleet).waves:
        evicted = [pods[name] for host in wave.hosts for name in host.evictions]
        for budget in fleet.snapshot.budgets:
            together = sum(_selected(budget, pod) for pod in evicted)
            assert len(wave.hosts) == 1 or together <= budget.disruptions_allowed


@given(fleets())
@thorough
def test_what_is_evicted_is_on_the_host_and_may_go(fleet: Fleet) -> None:
    pods = {f"{pod.namespace}/{pod.name}": pod for pod in fleet.snapshot.pods}
    for host in plan_of(fleet).hosts():
        for pod in (pods[name] for name in host.evictions):
            assert pod.node == host.node
            assert pod.owner_kind not in ("DaemonSet", "Node")
            assert pod.phase not in FINISHED
            assert pod.owner_kind or fleet.policy.evict_unmanaged or pod.terminating


@given(fleets(), st.randoms(use_true_random=False))
@thorough
def test_the_order_of_the_input_does_not_matter(fleet: Fleet, random) -> None:
    def mixed(items):
        return tuple(random.sample(items, len(items)))

    snapshot = dataclasses.replace(
        fleet.snapshot,
        nodes=mixed(fleet.snapshot.nodes),
        pods=mixed(fleet.snapshot.pods),
        budgets=mixed(fleet.snapshot.budgets),
    )
    facts = {
        host: dataclasses.replace(fleet.facts[host], pending=mixed(fleet.facts[host].pending))
        for host in mixed(tuple(fleet.facts))
    }
    assert make_plan(fleet.policy, mixed(fleet.targets), snapshot, facts) == plan_of(fleet)


@given(fleets(most=4), fleets(most=4))
@thorough
def test_plans_have_one_digest_when_they_are_equal_and_only_then(one: Fleet, other: Fleet) -> None:
    first, second = plan_of(one), plan_of(other)
    assert (first.digest == second.digest) == (
        dataclasses.replace(first, digest="") == dataclasses.replace(second, digest="")
    )


@given(fleets(), st.data())
@thorough
def test_the_digest_follows_a_change_of_the_fleet(fleet: Fleet, data: st.DataObject) -> None:
    before = plan_of(fleet)
    if before.hosts():
        host = data.draw(st.sampled_from(before.hosts()))
        after = plan_of(fleet.with_facts(host.host, candidate_kernel="99.1-cloud-amd64"))
        assert before.digest != after.digest


@given(fleets())
@thorough
def test_the_digest_does_not_follow_what_is_not_planned(fleet: Fleet) -> None:
    later = fleet.with_snapshot(time=fleet.snapshot.time + 60, version="v9")
    assert plan_of(later).digest == plan_of(fleet).digest


@given(fleets())
@thorough
def test_leftovers_of_an_earlier_run_come_first(fleet: Fleet) -> None:
    waiting = {node.name for node in fleet.snapshot.nodes if node.unschedulable and node.cordoned_by}
    plan = plan_of(fleet)
    if waiting & {host.node for host in plan.hosts()}:
        assert plan.waves[0].hosts[0].node in waiting
    elif fleet.policy.canary in {host.host for host in plan.hosts()}:
        assert plan.waves[0].hosts[0].host == fleet.policy.canary
    skipped = {host.node for host in plan.skipped if host.reason.startswith("up to date")}
    assert not skipped & waiting


@given(fleets())
@thorough
def test_a_plan_survives_json(fleet: Fleet) -> None:
    plan = plan_of(fleet)
    assert from_data(Plan, to_data(plan)) == plan


@given(fleets())
@thorough
def test_the_estimate_is_that_of_the_longest_hosts_and_the_soaks(fleet: Fleet) -> None:
    plan = plan_of(fleet)
    longest = Counter({wave.number: max(host.seconds for host in wave.hosts) for wave in plan.waves})
    assert plan.seconds == longest.total() + len(plan.waves) * fleet.policy.soak


@given(large_fleets())
@settings(max_examples=60, deadline=None, database=None)
def test_no_wave_takes_what_can_not_be_spared(fleet: Fleet) -> None:
    """Each rule is written once more: the planner's own answers prove nothing here."""
    nodes = {node.name: node for node in fleet.snapshot.nodes}
    pods = {pod.name: pod for pod in fleet.snapshot.pods}
    zones = Counter(node.zone for node in nodes.values())
    ready: dict[str, Counter[str]] = defaultdict(Counter)
    for pod in pods.values():
        if pod.ready and pod.owner_kind in ("ReplicaSet", "StatefulSet", "DaemonSet"):
            ready[pod.owner_name][pod.node] += 1
    members = {pod.node: pod.ready for pod in pods.values() if pod.labels.get("component") == "etcd"}
    members = members or {node.name: node.voter for node in nodes.values() if node.voter is not None}
    garage = {pod.node for pod in pods.values() if pod.labels.get("app") == GARAGE and pod.ready}
    for wave in plan_of(fleet).waves:
        leaving = {host.node for host in wave.hosts}
        if len(leaving) == 1:
            continue
        assert len(leaving) <= -(-len(nodes) * 33 // 100)
        assert len(leaving) <= -(-zones[wave.zone] * 50 // 100)
        for places in ready.values():
            assert len(places) == 1 or not places.keys() <= leaving
        if len(members) > 2 and leaving & members.keys():
            assert sum(up for node, up in members.items() if node not in leaving) * 2 > len(members)
        assert len(members.keys() & leaving) <= 1
        assert not leaving & garage or len(garage - leaving) >= fleet.policy.quorums[0].minimum
        evicted = sum(pods[name.partition("/")[2]].requests["cpu"] for host in wave.hosts for name in host.evictions)
        used = Counter[str]()
        for pod in pods.values():
            used[pod.node] += pod.requests.get("cpu", 0)
        stay = [node for node in nodes.values() if node.ready and not node.unschedulable and node.name not in leaving]
        assert evicted <= sum(node.allocatable["cpu"] - used[node.name] for node in stay)


def _selected(budget: DisruptionBudget, pod: Pod) -> bool:
    """Written once more, for the operators that the fleets use: the planner's own answer proves nothing here."""
    if budget.namespace != pod.namespace:
        return False
    for wanted in budget.selector:
        inside = pod.labels.get(wanted.key) in wanted.values
        if inside != (wanted.operator == "In"):
            return False
    return True
