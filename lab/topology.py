# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of the lab: its nodes, addresses and ports. Pure values, no I/O beyond reading one environment variable."""

from __future__ import annotations

import os
from dataclasses import dataclass

POD_CIDR = "10.42.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

HOST = "10.0.2.2"
"""The host as a guest sees it: QEMU's user network maps this address to the host's loopback."""

BASES = (*range(26000, 32000, 1000), *range(20000, 26000, 1000))
"""Where a lab's ports may begin: below those that Linux gives to outgoing connections."""


@dataclass(frozen=True)
class Node:
    """One VM of the lab. ``index`` counts from 1 and gives all its addresses."""

    index: int

    @property
    def name(self) -> str:
        return f"node{self.index}"

    @property
    def zone(self) -> str:
        return f"zone-{'abc'[self.index - 1]}"

    @property
    def address(self) -> str:
        """Its address on the network between the nodes (eth1), which is its InternalIP in Kubernetes."""
        return f"192.168.77.{10 + self.index}"

    @property
    def pod_cidr(self) -> str:
        return f"10.42.{self.index}.0/24"

    def mac(self, interface: int) -> str:
        """A locally administered address for ``eth<interface>``, unique in the lab."""
        return f"52:54:00:77:{interface:02x}:{self.index:02x}"


NODES = (Node(1), Node(2), Node(3))


def node(name: str) -> Node:
    """The node called ``name``. Raises ``KeyError`` naming the ones that there are."""
    for candidate in NODES:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no node {name!r} in the lab; the nodes are {', '.join(each.name for each in NODES)}")


@dataclass(frozen=True)
class Ports:
    """TCP ports on the host's loopback, all at fixed distances from ``base``."""

    base: int = BASES[0]

    def all(self) -> tuple[int, ...]:
        """Every TCP port of the lab."""
        nodes = [port for node in NODES for port in (self.ssh(node), self.connect(node))]
        control_plane = self.apiserver, self.etcd_client, self.etcd_peer, self.controller_manager, self.scheduler
        return (*control_plane, self.packages, self.compile_server, self.egress, *nodes)

    @property
    def apiserver(self) -> int:
        return self.base + 443

    @property
    def etcd_client(self) -> int:
        return self.base + 379

    @property
    def etcd_peer(self) -> int:
        return self.base + 380

    @property
    def controller_manager(self) -> int:
        return self.base + 257

    @property
    def scheduler(self) -> int:
        return self.base + 259

    @property
    def packages(self) -> int:
        """The apt repository that the nodes upgrade from."""
        return self.base + 80

    @property
    def compile_server(self) -> int:
        return self.base + 81

    @property
    def egress(self) -> int:
        """HTTP CONNECT into the cluster's networks, for clients on the host."""
        return self.base + 800

    def ssh(self, node: Node) -> int:
        return self.base + 220 + node.index

    def connect(self, node: Node) -> int:
        """The CONNECT proxy that runs on the node."""
        return self.base + 810 + node.index

    @property
    def multicast(self) -> int:
        """UDP port of the network between the nodes (QEMU's ``-netdev socket,mcast=``)."""
        return self.base + 700


def chosen_base() -> int | None:
    """``$FRIDAY_LAB_PORT_BASE``: where the lab's ports begin; ``None`` when it is not set.

    Raises ``ValueError`` for a base that is not a number or leaves no room for all of them.
    """
    text = os.environ.get("FRIDAY_LAB_PORT_BASE")
    if text is None:
        return None
    if not text.isdigit() or not 1024 <= int(text) <= 64000:
        raise ValueError(f"FRIDAY_LAB_PORT_BASE is {text!r}; it must be a number from 1024 to 64000")
    return int(text)
