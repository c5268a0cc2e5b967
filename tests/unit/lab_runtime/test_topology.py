# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's addresses and ports."""

from __future__ import annotations

import pytest

from lab import topology
from lab.topology import NODES, Ports


def test_every_node_has_its_own_zone_addresses_and_ports() -> None:
    ports = Ports()
    for distinct in (
        [node.zone for node in NODES],
        [node.address for node in NODES],
        [node.pod_cidr for node in NODES],
        [node.mac(interface) for node in NODES for interface in (0, 1)],
        [port(node) for node in NODES for port in (ports.ssh, ports.connect)],
    ):
        assert len(set(distinct)) == len(distinct)


def test_node_by_name() -> None:
    assert topology.node("node2").address == "192.168.77.12"
    with pytest.raises(KeyError, match="node1, node2, node3"):
        topology.node("node4")


def test_ports_move_with_their_base() -> None:
    assert (Ports().apiserver, Ports().ssh(NODES[0])) == (26443, 26221)
    assert Ports(30000).apiserver == 30443
    assert len(set(Ports().all())) == len(Ports().all()) == 14


@pytest.mark.parametrize("base", ["", "many", "80", "-1", "65000"])
def test_an_impossible_base_is_refused(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("FRIDAY_LAB_PORT_BASE", base)
    with pytest.raises(ValueError, match="FRIDAY_LAB_PORT_BASE"):
        topology.chosen_base()
