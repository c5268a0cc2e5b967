# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer CNI: the node takes pods, and gets their sandboxes set up."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import (
    in_work,
    without_sandbox,
    workload_of,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Observation, Pod, Snapshot


class NodeReady(Check):
    """Every node is Ready (in a comparison: that was, but for other nodes that Friday works on).

    Ready asks kubelet, the container runtime and that there is a CNI configuration, so it belongs here; it stays true
    when the network agent is down.
    """

    layer = Layer.CNI
    name = "nodes-ready"
    needs = ("nodes",)
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find nodes that are not Ready."""
        for node in now.snapshot.nodes:
            if not node.ready:
                left = f"; run {node.cordoned_by} left it cordoned: fix it first" if node.cordoned_by else ""
                yield self.finding(Severity.FAIL, node.name, f"node {node.name} {readiness(node)}{left}")

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the Ready conditions; other nodes that Friday works on itself are a note."""
        now = {node.name: node for node in after.snapshot.nodes}
        others = in_work(after.snapshot, but=context.node)
        for old in before.snapshot.nodes:
            new = now.get(old.name)
            if old.ready and (new is None or not new.ready):
                severity = Severity.WARN if old.name in others else Severity.FAIL
                message = f"node {old.name} {readiness(new)}"
                yield self.finding(severity, old.name, message, before="Ready", after=readiness(new))


class Cordons(Check):
    """No node is cordoned, but by Friday."""

    layer = Layer.CNI
    name = "cordons"
    needs = ("nodes",)
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find nodes that somebody else has cordoned; a cordon of Friday's own is a note."""
        for node in now.snapshot.nodes:
            if not node.unschedulable:
                continue
            if node.cordoned_by:
                message = f"node {node.name} is still cordoned by run {node.cordoned_by}: this run resumes it"
                yield self.finding(Severity.WARN, node.name, message)
            else:
                message = (
                    f"node {node.name} is cordoned, but not by Friday: uncordon it, or let whoever cordoned it finish"
                )
                yield self.finding(Severity.FAIL, node.name, message)


class PodSandboxes(Check):
    """No pod on the node hangs without a sandbox: with a broken CNI plugin it is tried for ever."""

    layer = Layer.CNI
    name = "pod-sandboxes"
    needs = ("pods",)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare by workload. Pods on the host's own network need no CNI; volumes can hold up a pod as well."""
        known = {workload_of(pod) for pod in _stuck(before.snapshot, context.node)}
        for pod in _stuck(after.snapshot, context.node):
            if workload_of(pod) not in known:
                name, state = f"{pod.namespace}/{pod.name}", pod.waiting or f"{pod.phase} without an address"
                message = f"pod {name} on {context.node} is {state}: its network or its volumes are not set up"
                yield self.finding(Severity.FAIL, name, message, after=state)


def readiness(node: Node | None) -> str:
    """The Ready condition in words."""
    if node is None:
        return "is gone from the cluster"
    if node.ready is None:
        return "no longer reports its status (Ready is Unknown)"
    return "is Ready" if node.ready else "is not Ready"


def _stuck(snapshot: Snapshot, node: str) -> list[Pod]:
    return [pod for pod in snapshot.pods if pod.node == node and without_sandbox(pod)]
