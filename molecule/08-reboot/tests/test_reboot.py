# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run
    from testinfra.host import Host

    from lab.artifacts.kernels import KernelPair


def test_it_runs_the_planned_kernel(node2: Host, pair: KernelPair) -> None:
    assert node2.check_output("uname -r") == pair.candidate.release


def test_it_is_another_boot(run: Run, boot_ids: dict[str, str]) -> None:
    before = run.json("baseline.json")["facts"]["node2"]["boot_id"]
    assert boot_ids["node2"] != before


def test_it_is_recorded(run: Run, boot_ids: dict[str, str], pair: KernelPair) -> None:
    known = run.hosts["node2"]
    assert (known["state"], known["kernel"]) == ("rebooted", pair.candidate.release)
    assert known["boot_id"] == boot_ids["node2"]


def test_it_still_waits_to_be_verified(cluster: Cluster, run: Run) -> None:
    assert cluster.cordons() == {"node2": run.name}


def test_the_other_nodes_were_not_rebooted(lab_nodes: dict[str, Host], pair: KernelPair) -> None:
    assert {lab_nodes[name].check_output("uname -r") for name in ("node1", "node3")} == {pair.running.release}
