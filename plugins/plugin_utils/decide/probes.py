# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom to ask about a node's network, and for what: from the node outwards, and from a surviving peer towards it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Pod, Snapshot

_PODS_PER_PROBE = 3
_DNS_NAME = "kubernetes.default.svc"  # the API server's own, which every cluster has


def peer(snapshot: Snapshot, targets: Iterable[Target], node: str, avoid: Collection[str] = ()) -> Target | None:
    """The host that looks at ``node`` from outside: Ready, not cordoned, of another zone if there is one.

    Args:
        avoid: hosts that don't count as surviving (the others of the wave, lost ones).
    """
    nodes = {seen.name: seen for seen in snapshot.nodes}
    own_zone = nodes[node].zone if node in nodes else ""
    able = [t for t in targets if t.node != node and t.host not in avoid and _survives(nodes.get(t.node))]
    return min(able, key=lambda t: (nodes[t.node].zone == own_zone, t.host), default=None)


def from_host(snapshot: Snapshot, node: str, domain: str, avoid: Collection[str] = ()) -> tuple[dict[str, Any], ...]:
    """Probes from the node: its peers, pods on other nodes, and DNS by the service's address and by each DNS pod.

    Args:
        domain: the cluster's own domain of DNS.
        avoid: nodes that are not asked: the others of the wave, which reboot themselves meanwhile.

    Returns:
        Arguments of ``node_facts``: dicts with kind, target, name, and for dns ``query`` (the name to resolve).
    """
    others = [n for n in snapshot.nodes if n.name not in {node, *avoid} and _survives(n) and n.internal_ip]
    probes = [_ping(n.internal_ip, f"node {n.name}") for n in others[:_PODS_PER_PROBE]]
    names = {n.name for n in others}
    elsewhere = _networked(pod for pod in snapshot.pods if pod.node in names)
    probes += [_ping(pod.pod_ip, "pods on other nodes") for pod in _spread(elsewhere)]
    if snapshot.dns_service:
        probes.append(_dns(snapshot.dns_service, "DNS service", domain))
        probes += [_dns(p.pod_ip, "DNS pods", domain) for p in elsewhere if p.labels.get("k8s-app") == "kube-dns"]
    return tuple(probes)


def from_peer(snapshot: Snapshot, node: str) -> tuple[dict[str, Any], ...]:
    """Probes from a surviving peer: the node itself, and pods of the pod network that run on it."""
    probes = [_ping(n.internal_ip, f"node {node}") for n in snapshot.nodes if n.name == node and n.internal_ip]
    pods = _networked(pod for pod in snapshot.pods if pod.node == node)
    return tuple(probes + [_ping(pod.pod_ip, f"pods of {node}") for pod in pods[:_PODS_PER_PROBE]])


def _survives(node: Node | None) -> bool:
    return node is not None and bool(node.ready) and not node.unschedulable


def _networked(pods: Iterable[Pod]) -> list[Pod]:
    """Running pods with an address of their own, in a stable order."""
    able = [p for p in pods if p.pod_ip and not p.host_network and p.ready and not p.terminating]
    return sorted(able, key=lambda p: (p.namespace, p.name))


def _spread(pods: list[Pod]) -> list[Pod]:
    """Up to three pods, each of another node while there are any."""
    chosen: dict[str, Pod] = {}
    for pod in pods:
        chosen.setdefault(pod.node, pod)
    return list(chosen.values())[:_PODS_PER_PROBE]


def _ping(target: str, name: str) -> dict[str, Any]:
    return {"kind": "ping", "target": target, "name": name}


def _dns(server: str, name: str, domain: str) -> dict[str, Any]:
    return {"kind": "dns", "target": server, "query": f"{_DNS_NAME}.{domain}", "name": name}
