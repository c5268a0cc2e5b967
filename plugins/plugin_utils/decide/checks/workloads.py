# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer workloads: nothing that ran before runs worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import (
    Identity,
    ignored,
    in_work,
    workload_of,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.placement import suits
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.quorum import API_SERVER, etcd_of, static_pods
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Pod, Snapshot, Workload

CRASHING = "CrashLoopBackOff"


class Workloads(Check):
    """No Deployment, StatefulSet or DaemonSet lacks replicas (in a comparison: more than before).

    Replicas that wait because nodes are cordoned for Friday, or that are on another node that it works on, are a note.
    """

    layer = Layer.WORKLOADS
    name = "workloads"
    needs = ("workloads", "pods", "nodes")
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find those that lack replicas; what waits for a node that Friday has cordoned is a note."""
        without_place = waiting_for_place(now.snapshot)
        for workload in watched(now.snapshot.workloads, context.policy):
            lacking, subject = workload.wanted - workload.available, label(workload)
            if lacking > without_place[_key(workload)]:
                message = f"{subject} has {available(workload)}; to leave it out, name it in friday_ignore_workloads"
                yield self.finding(Severity.FAIL, subject, message)
            elif lacking > 0:
                message = f"{subject} has {available(workload)}: the others wait for a node that Friday cordoned"
                yield self.finding(Severity.WARN, subject, message)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare what is missing of each."""
        now = {_key(workload): workload for workload in after.snapshot.workloads}
        expected = waiting_for_place(after.snapshot) + _on_other_hosts(after.snapshot, context.node)
        for old in watched(before.snapshot.workloads, context.policy):
            new, subject = now.get(_key(old)), label(old)
            if new is None:
                message = f"{subject} is gone; name it in friday_ignore_workloads if that is intended"
                yield self.finding(Severity.UNKNOWN, subject, message, before=available(old), after="gone")
                continue
            tolerated = max(0, old.wanted - old.available)
            lacking = new.wanted - new.available
            if old.available > 0 and new.wanted > 0 and new.available == 0 and not _accepted(after.snapshot, context):
                message = f"{subject} has none of {new.wanted} available (before: {old.available})"
                yield self.finding(Severity.FAIL, subject, message, available(old), available(new))
            elif lacking > tolerated + expected[_key(new)]:
                message = f"{subject} has {available(new)} (before: {available(old)})"
                yield self.finding(Severity.FAIL, subject, message, available(old), available(new))
            elif lacking > tolerated:
                message = f"{subject} has {available(new)}: the others wait for a node that Friday is working on"
                yield self.finding(Severity.WARN, subject, message, available(old), available(new))


class CrashLoops(Check):
    """No workload has pods in CrashLoopBackOff that had none."""

    layer = Layer.WORKLOADS
    name = "crash-loops"
    needs = ("pods", "nodes")
    healthy_needs = ("pods",)
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Name them, as a note."""
        for pod in now.snapshot.pods:
            _, namespace, name = workload_of(pod)
            if pod.waiting == CRASHING and not ignored(context.policy, namespace, name):
                subject = f"{pod.namespace}/{pod.name}"
                message = f"pod {subject} on {pod.node} is in {CRASHING} ({pod.restarts} restarts)"
                yield self.finding(Severity.WARN, subject, message)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare by workload; a Job's are a note, and so are those on other nodes that Friday works on."""
        known = {workload_of(pod) for pod in before.snapshot.pods if pod.waiting == CRASHING}
        others = in_work(after.snapshot, but=context.node)
        for pod in after.snapshot.pods:
            kind, namespace, name = workload_of(pod)
            if pod.waiting != CRASHING or (kind, namespace, name) in known or ignored(context.policy, namespace, name):
                continue
            severity = Severity.WARN if kind == "Job" or pod.node in others else Severity.FAIL
            subject = f"{pod.namespace}/{pod.name}"
            message = f"pod {subject} on {pod.node or 'no node'} is in {CRASHING} ({pod.restarts} restarts)"
            yield self.finding(severity, subject, message, after=CRASHING)


class NodePods(Check):
    """The pods that belong to the node (static ones and DaemonSets') are back and ready."""

    layer = Layer.WORKLOADS
    name = "node-pods"
    needs = ("pods",)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare by workload: a DaemonSet's pod may have been replaced."""
        now = {workload_of(pod): pod for pod in _bound(after.snapshot, context.node)}
        for old in _bound(before.snapshot, context.node):
            kind, namespace, name = key = workload_of(old)
            if not old.ready or ignored(context.policy, namespace, name):
                continue
            new, owner = now.get(key), "static pod" if kind == "Pod" else kind
            subject = f"{owner} {namespace}/{name}"
            if new is None:
                message = f"{subject} no longer has a pod on {context.node}"
                yield self.finding(Severity.FAIL, subject, message, before="ready", after="no pod")
            elif not new.ready:
                state = new.waiting or new.phase or "not ready"
                message = f"{subject} has a pod on {context.node} that is not ready ({state})"
                yield self.finding(Severity.FAIL, subject, message, before="ready", after=state)


class ControlPlane(Check):
    """Every member of etcd and every API server is up, on a node that is.

    Known by their static pods, by the condition EtcdIsVoter of k3s and RKE2, and by the API server's own readiness.
    """

    layer = Layer.CNI
    name = "control-plane"
    needs = ("pods", "nodes")
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Name those that are not."""
        etcd = etcd_of(now.snapshot)
        for member in etcd.members if etcd.seen else ():
            if not member.ready:
                message = f"a member of etcd is not ready ({member.name} on {member.node})"
                yield self.finding(Severity.FAIL, member.node, message)
        for pod in static_pods(now.snapshot, API_SERVER):
            if not pod.ready:
                message = f"its API server is not ready ({pod.waiting or pod.phase}: {pod.namespace}/{pod.name})"
                yield self.finding(Severity.FAIL, pod.node, message)
        if now.snapshot.not_ready:
            yield self.finding(Severity.FAIL, "API server", f"says that it is not ready: {now.snapshot.not_ready}")


def _accepted(snapshot: Snapshot, context: Context) -> bool:
    """Whether a node is away that takes things down which run nowhere else, and the operator knows it."""
    return bool(in_work(snapshot) & set(context.policy.accept_outage))


def watched(workloads: Iterable[Workload], policy: Policy) -> Iterator[Workload]:
    """The workloads that the operator has not excluded."""
    return (workload for workload in workloads if not ignored(policy, workload.namespace, workload.name))


def waiting_for_place(snapshot: Snapshot) -> Counter[Identity]:
    """Pods that no node takes while Friday holds one cordoned, by workload."""
    held = [node for node in snapshot.nodes if node.name in in_work(snapshot)]
    # A pod that none of these nodes could run waits for something else.
    return Counter(
        workload_of(pod)
        for pod in snapshot.pods
        if not pod.node and pod.phase == "Pending" and any(suits(pod, node) for node in held)
    )


def _on_other_hosts(snapshot: Snapshot, node: str) -> Counter[Identity]:
    """Pods that are not ready on other nodes than ``node`` that Friday works on, by workload."""
    others = in_work(snapshot, but=node)
    return Counter(workload_of(pod) for pod in snapshot.pods if pod.node in others and not pod.ready)


def label(workload: Workload) -> str:
    """The workload as people read it: ``Deployment web/shop``."""
    return f"{workload.kind} {workload.namespace}/{workload.name}"


def available(workload: Workload) -> str:
    """How much of it is there: ``2 of 3 available``."""
    return f"{workload.available} of {workload.wanted} available"


def _key(workload: Workload) -> Identity:
    return (workload.kind, workload.namespace, workload.name)


def _bound(snapshot: Snapshot, node: str) -> list[Pod]:
    owners = ("DaemonSet", "Node")
    return [pod for pod in snapshot.pods if pod.node == node and pod.owner_kind in owners and not pod.terminating]
