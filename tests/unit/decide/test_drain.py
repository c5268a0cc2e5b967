from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drain, drains, selects, unread
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Requirement
from tests.unit.decide.fleets import budget, fleet, pod

BASE = fleet({"node1": "zone-a", "node2": "zone-b"}).snapshot


def drained(*pods, budgets=(), **policy):
    return drain(Policy(**policy), replace(BASE, pods=pods, budgets=tuple(budgets)), "node1")


def test_what_goes_and_what_stays():
    found = drained(
        pod("web-2", "node1"),
        pod("web-1", "node1"),
        pod("elsewhere", "node2"),
        pod("agent", "node1", owner_kind="DaemonSet"),
        pod("static", "node1", owner_kind="Node"),
        pod("job", "node1", owner_kind="", phase="Succeeded"),
        pod("leaving", "node1", owner_kind="", local_storage=True, terminating=True),
    )
    assert [p.name for p in found.evict] == ["leaving", "web-1", "web-2"]
    assert {p.name: why for p, why in found.stay} == {
        "agent": "belongs to a DaemonSet",
        "static": "static pod",
        "job": "has finished",
    }
    assert not found.obstacles


def test_a_list_that_could_not_be_read_is_not_an_empty_node():
    assert unread(BASE) == ""
    assert unread(replace(BASE, unknown={"webhooks": "500"})) == ""
    assert unread(replace(BASE, pods=(), unknown={"pods": "504", "budgets": "403"})) == (
        "pods could not be read: 504; budgets could not be read: 403"
    )


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"owner_kind": ""}, "evict_unmanaged"),
        ({"local_storage": True}, "delete_emptydir_data"),
    ],
)
def test_pods_that_lose_something_stay_unless_the_policy_says_so(changes, variable):
    one = pod("web", "node1", **changes)
    refused = drained(one)
    assert (refused.evict, [p.name for p, _ in refused.stay]) == ((), ["web"])
    assert f"friday_{variable}" in refused.blockers[0]
    allowed = drained(one, **{variable: True})
    assert (allowed.evict, allowed.blockers) == ((one,), ())


def test_a_budget_without_room_is_named_and_can_heal():
    found = drained(pod("web-1", "node1"), budgets=[budget("web", 0, current_healthy=2)])
    assert [(o.pod, o.cause, o.lasting) for o in found.obstacles] == [("default/web-1", "default/web", False)]
    assert "only 2 of 3 pods healthy, 2 required" in found.obstacles[0].line()
    assert found.blockers == ()
    assert found.disruptions == {"default/web": 1}
    assert not drained(pod("web-1", "node1"), budgets=[budget("web", 1)]).obstacles


def test_a_budget_that_never_allows_is_lasting():
    found = drained(pod("web-1", "node1"), budgets=[budget("web", 0, desired_healthy=3)])
    assert [o.lasting for o in found.obstacles] == [True]
    assert "never allows a disruption: it requires 3 of 3" in found.blockers[0]


def test_two_budgets_on_a_pod_are_more_than_the_eviction_api_takes():
    budgets = [budget("a", 1), budget("b", 1, None)]
    found = drained(pod("web-1", "node1"), budgets=budgets)
    assert (found.evict, found.obstacles[0].cause) == ((), "default/a, default/b")
    assert drained(pod("web-1", "node1", phase="Pending"), budgets=budgets).evict


def test_what_takes_nothing_from_a_budget_is_not_held_up():
    none_left = [budget("web", 0, current_healthy=2)]
    assert not drained(pod("web", "node1", phase="Pending", ready=False), budgets=none_left).obstacles
    assert not drained(pod("web", "node1", terminating=True), budgets=none_left).obstacles
    assert not drained(pod("web", "node1", ready=False), budgets=none_left).obstacles
    assert drained(pod("web", "node1", ready=False), budgets=[budget("web", 0, current_healthy=1)]).obstacles


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ((), True),
        ((Requirement("app", "In", ("web", "db")),), True),
        ((Requirement("app", "In", ("db",)),), False),
        ((Requirement("tier", "In", ("web",)),), False),
        ((Requirement("app", "NotIn", ("db",)),), True),
        ((Requirement("app", "NotIn", ("web",)),), False),
        ((Requirement("tier", "NotIn", ("web",)),), True),
        ((Requirement("app", "Exists"),), True),
        ((Requirement("tier", "Exists"),), False),
        ((Requirement("tier", "DoesNotExist"),), True),
        ((Requirement("app", "DoesNotExist"),), False),
        ((Requirement("app", "Exists"), Requirement("app", "In", ("db",))), False),
        ((Requirement("app", "In", ("web",)), Requirement("tier", "Exists")), False),
    ],
)
def test_selectors(selector, matches):
    one, guard = pod("web", "node1"), budget("b", 1, selector=selector)
    assert selects(guard, one) is matches
    assert drained(one, budgets=[guard]).disruptions == ({"default/b": 1} if matches else {}), (
        "the index finds the same"
    )
    assert not selects(replace(guard, namespace="other"), one)
    with pytest.raises(ValueError, match="Like"):
        selects(replace(guard, selector=(Requirement("app", "Like"),)), one)


def test_many_nodes_are_read_like_one():
    snapshot = replace(BASE, pods=(pod("a", "node1"), pod("b", "node2")), budgets=(budget("web", 0),))
    many = drains(Policy(), snapshot, ["node1", "node2", "node3"])
    assert many == {name: drain(Policy(), snapshot, name) for name in ("node1", "node2", "node3")}
