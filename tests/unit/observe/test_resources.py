# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of the API: what is read from an object."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    Apart,
    Requirement,
    Spread,
    Taint,
    Toleration,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.resources import RESOURCES

PODS = next(resource for resource in RESOURCES if resource.field == "pods")


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}, False),
        (None, False),
    ],
)
def test_whether_a_pod_may_be_scheduled_to_a_cordoned_node(toleration: dict[str, Any] | None, expected: bool) -> None:
    spec = {"nodeName": "node1", **({"tolerations": [toleration]} if toleration else {})}
    (pod,) = PODS.parse({"metadata": {"namespace": "a", "name": "b"}, "spec": spec})
    assert pod.tolerates_cordon is expected


def parse(field: str, item: dict[str, Any]) -> Any:
    resource = next(resource for resource in RESOURCES if resource.field == field)
    (found,) = resource.parse({"metadata": {"namespace": "a", "name": "b", **item.pop("metadata", {})}, **item})
    return found


def requests(*containers: dict[str, str], first: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, int]:
    given = [{"resources": {"requests": each}} for each in containers]
    return parse("pods", {"spec": {"containers": given, "initContainers": list(first), **spec}}).requests  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("quantity", "cpu", "other"),
    [
        ("2", 2000, 2),
        ("1500m", 1500, 2),
        ("0.5", 500, 1),
        ("100u", 1, 1),
        ("1k", 1000000, 1000),
        ("1Ki", 1024000, 1024),
        ("1.5Gi", 1610612736000, 1610612736),
        ("1e3", 1000000, 1000),
        (4, 4000, 4),
    ],
)
def test_quantities(quantity: Any, cpu: int, other: int) -> None:
    assert requests({"cpu": quantity, "memory": quantity}) == {"cpu": cpu, "memory": other}


def test_what_is_no_quantity_is_an_error() -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        requests({"cpu": "much"})


def test_what_the_scheduler_reserves_for_a_pod() -> None:
    large, sidecar = {"resources": {"requests": {"cpu": "2"}}}, {"resources": {"requests": {"cpu": "100m"}}}
    assert requests({"cpu": "1"}, {"cpu": "500m"}) == {"cpu": 1500}
    assert requests({"cpu": "1"}, first=(large,)) == {"cpu": 2000}, "it runs before the others"
    assert requests({"cpu": "1"}, first=({**sidecar, "restartPolicy": "Always"},)) == {"cpu": 1100}
    assert requests({"cpu": "1"}, overhead={"cpu": "250m"}) == {"cpu": 1250}
    ports = [{"ports": [{"hostPort": 443, "protocol": "UDP"}, {"containerPort": 80}]}]
    assert parse("pods", {"spec": {"containers": ports}}).requests == {"host port 443/UDP": 1}


def test_where_a_pod_may_go() -> None:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    term = {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}
    apart = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}
    spread = {"topologyKey": "zone", "maxSkew": 2, "labelSelector": {}}
    spec = {
        "nodeSelector": {"pool": "infra"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {required: {"nodeSelectorTerms": [term]}},
            "podAntiAffinity": {required: [apart], "preferredDuringSchedulingIgnoredDuringExecution": [{}]},
        },
        "topologySpreadConstraints": [
            {**spread, "whenUnsatisfiable": "DoNotSchedule"},
            {**spread, "whenUnsatisfiable": "ScheduleAnyway"},
        ],
    }
    pod = parse("pods", {"spec": spec})
    assert pod.selector == (("pool", "infra"),)
    assert pod.affinity == ((Requirement("gpu", "Exists"),),)
    assert pod.tolerations == (Toleration("gpu", "Exists"),)
    assert pod.apart == (Apart("zone", (Requirement("app", "In", ("web",)),)),)
    assert pod.spread == (Spread("zone", 2),)


def test_since_when_a_pod_terminates() -> None:
    meta = {
        "deletionTimestamp": "1970-01-01T00:01:00Z",
        "creationTimestamp": "1970-01-01T00:00:10Z",
        "finalizers": ["x"],
    }
    pod = parse("pods", {"metadata": meta, "spec": {"terminationGracePeriodSeconds": 5}})
    assert (pod.ends_by, pod.created, pod.grace, pod.finalizers, pod.terminating) == (60.0, 10.0, 5, ("x",), True)


@pytest.mark.parametrize(("status", "voter"), [("True", True), ("False", False), ("", None)])
def test_a_node(status: str, voter: bool | None) -> None:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "1970-01-01T00:00:07Z"}
    conditions = [{"type": "EtcdIsVoter", "status": status}] if status else []
    node = parse(
        "nodes",
        {
            "spec": {"taints": [taint]},
            "status": {"conditions": conditions, "allocatable": {"cpu": "3920m", "pods": "110"}},
        },
    )
    assert (node.voter, node.cordoned_at, node.allocatable) == (voter, 7.0, {"cpu": 3920, "pods": 110})
    assert node.taints == (Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),)


def test_a_budget() -> None:
    owner = {"ownerReferences": [{"kind": "Cluster", "controller": True}]}
    spec = {"selector": {}, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    failed = {"conditions": [{"type": "DisruptionAllowed", "reason": "SyncFailed", "message": "found no controllers"}]}
    found = parse("budgets", {"metadata": owner, "spec": spec, "status": failed})
    assert (found.always_allow, found.owner_kind, found.error) == (True, "Cluster", "found no controllers")
    stale = parse("budgets", {"metadata": {"generation": 2}, "spec": {}, "status": {"observedGeneration": 1}})
    assert (stale.always_allow, "has not seen its last change" in stale.error) == (False, True)
    assert parse("budgets", {"metadata": {"generation": 1}, "status": {"observedGeneration": 1}}).error == ""
