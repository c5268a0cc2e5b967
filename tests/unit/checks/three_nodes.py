# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster of three nodes as a Friday sees it: healthy, upgraded well, and in the incident, with Cilium's real words.

The host under test is node2; node1 is the peer that looks at it. Before the upgrade a pod of each kind runs on node2;
after it, what could be evicted is on node3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.compare import compare
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import (
    BpfAttachment,
    HostFacts,
    RaidArray,
    Reach,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    AgentEndpoint,
    AgentStatus,
    ApiService,
    NetworkEndpoint,
    Node,
    Observation,
    Pod,
    Snapshot,
    Webhook,
    Workload,
)

OLD, NEW = "6.1.0-56-cloud-amd64", "6.12.107+deb13-cloud-amd64"
RUN = "2026-01-02-1500"
COMPARED = tuple(check for check in CHECKS if check.compares)
TARGETS = tuple(Target(f"node{number}", f"node{number}", f"zone-{'abc'[number - 1]}") for number in (1, 2, 3))

REFUSED = (
    'level=error msg="Error while rewriting endpoint BPF program" containerID= endpointID=1263 '
    'error="loading eBPF collection into the kernel: program cil_from_netdev: load program: argument list too long: '
    'BPF program is too large. Processed 1000001 insn (8265 line(s) omitted)" subsys=endpoint'
)
REFUSED_IN_POD = (
    "Verifier error: program cil_from_container: load program: permission denied: invalid access to packet, off=0 "
    "size=4, R1(id=0,off=0,r=0): R1 offset is outside of the packet (7 line(s) omitted)"
)


def pod(name: str, node: str, kind: str, owner: str, namespace: str = "default", **more: Any) -> Pod:
    """A running and ready pod."""
    given = {"phase": "Running", "ready": True, "pod_ip": "" if more.get("host_network") else _address(name, node)}
    return Pod(namespace, name, node=node, owner_kind=kind, owner_name=owner, **{**given, **more})


def _address(name: str, node: str) -> str:
    return f"10.42.{node[-1]}.{sum(name.encode()) % 250 + 2}"


def _node(number: int) -> Node:
    return Node(
        f"node{number}",
        zone=TARGETS[number - 1].zone,
        ready=True,
        kernel=OLD,
        boot_id=f"boot-{number}",
        internal_ip=f"192.168.77.1{number}",
        etcd=number == 1,
    )


def _on_every_node(number: int) -> tuple[Pod, ...]:
    node = f"node{number}"
    return (
        pod(f"cilium-{number}", node, "DaemonSet", "cilium", "kube-system", host_network=True),
        pod(f"kube-proxy-{node}", node, "Node", node, "kube-system", host_network=True),
        pod(f"logs-{number}", node, "DaemonSet", "logs", "monitoring"),
    )


def _pods() -> tuple[Pod, ...]:
    return (
        *_on_every_node(1),
        *_on_every_node(2),
        *_on_every_node(3),
        pod(
            "coredns-5d78c-aaaa", "node1", "ReplicaSet", "coredns-5d78c", "kube-system", labels={"k8s-app": "kube-dns"}
        ),
        pod(
            "coredns-5d78c-bbbb", "node3", "ReplicaSet", "coredns-5d78c", "kube-system", labels={"k8s-app": "kube-dns"}
        ),
        pod("web-7f9c4-aaaa", "node1", "ReplicaSet", "web-7f9c4", "web"),
        pod("web-7f9c4-bbbb", "node2", "ReplicaSet", "web-7f9c4", "web"),
        pod("web-7f9c4-cccc", "node3", "ReplicaSet", "web-7f9c4", "web"),
        pod("guard-66d5b-aaaa", "node2", "ReplicaSet", "guard-66d5b", "guard"),
        pod("guard-66d5b-bbbb", "node1", "ReplicaSet", "guard-66d5b", "guard"),
    )


def agent_on(number: int, pods: tuple[Pod, ...]) -> AgentStatus:
    node = f"node{number}"
    mine = [seen for seen in pods if seen.node == node and not seen.host_network]
    endpoints = [AgentEndpoint(1263, "", "ready", "OK")]
    endpoints += [AgentEndpoint(3000 + i, f"{p.namespace}/{p.name}", "ready", "OK") for i, p in enumerate(mine)]
    return AgentStatus(
        node,
        pod=f"cilium-{number}",
        version="1.15.19",
        ready=True,
        state="Ok",
        routing="Native",
        kube_proxy_replacement="False",
        endpoints=tuple(endpoints),
    )


def programs_on(pods: tuple[Pod, ...], node: str, salt: str) -> tuple[BpfAttachment, ...]:
    mine = [seen for seen in pods if seen.node == node and not seen.host_network]
    return (
        BpfAttachment("tc/ingress", "eth1", "cil_from_netdev", "a1"),
        BpfAttachment("tc/ingress", "cilium_net", "cil_to_host", "b2"),
        BpfAttachment("tc/ingress", "cilium_host", "cil_to_host", "b2"),
        BpfAttachment("tc/egress", "cilium_host", "cil_from_host", "c3"),
        BpfAttachment("cgroup/device", f"/sys/fs/cgroup/system.slice/unit{salt}.service", "sd_devices", "d4"),
        *(BpfAttachment("tc/ingress", f"lxc{salt}{i:04x}", "cil_from_container", "e5") for i, _ in enumerate(mine)),
    )


def _from_host(dns: tuple[str, ...]) -> tuple[Reach, ...]:
    return (
        Reach("ping", "192.168.77.11", True, name="node node1"),
        Reach("ping", "192.168.77.13", True, name="node node3"),
        Reach("ping", _address("web-7f9c4-aaaa", "node1"), True, name="pods on other nodes"),
        Reach("ping", _address("web-7f9c4-cccc", "node3"), True, name="pods on other nodes"),
        Reach("dns", "10.96.0.10", True, name="DNS service"),
        *(Reach("dns", address, True, name="DNS pods") for address in dns),
    )


def _from_peer(pods: tuple[Pod, ...]) -> tuple[Reach, ...]:
    return (
        Reach("ping", "192.168.77.12", True, name="node node2"),
        *(Reach("ping", p.pod_ip, True, name="pods of node2") for p in pods if p.node == "node2" and p.pod_ip),
    )


def facts_on(host: str, pods: tuple[Pod, ...], reach: tuple[Reach, ...]) -> HostFacts:
    return HostFacts(
        host,
        kernel=OLD,
        boot_id=f"boot-{host[-1]}",
        btf=True,
        raid=(RaidArray("md0", "active raid1", 2, 2),),
        bpf=programs_on(pods, host, "aa"),
        kernel_log=("[    1.104477] WARNING: CPU: 0 PID: 1 at arch/x86/kernel/apic/apic.c:2",),
        reach=reach,
    )


def healthy() -> Observation:
    """Before: all is well, on the old kernel."""
    pods = _pods()
    dns = tuple(p.pod_ip for p in pods if p.name.startswith("coredns"))
    workloads = (
        Workload("DaemonSet", "kube-system", "cilium", 3, 3),
        Workload("DaemonSet", "monitoring", "logs", 3, 3),
        Workload("Deployment", "kube-system", "coredns", 2, 2),
        Workload("Deployment", "web", "web", 3, 3),
        Workload("Deployment", "guard", "guard", 2, 2),
    )
    snapshot = Snapshot(
        time=1000.0,
        server="https://127.0.0.1:26443",
        version="v1.36.3",
        cni="cilium",
        nodes=tuple(_node(number) for number in (1, 2, 3)),
        pods=pods,
        workloads=workloads,
        endpoints=tuple(NetworkEndpoint(p.namespace, p.name, p.node, "ready") for p in pods if not p.host_network),
        agents=tuple(agent_on(number, pods) for number in (1, 2, 3)),
        webhooks=(Webhook("ValidatingWebhookConfiguration", "guard", "guard.lab", "Fail", "guard/guard", 2),),
        api_services=(ApiService("v1.apps", True), ApiService("v1beta1.metrics.k8s.io", True)),
        dns_service="10.96.0.10",
    )
    facts = {
        "node1": facts_on("node1", pods, _from_peer(pods)),
        "node2": facts_on("node2", pods, _from_host(dns)),
        "node3": facts_on("node3", pods, ()),
    }
    return Observation(snapshot, facts)


def upgraded(before: Observation | None = None) -> Observation:
    """After a good upgrade of node2: new kernel, cordoned, evicted pods on node3, its own ones made anew."""
    before = before or healthy()
    moved = {"web-7f9c4-bbbb": "web-7f9c4-dddd", "guard-66d5b-aaaa": "guard-66d5b-dddd"}
    pods = tuple(
        replace(p, name=moved[p.name], node="node3", pod_ip=_address(moved[p.name], "node3")) if p.name in moved else p
        for p in before.snapshot.pods
    )
    pods = tuple(
        replace(p, restarts=1, pod_ip="10.42.2.99" if p.pod_ip else "") if p.node == "node2" else p for p in pods
    )
    facts = before.facts["node2"]
    snapshot = replace(
        before.snapshot,
        time=1600.0,
        pods=pods,
        nodes=tuple(
            replace(n, kernel=NEW, boot_id="boot-2b", unschedulable=True, cordoned_by=RUN) if n.name == "node2" else n
            for n in before.snapshot.nodes
        ),
        endpoints=tuple(NetworkEndpoint(p.namespace, p.name, p.node, "ready") for p in pods if not p.host_network),
        agents=(replace(agent_on(2, pods), restarts=1),),
    )
    host = replace(facts, kernel=NEW, boot_id="boot-2b", bpf=programs_on(pods, "node2", "bb"))
    host = replace(host, kernel_log=tuple(line.replace("1.104477", "0.972313") for line in host.kernel_log))
    peer = HostFacts("node1", reach=_from_peer(pods))
    return Observation(snapshot, {"node2": host, "node1": peer})


def incident(before: Observation | None = None) -> Observation:
    """After the upgrade of the incident: the new kernel refuses the programs, and nothing old is attached any more.

    The agent still calls itself Ok and is ready, and so is the node.
    """
    well = upgraded(before)
    agent = replace(
        well.snapshot.agents[0],
        failing_controllers={"endpoint-1263-regeneration-recovery": "regeneration recovery failed"},
        endpoints=(AgentEndpoint(1263, "", "not-ready", "Warning", "Error while rewriting endpoint BPF program"),),
        refusals=(REFUSED, REFUSED),
    )
    pods = tuple(replace(p, ready=False, pod_ip="") if p.name == "logs-2" else p for p in well.snapshot.pods)
    snapshot = replace(
        well.snapshot,
        agents=(agent,),
        pods=pods,
        endpoints=tuple(e for e in well.snapshot.endpoints if e.name != "logs-2"),
        workloads=tuple(replace(w, available=2) if w.name == "logs" else w for w in well.snapshot.workloads),
    )
    broken = {"ping": "no route to host", "dns": "read udp 10.96.0.10:53: i/o timeout"}
    host = well.facts["node2"]
    host = replace(
        host,
        bpf=tuple(item for item in host.bpf if item.hook == "cgroup/device"),
        reach=tuple(
            r if r.name.startswith("node ") else replace(r, ok=False, error=broken[r.kind]) for r in host.reach
        ),
    )
    peer = replace(well.facts["node1"], reach=well.facts["node1"].reach[:1])
    return Observation(snapshot, {"node2": host, "node1": peer})


def judge(before: Observation, after: Observation, **more: Any) -> Verdict:
    """Compare for node2, which goes to the new kernel."""
    return compare(before, after, "node2", more.pop("target_kernel", NEW), more.pop("policy", Policy()), **more)


def with_snapshot(observation: Observation, **changes: Any) -> Observation:
    """The observation with another snapshot."""
    return replace(observation, snapshot=replace(observation.snapshot, **changes))


def with_facts(observation: Observation, host: str = "node2", **changes: Any) -> Observation:
    """The observation with other facts of a host."""
    return replace(observation, facts={**observation.facts, host: replace(observation.facts[host], **changes)})


def with_agent(observation: Observation, node: str = "node2", **changes: Any) -> Observation:
    """The observation with another status of a node's agent."""
    agents = (replace(a, **changes) if a.node == node else a for a in observation.snapshot.agents)
    return with_snapshot(observation, agents=tuple(agents))


def with_pod(observation: Observation, name: str, /, **changes: Any) -> Observation:
    """The observation with one pod changed."""
    pods = (replace(p, **changes) if p.name == name else p for p in observation.snapshot.pods)
    return with_snapshot(observation, pods=tuple(pods))


def with_workload(observation: Observation, name: str, /, **changes: Any) -> Observation:
    """The observation with one workload changed."""
    workloads = (replace(w, **changes) if w.name == name else w for w in observation.snapshot.workloads)
    return with_snapshot(observation, workloads=tuple(workloads))


def with_node(observation: Observation, name: str, /, **changes: Any) -> Observation:
    """The observation with one node changed."""
    nodes = (replace(n, **changes) if n.name == name else n for n in observation.snapshot.nodes)
    return with_snapshot(observation, nodes=tuple(nodes))


def bad(verdict: Verdict) -> tuple[Finding, ...]:
    """All failing and unknown findings, the cause first."""
    return (*([verdict.cause] if verdict.cause else []), *verdict.consequences)


def names(verdict: Verdict) -> set[str]:
    """The checks that have a failing or unknown finding."""
    return {finding.check for finding in bad(verdict)}
