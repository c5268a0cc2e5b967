# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the lab counts as ready, by what the API and the agents say."""

from __future__ import annotations

from typing import Any

import pytest

from lab.cluster import health, status


def node(name: str, ready: str = "True") -> dict[str, Any]:
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    return {
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "zone-a"}},
        "spec": {},
        "status": {"conditions": conditions, "nodeInfo": {"kernelVersion": "6.1.0"}},
    }


def workload(kind: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": "web", "generation": 2}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": status}


def test_nodes() -> None:
    assert health.node_reasons([node("node1"), node("node2"), node("node3")]) == []
    assert health.node_reasons([node("node1"), node("node2", "Unknown")]) == [
        "node2 is not Ready",
        "node3 is not Ready",
    ]


def test_a_deployment_is_ready_when_its_newest_pods_are_available() -> None:
    done = {"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": 3}
    assert health.workload_reasons([workload("Deployment", {"replicas": 3}, done)]) == []
    for change in ({"availableReplicas": 2}, {"updatedReplicas": 2}):
        assert health.workload_reasons([workload("Deployment", {"replicas": 3}, done | change)]) == [
            "shop/web has 2 of 3"
        ]
    assert health.workload_reasons([workload("Deployment", {"replicas": 3}, done | {"observedGeneration": 1})])


def test_a_daemon_set_that_was_not_looked_at_yet_is_not_ready() -> None:
    assert health.workload_reasons([workload("DaemonSet", {}, {"desiredNumberScheduled": 0})]) == [
        "shop/web has 0 of 3"
    ]
    done = {
        "observedGeneration": 2,
        "desiredNumberScheduled": 3,
        "updatedNumberScheduled": 3,
        "numberAvailable": 3,
    }
    assert health.workload_reasons([workload("DaemonSet", {}, done)]) == []


@pytest.mark.parametrize("state", ["not-ready", "regenerating", "waiting-to-regenerate", "restoring", "creating"])
def test_only_ready_endpoints_make_a_datapath(state: str) -> None:
    endpoints = [{"id": 7, "status": {"state": "ready"}}, {"id": 8, "status": {"state": state}}]
    assert health.endpoint_reasons("node1", endpoints) == [f"node1's endpoint 8 is {state}"]
    assert health.endpoint_reasons("node1", endpoints[:1]) == []


def test_an_agent_without_any_endpoint_is_not_ready() -> None:
    assert health.endpoint_reasons("node1", []) == ["node1's agent has no endpoint"]


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_waiting_goes_on_as_long_as_something_changes() -> None:
    """However long it takes in all: here ten times what is waited for without a change."""
    clock = Clock()
    health.wait(lambda: [f"{1000 - clock.now:.0f} to come"] if clock.now < 1000 else [], 100, clock, clock.sleep)
    assert clock.now >= 1000


@pytest.mark.parametrize("states", [["store has 0 of 1"], ["web has 1 of 3", "web has 2 of 3"]])
def test_waiting_ends_when_nothing_new_comes(states: list[str]) -> None:
    """Going back and forth between states is no progress either. The error says what is missing."""
    clock = Clock()
    with pytest.raises(health.NotReadyError, match=f"nothing has changed for 5 min: {states[0][:3]}"):
        health.wait(lambda: [states[int(clock.now / 3) % len(states)]], 300, clock, clock.sleep)
    assert 300 < clock.now < 330


def test_waiting_says_what_is_missing_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def reasons() -> list[str]:
        return ["node1 is not Ready"] if clock.now < 200 else ["shop/web has 2 of 3"] if clock.now < 300 else []

    health.wait(reasons, 900, clock, clock.sleep)
    told = [line for line in capsys.readouterr().err.splitlines() if "still missing" in line]
    assert told == ["[lab] still missing: node1 is not Ready", "[lab] still missing: shop/web has 2 of 3"]


def test_status_shows_a_node_and_its_agent() -> None:
    pod = {
        "spec": {"nodeName": "node1", "containers": [{"image": "registry.lab/cilium:2"}]},
        "status": {"containerStatuses": [{"ready": False}]},
    }
    cordoned = node("node1") | {"spec": {"unschedulable": True}}
    row = status.node_row(cordoned, [pod])
    assert row == ("node1", "zone-a", "yes", "no", "6.1.0", "registry.lab/cilium:2", "not ready")
    assert status.node_row(node("node2", "Unknown"), [pod])[2:] == ("unknown", "yes", "6.1.0", "", "")


def test_table_has_aligned_columns() -> None:
    assert status.table(("A", "LONG"), [("wide", "x"), ("b", "")]) == "A     LONG\nwide  x\nb"
