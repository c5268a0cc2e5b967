# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run
    from testinfra.host import Host

    from lab.artifacts.kernels import KernelPair


def test_the_host_is_done(run: Run, boot_ids: dict[str, str], pair: KernelPair) -> None:
    known = run.hosts["node2"]
    assert (known["state"], known["kernel"]) == ("done", pair.candidate.release)
    assert known["boot_id"] == boot_ids["node2"]


def test_it_was_not_rebooted_again(cluster: Cluster, run: Run, boot_ids: dict[str, str]) -> None:
    (planned,) = (host for wave in run.json("plan.json")["waves"] for host in wave["hosts"])
    earlier = [
        each.hosts["node2"]["boot_id"] for each in cluster.runs()[1:] if each.hosts.get("node2", {}).get("boot_id")
    ]
    assert planned["reboot"] or earlier[0] == boot_ids["node2"]


def test_it_is_uncordoned(cluster: Cluster) -> None:
    assert cluster.cordons() == {}
    assert "friday.upgrade/cordoned-by" not in cluster.get("node", "node2")["metadata"].get("annotations", {})


def test_every_layer_was_asked(run: Run) -> None:
    verdict = run.json("hosts/node2/verdict.json")
    assert verdict["outcome"] == "pass"
    assert {"kernel-release", "bpf-host-programs", "agent-ready", "agent-endpoints", "node-network", "dns"} <= set(
        verdict["checks"]
    )


def test_the_network_is_attached(node2: Host, cluster: Cluster) -> None:
    assert "cil_from_netdev" in node2.check_output("bpftool net show")
    endpoints = cluster.get("ciliumendpoints.cilium.io", "--all-namespaces")
    assert {endpoint["status"]["state"] for endpoint in endpoints} == {"ready"}


def test_the_run_passed(cluster: Cluster, run: Run) -> None:
    assert run.meta["outcome"] == "pass"
    assert cluster.lock() == ""
    assert run.json("keeper.json")["released"]
    assert run.meta["finished"] > run.meta["started"]
    assert run.json("report.json")["summary"]["outcome"] == "pass"


def test_it_was_looked_at_once_more(run: Run) -> None:
    assert run.json("hosts/node2/last-verdict.json")["outcome"] == "pass"
