# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the lab's cluster is ready: pure judgements on what the API and the agents say, and the waiting for them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab import ssh
from lab.cluster.kubectl import Kubectl, KubectlError
from lab.progress import Patience, say
from lab.topology import NODES, Node, Ports

Json = dict[str, Any]

POLL_SECONDS = 3.0
QUERY_SECONDS = 120.0
"""For one question to an agent: on a busy machine an SSH handshake alone may take half a minute."""

TELL_SECONDS = 60.0
"""A wait says what is still missing when that has changed, but not more often than this."""

ENDPOINTS = "sudo python3 -I -S /usr/local/lib/lab/endpoints"
"""Asks the agent's own API on the node (see the guest's file)."""


class NotReadyError(TimeoutError):
    """The cluster is not ready and nothing changes any more; the message lists what is missing."""


def node_reasons(nodes: Iterable[Json]) -> list[str]:
    """Why the lab's nodes are not all Ready; empty when they are."""
    found = {node["metadata"]["name"]: node for node in nodes}
    reasons = []
    for name in (node.name for node in NODES):
        conditions = found.get(name, {}).get("status", {}).get("conditions", [])
        if not any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
            reasons.append(f"{name} is not Ready")
    return reasons


def workload_reasons(workloads: Iterable[Json]) -> list[str]:
    """Why Deployments, DaemonSets and StatefulSets are not completely rolled out and available; empty when they are."""
    reasons = []
    for workload in workloads:
        spec, status = workload["spec"], workload.get("status", {})
        if workload["kind"] == "DaemonSet":
            wanted = status.get("desiredNumberScheduled", 0) or len(NODES)
            counts = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        else:
            wanted = spec["replicas"]
            counts = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        current = status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
        if not current or min(counts) < wanted:
            name = f"{workload['metadata']['namespace']}/{workload['metadata']['name']}"
            reasons.append(f"{name} has {min(counts)} of {wanted}")
    return reasons


def endpoint_reasons(node: str, endpoints: Iterable[Json]) -> list[str]:
    """Why the datapath of a node is not complete, from the agent's list of endpoints; empty when it is.

    The agent's own health says OK before any program is compiled, so only this tells. The host counts as an endpoint.
    """
    states = {str(endpoint["id"]): endpoint.get("status", {}).get("state", "unknown") for endpoint in endpoints}
    if not states:
        return [f"{node}'s agent has no endpoint"]
    return [f"{node}'s endpoint {number} is {state}" for number, state in sorted(states.items()) if state != "ready"]


def cluster(kubectl: Kubectl) -> list[str]:
    """What the API says is missing."""
    try:
        workloads = kubectl.get("deployments,daemonsets,statefulsets", "--all-namespaces")
        return node_reasons(kubectl.get("nodes")) + workload_reasons(workloads)
    except KubectlError as error:
        return [str(error).splitlines()[-1]]


def agent(node: Node, ports: Ports) -> list[str]:
    """What the agent of one node says is missing."""
    try:
        return endpoint_reasons(node.name, json.loads(ssh.run(node, ports, ENDPOINTS, timeout=QUERY_SECONDS)))
    except (ssh.UnreachableError, RuntimeError, ValueError) as error:
        return [f"{node.name}'s agent does not answer ({str(error).splitlines()[-1]})"]


def agents(ports: Ports) -> list[str]:
    """What the agents of all nodes say is missing."""
    with ThreadPoolExecutor(len(NODES)) as pool:
        return [reason for reasons in pool.map(lambda node: agent(node, ports), NODES) for reason in reasons]


def wait(
    reasons: Callable[[], list[str]],
    patience: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask until ``reasons`` is empty, and say now and then what is still missing.

    Raises ``NotReadyError`` with the last reasons when no new ones came for ``patience`` seconds.
    """
    waiting = Patience(patience, clock)
    told, last = clock(), ""
    while missing := reasons():
        text = "; ".join(missing)
        if waiting.exhausted(text):
            raise NotReadyError(f"not ready, and {waiting.words()}: {text}")
        if text != last and clock() - told >= TELL_SECONDS:
            told, last = clock(), text
            say(f"still missing: {text}")
        sleep(POLL_SECONDS)
