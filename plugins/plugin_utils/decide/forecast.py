# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the drain and reboot of a node will mean for what runs on it, as far as it can be known beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import Identity, workload_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import Drain, full_name
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.placement import Placement
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.quorum import etcd_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot


@dataclass(frozen=True)
class Forecast:
    """What is to be known of one node.

    Attributes:
        notes: what happens and passes by itself: what moves, what waits, what is unreachable for a moment.
        outage: what is down all the time that the node is away, since nothing else can run it.
    """

    notes: tuple[str, ...] = ()
    outage: tuple[str, ...] = ()


def forecast(
    snapshot: Snapshot, placement: Placement, ready: Mapping[Identity, Counter[str]], node: str, drained: Drain
) -> Forecast:
    """The forecast for ``node``.

    Args:
        ready: workload -> node -> its ready pods there.
        drained: its drain, as it would be now.
    """
    leaving = [*drained.evict, *drained.bound]
    moving = [pod for pod in leaving if not pod.terminating and not pod.tolerates_cordon]
    homeless = {full_name(each.pod): each for each in placement.homeless(moving, {node})}
    notes: list[str] = []
    outage: list[str] = []
    told: set[Identity] = set()
    for pod in moving:
        workload = workload_of(pod)
        kind, namespace, name = workload
        last = set(ready.get(workload, ())) <= {node} and kind != "Job"
        lacking = homeless.get(full_name(pod))
        if lacking and last:
            outage.append(lacking.reason)
        elif lacking:
            notes.append(f"{lacking.reason}; it waits until the node is back")
        elif last and workload not in told:
            told.add(workload)
            notes.append(f"{kind} {namespace}/{name} is down while it moves: none of its ready pods is on another node")
    for (kind, namespace, name), places in sorted(ready.items()):
        if kind == "DaemonSet" and places.keys() == {node} and len(snapshot.nodes) > 1:
            notes.append(f"DaemonSet {namespace}/{name} is down while the node reboots: it runs nowhere else")
    notes += [
        f"{full_name(pod)} tolerates the cordon: if it comes back to this node, it is left there"
        for pod in drained.evict
        if pod.tolerates_cordon
    ]
    notes += _webhooks(snapshot, node)
    api = _api(snapshot, node)
    if api and len(etcd_of(snapshot).members) == 2:
        outage.append(api)
    elif api:
        notes.append(api)
    return Forecast(tuple(notes), tuple(outage))


def _webhooks(snapshot: Snapshot, node: str) -> Iterator[str]:
    for webhook in snapshot.webhooks:
        if webhook.failure_policy == "Fail" and set(webhook.endpoint_nodes) == {node}:
            yield (
                f"all endpoints of {webhook.service} are here: what needs the webhook {webhook.name} is refused until "
                "they run elsewhere"
            )


def _api(snapshot: Snapshot, node: str) -> str:
    """What becomes of the API server, where etcd cannot keep a majority without this node."""
    etcd = etcd_of(snapshot)
    if not etcd.seen or len(etcd.members) > 2 or not any(member.node == node for member in etcd.members):
        return ""
    if len(etcd.members) == 1:
        return "the Kubernetes API does not answer while the node reboots: it has the only member of etcd"
    return "the Kubernetes API does not answer while the node reboots: etcd has two members, and needs both"
