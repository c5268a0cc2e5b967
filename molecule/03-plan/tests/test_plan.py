# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cluster, Run

    from lab.artifacts.kernels import KernelPair


@pytest.fixture(scope="module")
def plan(run: Run) -> Any:
    return run.json("plan.json")


def test_a_wave_for_each_zone(plan: Any, cluster: Cluster) -> None:
    zones = {
        node["metadata"]["name"]: node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        for node in cluster.get("nodes")
    }
    planned = [host for wave in plan["waves"] for host in wave["hosts"]]
    assert {host["node"]: host["zone"] for host in planned} == zones
    assert [len(wave["hosts"]) for wave in plan["waves"]] == [1, 1, 1]


def test_the_canary_and_why(plan: Any) -> None:
    canary = plan["waves"][0]
    assert canary["name"] == "canary"
    assert canary["hosts"][0]["reason"].startswith("canary: ")


def test_every_host_goes_to_the_new_kernel(plan: Any, pair: KernelPair) -> None:
    hosts = [host for wave in plan["waves"] for host in wave["hosts"]]
    assert {host["target_kernel"] for host in hosts} == {pair.candidate.release}
    assert all(host["reboot"] and host["reason"] for host in hosts)


def test_what_a_drain_would_evict_runs_there(plan: Any, cluster: Cluster) -> None:
    for wave in plan["waves"]:
        for host in wave["hosts"]:
            assert sorted(host["evictions"]) == sorted(cluster.pods(host["node"]))


def test_the_record_names_the_plan(plan: Any, run: Run) -> None:
    assert run.meta["plan_digest"] == plan["digest"]
    assert {host["state"] for host in run.hosts.values()} == {"planned"}


def test_nothing_was_touched(cluster: Cluster, run: Run) -> None:
    assert run.name not in cluster.cordons().values()
