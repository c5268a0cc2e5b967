# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer endpoints: the host's and every pod's part of the datapath is in place, as the agent and the cluster see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import (
    CILIUM,
    WITH_CILIUM,
    Check,
    Condition,
    Context,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import (
    Identity,
    agent_of,
    endpoint_broken,
    endpoint_ready,
    has_network,
    leaving,
    network_pods,
    workload_of,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    AgentEndpoint,
    Observation,
    Pod,
    Snapshot,
)


def _kept(seen: Sequence[Observation], context: Context) -> bool:
    """Cilium, and not known to have no CiliumEndpoint at all, neither before nor after."""
    read = [each.snapshot for each in seen if each.snapshot.cni == CILIUM and "endpoints" not in each.snapshot.unknown]
    return WITH_CILIUM.holds(seen, context) and (len(read) < len(seen) or any(each.endpoints for each in read))


WITH_CILIUM_ENDPOINTS = Condition(
    _kept,
    "the cluster's network is not Cilium, or it keeps no CiliumEndpoints (its option disable-endpoint-crd): the agents "
    "are asked for their endpoints themselves",
)


class AgentEndpoints(Check):
    """All endpoints that the agent knows are ready, the host's own first, and every running pod has one."""

    layer = Layer.ENDPOINTS
    name = "agent-endpoints"
    needs = ("agents", "pods")
    healthy_needs = ("agents",)
    applies = WITH_CILIUM

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find endpoints that are not ready, the host's own first."""
        node = context.node
        for endpoint in sorted(agent_of(now.snapshot, node).endpoints, key=lambda endpoint: bool(endpoint.pod)):
            if endpoint_broken(endpoint):
                subject = endpoint.pod or f"host endpoint of {node}"
                what = f"the endpoint of pod {endpoint.pod}" if endpoint.pod else f"the {subject}"
                message = f"{what} is {endpoint.state or 'without a state'}"
                evidence = (endpoint.message,) if endpoint.message else ()
                yield self.finding(Severity.FAIL, subject, message, evidence=evidence)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare; what was not ready before either, for the same workload, is a note."""
        yield from self._host(before, after, context)
        workloads = {**_workloads(before.snapshot), **_workloads(after.snapshot)}
        known = _not_ready(before.snapshot, context.node, workloads)
        endpoints = _endpoints(after.snapshot, context.node)
        for endpoint in endpoints:
            if endpoint.pod and not endpoint_ready(endpoint):
                as_before = workloads.get(endpoint.pod, endpoint.pod) in known
                yield self._finding(endpoint, endpoint.pod, f"endpoint of pod {endpoint.pod}", as_before)
        present = {endpoint.pod for endpoint in endpoints}
        for pod in network_pods(after.snapshot, context.node):
            if _name(pod) not in present:
                severity = Severity.WARN if workload_of(pod) in known else Severity.FAIL
                message = f"the agent on {context.node} has no endpoint for pod {_name(pod)}"
                yield self.finding(severity, _name(pod), message, after="no endpoint")

    def _host(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """The endpoints that are no pod's: the host's own, and its like."""
        old = [endpoint for endpoint in _endpoints(before.snapshot, context.node) if not endpoint.pod]
        new = [endpoint for endpoint in _endpoints(after.snapshot, context.node) if not endpoint.pod]
        if len(new) < len(old):
            message = f"the host endpoint of {context.node} is missing"
            yield self.finding(Severity.FAIL, f"host endpoint of {context.node}", message, str(len(old)), str(len(new)))
        bad = [endpoint for endpoint in new if not endpoint_ready(endpoint)]
        as_before = len(bad) <= sum(not endpoint_ready(endpoint) for endpoint in old)
        for endpoint in bad:
            subject = f"host endpoint of {context.node}"
            yield self._finding(endpoint, subject, subject, as_before)

    def _finding(self, endpoint: AgentEndpoint, subject: str, label: str, as_before: bool) -> Finding:
        health = f", health {endpoint.health}" if endpoint.health else ""
        return self.finding(
            Severity.WARN if as_before else Severity.FAIL,
            subject,
            f"{label} is {endpoint.state or 'without a state'}{health}" + (" (as before)" if as_before else ""),
            after=endpoint.state,
            evidence=(endpoint.message,) if endpoint.message else (),
        )


class CiliumEndpoints(Check):
    """The cluster has a ready CiliumEndpoint for every running pod (in a comparison: of the node)."""

    layer = Layer.ENDPOINTS
    name = "cilium-endpoints"
    needs = ("endpoints", "pods")
    of_hosts = False
    applies = WITH_CILIUM_ENDPOINTS

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find CiliumEndpoints that are not ready; a pod without one is a note."""
        ending = {(pod.namespace, pod.name) for pod in now.snapshot.pods if pod.terminating}
        present = set()
        for endpoint in now.snapshot.endpoints:
            key = (endpoint.namespace, endpoint.name)
            present.add(key)
            if endpoint.state != "ready" and key not in ending:
                pod = "/".join(key)
                message = f"the CiliumEndpoint of pod {pod} is {endpoint.state or 'without a state'}"
                yield self.finding(Severity.FAIL, pod, message)
        for seen in now.snapshot.pods:
            if seen.node and has_network(seen) and (seen.namespace, seen.name) not in present:
                message = f"pod {_name(seen)} on {seen.node} has no CiliumEndpoint (started before the agent?)"
                yield self.finding(Severity.WARN, _name(seen), message)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare; what was not ready before either, for the same workload, is a note."""
        workloads = {**_workloads(before.snapshot), **_workloads(after.snapshot)}
        known = {
            workloads.get(pod, pod) for pod, state in _states(before.snapshot, context.node).items() if state != "ready"
        }
        for pod, state in _states(after.snapshot, context.node).items():
            if state != "ready":
                severity = Severity.WARN if workloads.get(pod, pod) in known else Severity.FAIL
                message = f"the CiliumEndpoint of pod {pod} is {state}" if state else f"pod {pod} has no CiliumEndpoint"
                yield self.finding(severity, pod, message, after=state or "none")


def _name(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"


def _workloads(snapshot: Snapshot) -> dict[str, Identity]:
    return {_name(pod): workload_of(pod) for pod in snapshot.pods}


def _endpoints(snapshot: Snapshot, node: str) -> list[AgentEndpoint]:
    return [endpoint for endpoint in agent_of(snapshot, node).endpoints if not leaving(endpoint)]


def _not_ready(snapshot: Snapshot, node: str, workloads: dict[str, Identity]) -> set[Identity | str]:
    """Workloads (or pods that the cluster doesn't know) with an endpoint on the node that is missing or not ready."""
    endpoints = [endpoint for endpoint in _endpoints(snapshot, node) if endpoint.pod]
    present = {endpoint.pod for endpoint in endpoints}
    missing = {workload_of(pod) for pod in network_pods(snapshot, node) if _name(pod) not in present}
    return missing | {workloads.get(e.pod, e.pod) for e in endpoints if not endpoint_ready(e)}


def _states(snapshot: Snapshot, node: str) -> dict[str, str]:
    """State of the CiliumEndpoint of every running pod of the node (empty: it has none), and of all others there."""
    ending = {_name(pod) for pod in snapshot.pods if pod.node == node and pod.terminating}
    states = {_name(pod): "" for pod in network_pods(snapshot, node)}
    for endpoint in snapshot.endpoints:
        name = f"{endpoint.namespace}/{endpoint.name}"
        if endpoint.node == node and name not in ending:
            states[name] = endpoint.state or "without a state"
    return states
