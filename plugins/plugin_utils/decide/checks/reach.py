# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes of the network: from the host under test outwards, and from a surviving peer towards it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import ignored, own_network, workload_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import Reach
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation

_PEER = "a surviving peer"


@dataclass(frozen=True)
class _Group:
    """Probes that stand for the same thing (``pods of node2``), from the same side."""

    source: str
    kind: str
    name: str


def compare_probes(
    check: Check, kinds: Collection[str], before: Observation, after: Observation, context: Context
) -> Iterator[Finding]:
    """Yield a failure for each group of probes that fails more often than before, unknown if not asked again.

    What did not work before proves nothing after. Whichever peer looks from outside: they stand for each other.
    """
    old, new = _groups(kinds, before, context), _groups(kinds, after, context)
    for group, probes in new.items():
        failed = [probe for probe in probes if not probe.ok]
        failed_before = [probe for probe in old.get(group, ()) if not probe.ok]
        all_failed = len(failed) == len(probes) and len(failed_before) < len(old.get(group, ()))
        if failed and len(failed) <= len(failed_before) and not all_failed:
            yield check.finding(Severity.WARN, group.name, f"{_sentence(group)} fails, as before")
        elif failed:
            yield check.finding(
                Severity.FAIL,
                group.name,
                f"{_sentence(group)} fails: {failed[0].error or 'no answer'}",
                before=_count(old.get(group, [])),
                after=_count(probes),
                evidence=tuple(f"{probe.kind} {probe.target}: {probe.error or 'no answer'}" for probe in failed),
            )
    for group, probes in old.items():
        if group not in new and any(probe.ok for probe in probes):
            if _pods_are_gone(probes, before, after, context.policy):
                message = f"{_sentence(group)} could not be compared: no such pod exists now"
                yield check.finding(Severity.INFO, group.name, message)
            else:
                message = f"{_sentence(group)} worked before, but was not probed again"
                yield check.finding(Severity.UNKNOWN, group.name, message, before=_count(probes), after="no probe")


def _groups(kinds: Collection[str], observation: Observation, context: Context) -> dict[_Group, list[Reach]]:
    """Probes by group. Of other hosts' probes those count that look at the node under test."""
    towards = _addresses(observation, context)
    groups: dict[_Group, list[Reach]] = {}
    for host, facts in observation.facts.items():
        for probe in facts.reach:
            if probe.kind in kinds and (host == context.host or towards.search(probe.target)):
                source = context.host if host == context.host else _PEER
                groups.setdefault(_Group(source, probe.kind, probe.name or probe.target), []).append(probe)
    return groups


def _addresses(observation: Observation, context: Context) -> re.Pattern[str]:
    """Matches targets (address, address:port or URL) that are the node under test or a pod on it."""
    snapshot = observation.snapshot
    names = {context.node, context.host}
    names |= {node.internal_ip for node in snapshot.nodes if node.name == context.node and node.internal_ip}
    names |= {pod.pod_ip for pod in snapshot.pods if pod.node == context.node and pod.pod_ip}
    return re.compile(rf"(?<![\w.:-])(?:{'|'.join(re.escape(name) for name in sorted(names))})(?![\w.-])")


def _pods_are_gone(probes: list[Reach], before: Observation, after: Observation, policy: Policy) -> bool:
    """True when the probes looked at pods, and the nodes of these have no pod with a network of its own any more.

    So it is on a drained node. A pod that is there without being ready does not excuse the missing probe.
    """
    pods = {pod.pod_ip: pod for pod in before.snapshot.pods if pod.pod_ip and not pod.host_network}
    addresses = {probe.target.rpartition("@")[2] for probe in probes}  # dns: name@server
    if not addresses <= pods.keys():
        return False
    nodes = {pods[address].node for address in addresses}
    return not any(
        pod.node in nodes and own_network(pod) and not ignored(policy, pod.namespace, workload_of(pod)[2])
        for pod in after.snapshot.pods
    )


def _sentence(group: _Group) -> str:
    return f"{group.kind} from {group.source} to {group.name}"


def _count(probes: list[Reach]) -> str:
    return f"{sum(probe.ok for probe in probes)} of {len(probes)} answered" if probes else "not probed"
