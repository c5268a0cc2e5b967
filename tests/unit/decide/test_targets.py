from __future__ import annotations

from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key, resolve_targets
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node
from tests.unit.decide.fleets import fleet

BASE = fleet({"node1": "zone-a", "node2": "zone-b", "node10": "zone-c"})


def resolve(targets=BASE.targets, snapshot=BASE.snapshot, policy=None):
    resolved, problems = resolve_targets(targets, snapshot, policy)
    return resolved, [(problem.subject, problem.line()) for problem in problems]


def test_zones_come_from_the_labels_and_hosts_in_natural_order():
    resolved, problems = resolve([replace(target, zone="") for target in reversed(BASE.targets)])
    assert resolved == BASE.targets
    assert not problems


def test_natural_order_is_total():
    assert sorted(["node10", "node2", "node02", "a", "1"], key=natural_key) == ["1", "a", "node02", "node2", "node10"]


def test_an_unknown_host_gets_a_suggestion():
    _, problems = resolve([*BASE.targets[:2], Target("web", "nod10", "zone-c")])
    assert problems[0][1] == "web: is not a node of the cluster (node nod10) -> did you mean node10?"


def test_a_node_that_is_not_in_the_inventory_is_a_problem_unless_a_part_is_meant():
    _, problems = resolve(BASE.targets[:2])
    assert [subject for subject, _ in problems] == ["node10"]
    assert not resolve(BASE.targets[:2], policy=Policy(only=("node1",)))[1]


def test_faults_outside_of_only_are_left_alone():
    targets = [*BASE.targets, Target("gone", "gone")]
    assert [subject for subject, _ in resolve(targets)[1]] == ["gone"]
    assert not resolve(targets, policy=Policy(only=("node1",)))[1]


def test_duplicates():
    _, problems = resolve([*BASE.targets, Target("other", "node1", "zone-a")])
    assert problems == [("node1", "node1: is the node of more than one host: node1, other -> keep one of them")]
    assert [subject for subject, _ in resolve([*BASE.targets, BASE.targets[0]])[1]] == ["node1"]


def test_no_zone_and_another_zone():
    snapshot = replace(
        BASE.snapshot, nodes=(Node("node1"), Node("node2", zone="zone-x"), Node("node10", zone="zone-c"))
    )
    resolved, problems = resolve([replace(BASE.targets[0], zone=""), *BASE.targets[1:]], snapshot)
    assert [subject for subject, _ in problems] == ["node1", "node2"]
    assert "has no zone" in problems[0][1]
    assert "zone-b in the inventory, but its node's label says zone-x" in problems[1][1]
    assert resolved[0].zone == ""
    assert not resolve(BASE.targets[:1], replace(BASE.snapshot, nodes=(Node("node1"),)))[1], (
        "the inventory's zone is enough"
    )


def test_no_hosts_and_unread_nodes():
    assert [subject for subject, _ in resolve([])[1]] == ["inventory"]
    resolved, problems = resolve(snapshot=replace(BASE.snapshot, nodes=(), unknown={"nodes": "403"}))
    assert (resolved, [subject for subject, _ in problems]) == (BASE.targets, ["nodes"])
