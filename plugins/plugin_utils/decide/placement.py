# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where evicted pods find room: requests against what is allocatable, as far as the scheduler's filters decide.

Looked at are nodeSelector and required node affinity, taints, requests (cpu, memory, pods, extended resources, host
ports), required anti-affinity between pods and spread constraints with DoNotSchedule. Pods are spread over the nodes in
turn, as the scheduler roughly does: room that exists only when pods are packed tightly is not counted upon. A node that
does not say what is allocatable is taken to have room.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    Node,
    Pod,
    Requirement,
    Snapshot,
    Taint,
    Toleration,
)

FINISHED = ("Succeeded", "Failed")
HOST_PORT = "host port "
# Taints by which a node says how it is now; what it is for does not follow from them.
_OF_STATE = "node.kubernetes.io/"
_HINDERS = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Homeless:
    """A pod that finds no place, and why. ``bound``: no other node could take it even if it were empty."""

    pod: Pod
    reason: str
    bound: bool


class Placement:
    """The room of a cluster, read once."""

    def __init__(self, snapshot: Snapshot):
        self._nodes = {node.name: node for node in snapshot.nodes}
        # In turn, the emptiest first: names decide between equals, so that equal input gives an equal answer.
        self._free: dict[str, dict[str, int]] = {name: dict(node.allocatable) for name, node in self._nodes.items()}
        self._pods = [pod for pod in snapshot.pods if pod.phase not in FINISHED and pod.node in self._nodes]
        for pod in self._pods:
            free = self._free[pod.node]
            for name, amount in _requests(pod).items():
                if name in free:
                    free[name] -= amount
                elif name.startswith(HOST_PORT):
                    free[name] = 1 - amount
        self._open = sorted(
            # A node that an earlier Friday has left cordoned is uncordoned before any other is touched.
            (n.name for n in snapshot.nodes if n.ready and (not n.unschedulable or n.cordoned_by)),
            key=lambda name: (-self._free[name].get("cpu", 0), name),
        )
        self._suiting: dict[Any, frozenset[str]] = {}

    def suiting(self, pod: Pod) -> frozenset[str]:
        """Names of all nodes that could run the pod if they were empty and well."""
        key = (pod.selector, pod.affinity, pod.tolerations, tuple(sorted(pod.requests.items())))
        if key not in self._suiting:
            self._suiting[key] = frozenset(node.name for node in self._nodes.values() if suits(pod, node))
        return self._suiting[key]

    def bound(self, pod: Pod) -> bool:
        """True for a pod that no other node than its own could ever run."""
        return not self.suiting(pod) - {pod.node}

    def homeless(self, pods: Iterable[Pod], leaving: Collection[str]) -> list[Homeless]:
        """Those of ``pods``, which are on the ``leaving`` nodes, that no node which stays has room for."""
        stay = [name for name in self._open if name not in leaving]
        ordered = sorted(pods, key=lambda pod: (*(-pod.requests.get(name, 0) for name in ("cpu", "memory")), pod.uid))
        taken: dict[str, Counter[str]] = defaultdict(Counter)
        placed: list[tuple[Pod, str]] = []
        found, turn = [], 0
        for pod in ordered:
            suiting = self.suiting(pod)
            wanted = _requests(pod)
            fits = self._rules(pod, leaving, placed) if pod.apart or pod.spread else None
            for step in range(len(stay)):
                name = stay[(turn + step) % len(stay)]
                if name in suiting and self._has(name, wanted, taken) and (fits is None or fits(self._nodes[name])):
                    taken[name].update(wanted)
                    placed.append((pod, name))
                    turn = (turn + step + 1) % len(stay)
                    break
            else:
                found.append(self._told(pod, wanted, [name for name in stay if name in suiting], taken))
        return found

    def _left(self, name: str, resource: str, taken: dict[str, Counter[str]]) -> int | None:
        """What is free of a resource on a node; None: no end is known."""
        free = self._free[name].get(resource)
        if free is None:
            free = 1 if resource.startswith(HOST_PORT) else None
        if free is None:
            return 0 if self._nodes[name].allocatable and resource not in ("cpu", "memory", "pods") else None
        return free - taken[name][resource] if name in taken else free

    def _has(self, name: str, wanted: dict[str, int], taken: dict[str, Counter[str]]) -> bool:
        for resource, amount in wanted.items():
            left = self._left(name, resource, taken)
            if amount > 0 and left is not None and left < amount:
                return False
        return True

    def _told(self, pod: Pod, wanted: dict[str, int], nodes: Sequence[str], taken: dict[str, Counter[str]]) -> Homeless:
        who = f"{pod.namespace}/{pod.name}"
        if not self.suiting(pod) - {pod.node}:
            return Homeless(pod, f"{who} can run on no other node (node selector, affinity, taints, or size)", True)
        if not nodes:
            return Homeless(pod, f"{who} can run on no node that stays (node selector, affinity, taints)", False)
        for resource, amount in wanted.items():
            most = max(
                (left for name in nodes if (left := self._left(name, resource, taken)) is not None), default=None
            )
            if most is not None and most < amount:
                asks = f"{amount_of(resource, amount)} requested, at most {amount_of(resource, max(0, most))} free"
                where = f"on the {len(nodes)} nodes that could take it" if len(nodes) > 1 else f"on {nodes[0]}"
                return Homeless(pod, f"{who} finds no room: {asks} {where}", False)
        rules = "anti-affinity, topology spread" if pod.apart or pod.spread else "no node has enough of all resources"
        return Homeless(pod, f"{who} finds no room on the {len(nodes)} nodes that could take it ({rules})", False)

    def _rules(self, pod: Pod, leaving: Collection[str], placed: Sequence[tuple[Pod, str]]) -> Any:
        """Whether a node may take the pod by its rules about other pods, given who has found a place already."""
        others = [(each, each.node) for each in self._pods if each.node not in leaving] + list(placed)
        others = [(each, name) for each, name in others if each.namespace == pod.namespace and each.uid != pod.uid]
        used: dict[str, set[str]] = defaultdict(set)
        for apart in pod.apart:
            for each, name in others:
                if matches(apart.selector, each.labels):
                    used[apart.key].add(self._nodes[name].labels.get(apart.key, ""))
        counts: list[tuple[str, int, Counter[str], int]] = []
        for spread in pod.spread:
            # Nodes that are cordoned still count as domains (nodeTaintsPolicy: Ignore, the default).
            domains = {self._nodes[name].labels[spread.key] for name in self._of_key(pod, spread.key)}
            here = Counter(
                self._nodes[name].labels.get(spread.key, "")
                for each, name in others
                if matches(spread.selector, each.labels)
            )
            counts.append((spread.key, spread.max_skew, here, min((here[domain] for domain in domains), default=0)))

        def fits(node: Node) -> bool:
            if any(node.labels.get(key, "") in values for key, values in used.items() if key in node.labels):
                return False
            return all(
                key in node.labels and here[node.labels[key]] + 1 - least <= skew for key, skew, here, least in counts
            )

        return fits

    def _of_key(self, pod: Pod, key: str) -> list[str]:
        return [name for name, node in self._nodes.items() if key in node.labels and wanted_by(pod, node)]


def suits(pod: Pod, node: Node) -> bool:
    """Whether the node could run the pod if it were empty and well."""
    if not wanted_by(pod, node):
        return False
    hinder = [taint for taint in node.taints if taint.effect in _HINDERS and not taint.key.startswith(_OF_STATE)]
    if not all(any(tolerates(each, taint) for each in pod.tolerations) for taint in hinder):
        return False
    return (
        all(
            node.allocatable.get(name, 0) >= amount or name.startswith(HOST_PORT) or amount <= 0
            for name, amount in pod.requests.items()
        )
        or not node.allocatable
    )


def wanted_by(pod: Pod, node: Node) -> bool:
    """Whether the pod's nodeSelector and required node affinity want the node."""
    if any(node.labels.get(key) != value for key, value in pod.selector):
        return False
    if not pod.affinity:
        return True
    labels = {**node.labels, "metadata.name": node.name}
    return any(term and matches(term, labels) for term in pod.affinity)


def matches(requirements: Iterable[Requirement], labels: dict[str, str]) -> bool:
    """Whether labels meet all requirements, those of node selectors (Gt, Lt) included."""
    return all(_meets(labels, wanted) for wanted in requirements)


def _meets(labels: dict[str, str], wanted: Requirement) -> bool:
    value = labels.get(wanted.key)
    if wanted.operator in ("Gt", "Lt"):
        try:
            there, limit = int(value or ""), int(wanted.values[0])
        except (ValueError, IndexError):
            return False
        return there > limit if wanted.operator == "Gt" else there < limit
    if wanted.operator == "In":
        return value in wanted.values
    if wanted.operator == "NotIn":
        return value not in wanted.values
    return (value is not None) == (wanted.operator == "Exists")


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """As the scheduler has it: an empty key or effect stands for every one."""
    if toleration.effect not in ("", taint.effect) or toleration.key not in ("", taint.key):
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value


def amount_of(resource: str, amount: int) -> str:
    """An amount as people read it: cpu is kept in thousandths, memory in bytes."""
    if resource == "cpu":
        return f"{amount}m cpu"
    if resource in ("memory", "ephemeral-storage"):
        return f"{amount // 1024**2} MiB {resource}"
    return f"{amount} {resource}"


def _requests(pod: Pod) -> dict[str, int]:
    return {"pods": 1, **pod.requests}
