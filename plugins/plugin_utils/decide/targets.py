# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of the inventory laid against the nodes of the cluster."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Snapshot

ZONE_LABEL = "topology.kubernetes.io/zone"


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key that puts node2 before node10. The name itself is the tie-breaker (node1 and node01)."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts)), name


def resolve_targets(
    targets: Iterable[Target], snapshot: Snapshot, policy: Policy | None = None
) -> tuple[tuple[Target, ...], tuple[Problem, ...]]:
    """Give each target its zone and find what does not fit together between inventory and cluster.

    A node of the cluster that is not in the inventory is a problem: it would stay behind unseen, while shares of the
    fleet, zones and quorum would be counted without it. A policy with ``only`` says that a part is meant: then such
    nodes, and faults of hosts outside of it, are no problem.

    Returns:
        The targets in natural order of their hosts, zones filled as far as they are known, and all problems at once.
    """
    targets = sorted(targets, key=lambda target: natural_key(target.host))
    if "nodes" in snapshot.unknown:
        reason = snapshot.unknown["nodes"]
        return tuple(targets), (Problem("nodes", f"could not be read: {reason}", "allow Friday to list nodes"),)
    if not targets:
        return (), (Problem("inventory", "has no hosts", "add the hosts of the cluster's nodes to it"),)

    only = frozenset(policy.only if policy else ())
    nodes = {node.name: node for node in snapshot.nodes}
    meant = [target for target in targets if not only or target.host in only]
    problems = _duplicates(meant)
    left_over = sorted(nodes.keys() - {target.node for target in targets}, key=natural_key)
    resolved = []
    for target in targets:
        node = nodes.get(target.node)
        resolved.append(dataclasses.replace(target, zone=target.zone or (node.zone if node else "")))
        if not only or target.host in only:
            problems += _misfits(target, node, left_over)
    if not only:
        problems += [
            Problem(name, "is a node of the cluster, but not a host of the inventory", "add it, or set friday_only")
            for name in left_over
        ]
    return tuple(resolved), tuple(problems)


def _duplicates(targets: Collection[Target]) -> list[Problem]:
    problems = [
        Problem(host, f"is in the inventory {count} times", "keep one")
        for host, count in Counter(target.host for target in targets).items()
        if count > 1
    ]
    hosts: dict[str, set[str]] = defaultdict(set)
    for target in targets:
        hosts[target.node].add(target.host)
    for node, names in hosts.items():
        if len(names) > 1:
            listed = ", ".join(sorted(names, key=natural_key))
            problems.append(Problem(node, f"is the node of more than one host: {listed}", "keep one of them"))
    return problems


def _misfits(target: Target, node: Node | None, left_over: Collection[str]) -> list[Problem]:
    if node is None:
        close = difflib.get_close_matches(target.node, left_over, n=1)
        fix = (
            f"did you mean {close[0]}?"
            if close
            else "set friday_node_name to its node's name, or remove it, or leave it out with -e friday_hosts=GROUP"
        )
        named = "" if target.host == target.node else f" (node {target.node})"
        return [Problem(target.host, f"is not a node of the cluster{named}", fix)]
    if not target.zone and not node.zone:
        return [Problem(target.host, "has no zone", f"set friday_zone, or label the node {ZONE_LABEL}")]
    if target.zone and node.zone and target.zone != node.zone:
        message = f"is in {target.zone} in the inventory, but its node's label says {node.zone}"
        return [Problem(target.host, message, f"set friday_zone: {node.zone}, or correct the label {ZONE_LABEL}")]
    return []
