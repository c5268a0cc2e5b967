# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several checks ask an observation for."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    AgentEndpoint,
    AgentStatus,
    Observation,
    Pod,
    Snapshot,
)

Identity = tuple[str, str, str]  # kind, namespace and name of a workload

CREATING = "ContainerCreating"


def facts_of(observation: Observation, host: str) -> HostFacts:
    """Facts of a host that is known to have been read (``needs`` has ``facts``)."""
    return observation.facts[host]


def find_agent(snapshot: Snapshot, node: str) -> AgentStatus | None:
    """The agent of a node."""
    return snapshot.agent_of_node.get(node)


def agent_of(snapshot: Snapshot, node: str) -> AgentStatus:
    """The agent of a node that is known to have been asked (``needs`` has ``agents``)."""
    return snapshot.agent_of_node[node]


def in_work(snapshot: Snapshot, but: str = "") -> set[str]:
    """Names of the nodes that Friday itself holds cordoned, without ``but``: their own verification judges them."""
    return {node.name for node in snapshot.nodes if node.unschedulable and node.cordoned_by and node.name != but}


def workload_of(pod: Pod) -> Identity:
    """The workload that a pod belongs to, which outlives the pod: its name changes when it is evicted.

    A ReplicaSet's name is its Deployment's with ``-<hash of the template>``. A pod without a controller, and a static
    one, stands for itself.
    """
    if pod.owner_kind == "ReplicaSet":
        return ("Deployment", pod.namespace, pod.owner_name.rpartition("-")[0] or pod.owner_name)
    if pod.owner_kind in ("", "Node"):
        return ("Pod", pod.namespace, pod.name)
    return (pod.owner_kind, pod.namespace, pod.owner_name)


def ignored(policy: Policy, namespace: str, name: str) -> bool:
    """True when the operator has excluded the workload (``friday_ignore_workloads``, globs of namespace/name)."""
    return any(fnmatch.fnmatchcase(f"{namespace}/{name}", glob) for glob in policy.ignore_workloads)


def own_network(pod: Pod) -> bool:
    """True for a pod, neither ended nor ending, that is not on the host's network."""
    return not pod.host_network and not pod.terminating and pod.phase not in ("Succeeded", "Failed")


def without_sandbox(pod: Pod) -> bool:
    """True for a pod that waits for its network or volumes.

    One that is new says so; one that ran before its node restarted stays Running, without an address.
    """
    return own_network(pod) and (pod.waiting == CREATING or not pod.pod_ip)


def has_network(pod: Pod) -> bool:
    """True for a running pod with a network of its own: it has a device, programs on it and an endpoint."""
    return own_network(pod) and pod.phase == "Running" and not without_sandbox(pod)


def network_pods(snapshot: Snapshot, node: str) -> list[Pod]:
    """Pods of a node that have a network of their own."""
    return [pod for pod in snapshot.pods if pod.node == node and has_network(pod)]


# An endpoint in one of these states is being taken away together with its pod (Cilium's pkg/endpoint, State...).
_LEAVING = ("disconnecting", "disconnected")


def leaving(endpoint: AgentEndpoint) -> bool:
    """True for an endpoint that goes away."""
    return endpoint.state in _LEAVING


def endpoint_ready(endpoint: AgentEndpoint) -> bool:
    """True when the datapath of an endpoint is in place: the state says so and the health does not contradict it."""
    return endpoint.state == "ready" and endpoint.health not in ("Warning", "Failure")


def endpoint_broken(endpoint: AgentEndpoint) -> bool:
    """True for an endpoint that stays and is not ready."""
    return not leaving(endpoint) and not endpoint_ready(endpoint)


def listed(items: Iterable[str], most: int = 5) -> str:
    """Join names for a sentence; a long list is cut and counted."""
    names = list(items)
    cut = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + cut
