# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer BPF: the verifier let the programs in, and they are attached where they were."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import (
    WITH_CILIUM,
    Check,
    Condition,
    Context,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.lines import (
    group_refusals,
    is_verifier,
    new_lines,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import (
    agent_of,
    endpoint_broken,
    facts_of,
    find_agent,
    network_pods,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import BpfAttachment
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import AgentStatus, Observation

Place = tuple[str, str]  # hook, program

# Leads into a network namespace as a pod's does, but is the agent's own (its health endpoint's) and keeps its name.
_KEEPS_ITS_NAME = "lxc_health"
# What pods' devices are called, where nothing better is known: by Cilium, bridges, Calico, and the plugins that Cilium
# is chained to on AWS, Azure and Google's clusters.
_POD_DEVICE = re.compile(r"^(?:lxc|veth|cali|eni|azv|gke)")
# Device rules of systemd's units and of containers come and go with these.
_UNIT_HOOK = "cgroup/device"
_CONTAINER_CGROUP = re.compile(r"kubepods|\.scope(?:/|$)")


def _programs_matter(seen: Sequence[Observation], context: Context) -> bool:
    facts = seen[0].facts.get(context.host)
    return WITH_CILIUM.holds(seen, context) or bool(facts and facts.bpf)


WITH_PROGRAMS = Condition(
    _programs_matter, "the cluster's network is not Cilium, and no BPF program was attached before"
)


class VerifierRefusals(Check):
    """The agent's log has no refusal by the verifier that it did not have. A program that is refused stays refused."""

    layer = Layer.BPF
    name = "bpf-verifier"
    needs = ("agents",)
    acceptable = False
    healthy_needs = ()  # that an agent can't be asked is for agent-ready to tell
    applies = WITH_CILIUM

    def missing(self, context: Context, now: Observation, before: Observation | None = None) -> list[str]:
        """A refusal that was seen counts, even if the agent that logged it did not answer."""
        agent = find_agent(now.snapshot, context.node)
        return [] if agent and agent.refusals else super().missing(context, now, before)

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find refusals that the agent suffers from. In the log of an agent that is fine by now they are history."""
        node = context.node
        agent = find_agent(now.snapshot, node) or AgentStatus(node)
        suffering = bool(agent.error or agent.failing_controllers or not agent.ready)
        suffering = suffering or any(map(endpoint_broken, agent.endpoints))
        for refusal, lines in group_refusals(agent.refusals).values():
            message = f"{refusal.subject} was refused by the kernel of {node}: {refusal.reason}"
            severity = Severity.FAIL if suffering else Severity.WARN
            yield self.finding(severity, f"{refusal.subject} on {node}", message, evidence=lines)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare refusals by program and reason."""
        old = find_agent(before.snapshot, context.node)
        known = group_refusals(old.refusals if old else ())
        facts = after.facts.get(context.host)
        kernel = (facts.kernel if facts else "") or context.target_kernel
        for key, (refusal, lines) in group_refusals(agent_of(after.snapshot, context.node).refusals).items():
            message = f"{refusal.subject} was refused by kernel {kernel}: {refusal.reason}"
            if key in known:
                yield self.finding(Severity.WARN, refusal.subject, f"{message} (as before)", evidence=lines)
            else:
                yield self.finding(
                    Severity.FAIL, refusal.subject, message, after="refused", evidence=lines, lasting=True
                )


class VerifierLog(Check):
    """The kernel's log has no line of the verifier that it did not have (as ``REG INVARIANTS VIOLATION``)."""

    layer = Layer.BPF
    name = "bpf-kernel-log"
    needs = ("facts.kernel_log",)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the verifier's lines by what they say."""
        known, facts = facts_of(before, context.host).kernel_log, facts_of(after, context.host)
        kernel = facts.kernel or context.target_kernel
        for lines in new_lines(known, (line for line in facts.kernel_log if is_verifier(line))).values():
            message = f"the verifier of kernel {kernel} logged an error: {lines[0]}"
            yield self.finding(Severity.FAIL, context.host, message, evidence=lines, lasting=True)


class HostAttachments(Check):
    """On the host's own devices and cgroups every program is attached that was, by hook, device and name."""

    layer = Layer.BPF
    name = "bpf-host-programs"
    needs = ("facts.bpf",)
    acceptable = False
    applies = WITH_PROGRAMS

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find hosts on which nothing at all is attached."""
        if not facts_of(now, context.host).bpf:
            message = f"no BPF program is attached on {context.host}, although Cilium runs in the cluster"
            yield self.finding(Severity.FAIL, context.host, message)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare by name; one finding for each program that is missing."""
        now = {(_hook(item), item.device, item.program) for item in facts_of(after, context.host).bpf}
        for item in dict.fromkeys(_of_host(before, context)):
            if (_hook(item), item.device, item.program) not in now:
                where = f"{item.device} ({item.hook})" if item.device else item.hook
                yield self.finding(
                    Severity.FAIL,
                    f"device {item.device}" if item.device else item.hook,
                    f"program {item.program} is no longer attached to {where}",
                    before=item.program,
                    after="not attached",
                )


class PodAttachments(Check):
    """The devices of pods have the programs that pods' devices had, as many as there are pods.

    Pods and their devices have other names after a restart, so this counts. Pods that had no program before (they are
    older than the agent, or not its own) are allowed to have none.
    """

    layer = Layer.BPF
    name = "bpf-pod-programs"
    needs = ("facts.bpf", "pods")
    acceptable = False
    applies = WITH_PROGRAMS

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare, for each hook and program, the number of running pods without it."""
        old_programs, new_programs = _pod_devices(before, context), _pod_devices(after, context)
        old_pods = len(network_pods(before.snapshot, context.node))
        new_pods = len(network_pods(after.snapshot, context.node))
        if old_programs and not new_pods:
            message = f"no pod with its own network runs on {context.node}: pod programs could not be compared"
            yield self.finding(Severity.INFO, context.node, message)
            return
        for (hook, program), devices in old_programs.items():
            bare_before = max(0, old_pods - len(devices))
            bare = new_pods - len(new_programs.get((hook, program), ()))
            if bare > bare_before:
                yield self.finding(
                    Severity.FAIL,
                    f"pods on {context.node}",
                    f"{bare} of {new_pods} pods on {context.node} run without program {program} ({hook})",
                    before=f"{bare_before} of {old_pods} pods without it",
                    after=f"{bare} of {new_pods} pods without it",
                )


def _hook(item: BpfAttachment) -> str:
    """The hook, with tcx as tc: an agent moves its programs there by itself where the new kernel offers it (6.6)."""
    return item.hook.replace("tcx/", "tc/", 1)


def _of_host(seen: Observation, context: Context) -> Iterator[BpfAttachment]:
    pods = _devices_of_endpoints(seen, context)
    for item in facts_of(seen, context.host).bpf:
        if not (_of_pod(item, pods) or item.hook == _UNIT_HOOK or _CONTAINER_CGROUP.search(item.device)):
            yield item


def _pod_devices(seen: Observation, context: Context) -> dict[Place, set[str]]:
    pods = _devices_of_endpoints(seen, context)
    places: dict[Place, set[str]] = {}
    for item in facts_of(seen, context.host).bpf:
        if _of_pod(item, pods):
            places.setdefault((_hook(item), item.program), set()).add(item.device)
    return places


def _of_pod(item: BpfAttachment, pods: Collection[str]) -> bool:
    """Whether a program is on a pod's device: one for each pod, named anew for each."""
    if item.device == _KEEPS_ITS_NAME:
        return False
    if item.device in pods:
        return True
    return bool(_POD_DEVICE.match(item.device)) if item.into_netns is None else item.into_netns


def _devices_of_endpoints(seen: Observation, context: Context) -> set[str]:
    """The devices that the agent has for pods; what they are called is up to the plugin that it is chained to."""
    agent = find_agent(seen.snapshot, context.node)
    return {each.device for each in agent.endpoints if each.pod and each.device} if agent else set()
