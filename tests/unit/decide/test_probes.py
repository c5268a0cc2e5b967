# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import probes
from tests.unit.checks import three_nodes as lab


def test_dns_is_asked_for_the_api_server_in_the_domain_of_the_cluster():
    asked = probes.from_host(lab.healthy().snapshot, "node2", "k8s.example.org")
    asked = [probe for probe in asked if "query" in probe]
    assert {probe["query"] for probe in asked} == {"kubernetes.default.svc.k8s.example.org"}
    assert {probe["name"] for probe in asked} == {"DNS service", "DNS pods"}


def test_the_others_of_a_wave_are_not_asked():
    """They are cordoned, or away, by the time that the answers are compared."""
    seen = lab.healthy().snapshot
    asked = {probe["name"] for probe in probes.from_host(seen, "node1", "cluster.local", avoid={"node1", "node2"})}
    assert "node node3" in asked and "node node2" not in asked
    away = {pod.pod_ip for pod in seen.pods if pod.node == "node2"}
    assert not away & {probe["target"] for probe in probes.from_host(seen, "node1", "cluster.local", avoid={"node2"})}
