# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run
    from testinfra.host import Host


def test_the_node_is_cordoned_by_this_run(cluster: Cluster, run: Run) -> None:
    assert cluster.cordons() == {"node2": run.name}


def test_its_pods_have_left(cluster: Cluster, node2: Host) -> None:
    assert cluster.pods("node2") == []
    assert node2.run("pgrep -f 'drain-[d]elay=8s'").rc == 1, "no process of the web server's either"


def test_the_disruption_budget_still_holds(cluster: Cluster) -> None:
    budget = cluster.get("poddisruptionbudget", "web", "--namespace=shop")["status"]
    assert budget["currentHealthy"] >= budget["desiredHealthy"]


def test_it_is_recorded(run: Run) -> None:
    assert run.hosts["node2"]["state"] == "drained"
