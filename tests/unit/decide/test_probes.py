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
