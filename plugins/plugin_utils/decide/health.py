# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the cluster healthy enough to start? Everything that is not, at once, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import described, may_be_cilium, unread
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.cni import readiness
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.lines import group_refusals
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import (
    endpoint_ready,
    has_network,
    ignored,
    leaving,
    workload_of,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.webhooks import counted
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.workloads import (
    CRASHING,
    available,
    label,
    waiting_for_place,
    watched,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.diagnose import diagnose
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Problem,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    AgentEndpoint,
    AgentStatus,
    Observation,
    Snapshot,
)

_THE_CLUSTER = Target("", "")


def baseline(
    policy: Policy,
    observation: Observation,
    targets: Sequence[Target],
    peer: str | None = None,
    *,
    left_by: str = "",
) -> Verdict:
    """Judge the cluster by itself, without a before.

    A cordon that an earlier Friday left on a host that did not get through is tolerated, with a note: the same command
    goes on after the fix. Nothing else about that host is: it has to be healthy again like all others. A probe of the
    network that fails proves nothing later, which is a note as well.

    Args:
        observation: the cluster, every target's facts and every target's agent.
        targets: the hosts that the run may touch.
        peer: the host that looks at the one of ``targets`` from outside; empty when there is none, None when that is
            not the question.
        left_by: the run that has left the host of ``targets`` in the middle, where nobody knows how it was before that.
            What would else be a note, since it may always have been so, is a failure then.

    Returns:
        A verdict with every finding, not the first one alone.
    """
    findings: list[Finding] = []
    asked: dict[str, None] = {}
    agents = {agent.node: agent for agent in observation.snapshot.agents}
    for rule in _RULES:
        if rule.cilium_only and not may_be_cilium(observation.snapshot):
            message = f"{rule.name} was not asked: the cluster's network is not Cilium"
            findings.append(rule.finding(Severity.INFO, "the cluster", message))
            continue
        for target in targets if rule.of_hosts else (_THE_CLUSTER,):
            question = _Question(rule, policy, observation, agents, target, left_by)
            if unknown := question.unread():
                findings.append(unknown)
                continue
            asked.setdefault(rule.name)
            findings.extend(rule.ask(question))
    if peer is not None:
        findings.extend(_from_outside(observation, targets, peer))
    return diagnose(findings, asked)


def refusals(verdict: Verdict) -> list[Problem]:
    """What keeps the cluster from being a baseline, a problem for each finding; none for a pass."""
    if verdict.outcome is Outcome.PASS:
        return []
    found: dict[object, Finding] = {}
    for finding in (verdict.cause, *verdict.consequences):
        # What could not be read keeps many checks from being asked: the same reason is one problem.
        if finding:
            unknown = finding.severity is Severity.UNKNOWN
            found.setdefault((finding.subject, finding.evidence) if unknown else finding, finding)
    return [
        Problem(
            finding.subject, f"{finding.layer.label}: {finding.message}", "repair it first, a Friday starts from health"
        )
        for finding in found.values()
    ]


def _from_outside(observation: Observation, targets: Sequence[Target], peer: str) -> Iterator[Finding]:
    """The network is looked at from both sides, or it is said why not."""
    name = ", ".join(target.host for target in targets)
    if not peer:
        message = f"no other host is there to look at {name} from outside: its network is seen from its own side only"
        yield Finding(Layer.NETWORK, "peer", name, Severity.WARN, message)
    elif reason := unread("facts", observation, peer, None):
        message = f"{peer} could not look at {name} from outside: {reason}"
        yield Finding(Layer.NETWORK, "peer", peer, Severity.UNKNOWN, message)


@dataclass(frozen=True)
class _Rule:
    """One question, to the cluster or (``of_hosts``) to each target. ``ask`` yields what is not healthy.

    ``needs`` has the names of :class:`Check`'s; where one is not known the answer is unknown without asking.
    """

    layer: Layer
    name: str
    needs: tuple[str, ...]
    ask: Callable[[_Question], Iterable[Finding]]
    of_hosts: bool = False
    cilium_only: bool = False

    def finding(self, severity: Severity, subject: str, message: str, evidence: tuple[str, ...] = ()) -> Finding:
        return Finding(self.layer, self.name, subject, severity, message, evidence=evidence)


@dataclass(frozen=True)
class _Question:
    """What a rule is asked about. ``facts`` and ``agent`` are the target's, and only there when the rule needs them."""

    rule: _Rule
    policy: Policy
    observation: Observation
    agents: dict[str, AgentStatus]
    target: Target
    left_by: str

    @property
    def snapshot(self) -> Snapshot:
        return self.observation.snapshot

    @property
    def facts(self) -> HostFacts:
        return self.observation.facts[self.target.host]

    @property
    def agent(self) -> AgentStatus:
        return self.agents[self.target.node]

    def unread(self) -> Finding | None:
        """An unknown finding when something that the rule needs is not known, with all that is missing as evidence."""
        agent = self.agents.get(self.target.node)
        missing = []
        for need in self.rule.needs:
            if reason := unread(need, self.observation, self.target.host, agent):
                missing.append(f"{described(need)} could not be read: {reason}")
        if not missing:
            return None
        subject = self.target.host or "the cluster"
        message = f"{self.rule.name} of {subject} is not known: {missing[0]}"
        return self.rule.finding(Severity.UNKNOWN, subject, message, tuple(missing))

    def fail(self, subject: str, message: str, *evidence: str) -> Finding:
        return self.rule.finding(Severity.FAIL, subject, message, _said(evidence))

    def warn(self, subject: str, message: str, *evidence: str) -> Finding:
        return self.rule.finding(Severity.WARN, subject, message, _said(evidence))

    def doubt(self, subject: str, message: str, *evidence: str) -> Finding:
        """A note; a failure where it may be what an earlier run has left, and nobody knows."""
        if not self.left_by:
            return self.warn(subject, message, *evidence)
        message = f"{message}; whether it was so before run {self.left_by} is not known here"
        return self.fail(subject, message, *evidence)


def _broken(endpoint: AgentEndpoint) -> bool:
    return not leaving(endpoint) and not endpoint_ready(endpoint)


def _said(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _nothing_more(_question: _Question) -> Iterator[Finding]:
    """That it could be read is the whole question, and ``needs`` asks it."""
    return iter(())


def _raid(question: _Question) -> Iterator[Finding]:
    host = question.target.host
    for array in question.facts.raid:
        members = f"{array.active} of {array.wanted} members, {array.state}"
        if array.active < array.wanted or not array.state.startswith("active"):
            yield question.fail(host, f"array {array.name} of {host} is degraded: {members}")
        elif array.syncing:
            yield question.warn(host, f"array {array.name} of {host} is synchronising")


def _kernel_log(question: _Question) -> Iterator[Finding]:
    host = question.target.host
    if lines := question.facts.kernel_log:
        message = f"the kernel's log of {host} has suspicious lines already, the last: {lines[-1]}"
        yield question.doubt(host, message, *lines)


def _refusals(question: _Question) -> Iterator[Finding]:
    """A refusal in the log of an agent that is fine by now is history; else it is why the agent is not."""
    node = question.target.node
    agent = question.agents.get(node, AgentStatus(node))  # that there is none is the next rule's
    suffering = bool(agent.error or agent.failing_controllers or not agent.ready) or any(map(_broken, agent.endpoints))
    for refusal, lines in group_refusals(agent.refusals).values():
        message = f"{refusal.subject} was refused by the kernel of {node}: {refusal.reason}"
        yield (question.fail if suffering else question.warn)(f"{refusal.subject} on {node}", message, *lines)


def _programs(question: _Question) -> Iterator[Finding]:
    if not question.facts.bpf:
        host = question.target.host
        yield question.fail(host, f"no BPF program is attached on {host}, although Cilium runs in the cluster")


def _agents(question: _Question) -> Iterator[Finding]:
    agent, node = question.agent, question.target.node
    if not agent.ready:
        yield question.fail(node, f"the agent on {node} is not ready")
    if agent.state and agent.state.lower() != "ok":
        yield question.fail(node, f"the agent on {node} reports state {agent.state}")


def _controllers(question: _Question) -> Iterator[Finding]:
    """Regeneration is the datapath itself; other controllers fail now and then, and try again."""
    for name, failure in question.agent.failing_controllers.items():
        message = f"controller {name} of the agent on {question.target.node} fails: {failure or 'no message'}"
        tell = question.fail if "regeneration" in name else question.warn
        yield tell(question.target.node, message, failure)


def _agent_endpoints(question: _Question) -> Iterator[Finding]:
    node = question.target.node
    for endpoint in sorted(question.agent.endpoints, key=lambda endpoint: bool(endpoint.pod)):
        if _broken(endpoint):
            subject = endpoint.pod or f"host endpoint of {node}"
            what = f"the endpoint of pod {endpoint.pod}" if endpoint.pod else f"the {subject}"
            yield question.fail(subject, f"{what} is {endpoint.state or 'in no state'}", endpoint.message)


def _cilium_endpoints(question: _Question) -> Iterator[Finding]:
    ending = {(pod.namespace, pod.name) for pod in question.snapshot.pods if pod.terminating}
    present = set()
    for endpoint in question.snapshot.endpoints:
        key = (endpoint.namespace, endpoint.name)
        present.add(key)
        if endpoint.state != "ready" and key not in ending:
            pod = "/".join(key)
            yield question.fail(pod, f"the CiliumEndpoint of pod {pod} is {endpoint.state or 'in no state'}")
    for seen in question.snapshot.pods:
        if seen.node and has_network(seen) and (seen.namespace, seen.name) not in present:
            pod = f"{seen.namespace}/{seen.name}"
            yield question.warn(pod, f"pod {pod} on {seen.node} has no CiliumEndpoint (started before the agent?)")


def _nodes_ready(question: _Question) -> Iterator[Finding]:
    for node in question.snapshot.nodes:
        if not node.ready:
            left = f"; run {node.cordoned_by} left it cordoned: repair it first" if node.cordoned_by else ""
            yield question.fail(node.name, f"node {node.name} {readiness(node)}{left}")


def _cordons(question: _Question) -> Iterator[Finding]:
    for node in question.snapshot.nodes:
        if not node.unschedulable:
            continue
        if node.cordoned_by:
            message = f"node {node.name} is still cordoned by run {node.cordoned_by}: this run takes it up again"
            yield question.warn(node.name, message)
        else:
            message = f"node {node.name} is cordoned, and not by Friday: uncordon it, or let its owner finish"
            yield question.fail(node.name, message)


def _competing(question: _Question) -> Iterator[Finding]:
    """Others that upgrade or reboot by themselves: for Friday they are what moves the ground under a comparison."""
    host = question.target.host
    if actors := question.facts.competing:
        message = f"{', '.join(actors)} may upgrade or reboot {host} meanwhile: stop it while Friday is at work"
        yield question.warn(host, message)
    elif reason := question.facts.unknown.get("competing", ""):
        yield question.warn(host, f"whether anything else upgrades or reboots {host} is not known: {reason}", reason)


def _probes(question: _Question) -> Iterator[Finding]:
    for probe in question.facts.reach:
        if not probe.ok:
            target = f"{probe.kind} from {question.target.host} to {probe.name or probe.target}"
            message = f"{target} fails already ({probe.error or 'no answer'}): it can't be compared later"
            yield question.doubt(question.target.host, message)


def _webhooks(question: _Question) -> Iterator[Finding]:
    for webhook in question.snapshot.webhooks:
        subject = f"webhook {webhook.name}"
        if webhook.ready_endpoints is None and webhook.service:
            message = f"the endpoints of {subject} (service {webhook.service}) could not be read"
            yield question.rule.finding(Severity.UNKNOWN, subject, message)
        elif webhook.ready_endpoints == 0:
            guarded = f"service {webhook.service} (failurePolicy {webhook.failure_policy})"
            message = f"{subject} has {counted(0)} of {guarded}"
            yield (question.fail if webhook.failure_policy == "Fail" else question.warn)(subject, message)


def _api_services(question: _Question) -> Iterator[Finding]:
    for service in question.snapshot.api_services:
        if not service.available:
            message = f"API {service.name} is not available: {service.message or 'no message'}"
            yield question.fail(f"API {service.name}", message, service.message)


def _workloads(question: _Question) -> Iterator[Finding]:
    without_place = waiting_for_place(question.snapshot)
    for workload in watched(question.snapshot.workloads, question.policy):
        lacking = workload.wanted - workload.available
        waiting = without_place[(workload.kind, workload.namespace, workload.name)]
        if lacking > waiting:
            message = f"{label(workload)} has {available(workload)}; friday_ignore_workloads would leave it out"
            yield question.fail(label(workload), message)
        elif lacking > 0:
            message = f"{label(workload)} has {available(workload)}: the others wait for a node that Friday cordoned"
            yield question.warn(label(workload), message)


def _crash_loops(question: _Question) -> Iterator[Finding]:
    for pod in question.snapshot.pods:
        _, namespace, name = workload_of(pod)
        if pod.waiting == CRASHING and not ignored(question.policy, namespace, name):
            subject = f"{pod.namespace}/{pod.name}"
            yield question.warn(subject, f"pod {subject} on {pod.node} is in {CRASHING} ({pod.restarts} restarts)")


_RULES = (
    _Rule(Layer.HOST, "host-answers", ("facts",), _nothing_more, of_hosts=True),
    _Rule(Layer.HOST, "competing", ("facts",), _competing, of_hosts=True),
    _Rule(Layer.KERNEL, "kernel-raid", ("facts.raid",), _raid, of_hosts=True),
    _Rule(Layer.KERNEL, "kernel-log", ("facts.kernel_log",), _kernel_log, of_hosts=True),
    _Rule(Layer.BPF, "bpf-verifier", (), _refusals, of_hosts=True, cilium_only=True),
    _Rule(Layer.BPF, "bpf-host-programs", ("facts.bpf",), _programs, of_hosts=True, cilium_only=True),
    _Rule(Layer.AGENT, "agent-ready", ("agents",), _agents, of_hosts=True, cilium_only=True),
    _Rule(Layer.AGENT, "agent-controllers", ("agents",), _controllers, of_hosts=True, cilium_only=True),
    _Rule(Layer.ENDPOINTS, "agent-endpoints", ("agents",), _agent_endpoints, of_hosts=True, cilium_only=True),
    _Rule(Layer.ENDPOINTS, "cilium-endpoints", ("endpoints", "pods"), _cilium_endpoints, cilium_only=True),
    _Rule(Layer.CNI, "nodes-ready", ("nodes",), _nodes_ready),
    _Rule(Layer.CNI, "cordons", ("nodes",), _cordons),
    _Rule(Layer.NETWORK, "node-network", ("facts",), _probes, of_hosts=True),
    _Rule(Layer.WEBHOOKS, "webhooks", ("webhooks",), _webhooks),
    _Rule(Layer.WEBHOOKS, "api-services", ("api_services",), _api_services),
    _Rule(Layer.WORKLOADS, "workloads", ("workloads", "pods", "nodes"), _workloads),
    _Rule(Layer.WORKLOADS, "crash-loops", ("pods",), _crash_loops),
)
