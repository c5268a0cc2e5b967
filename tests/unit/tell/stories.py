# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs as they happen, for the tests of what is told about them: built from events, as a real run is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Problem,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import PackageChange, PackageKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, SkippedHost, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    GroupVerdict,
    LoadOutcome,
    ProgramResult,
    ProgramVerdict,
    Rehearsal,
    Word,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ClusterSummary, ReportData

START = 1795795200.0  # 2026-11-27 16:00:00 UTC, a Friday
RUN = "20261127-160000-3f2a"
OLD, NEW = "6.1.0-56-cloud-amd64", "6.12.107+deb13-cloud-amd64"
CHECKS = {
    "host-answers": Layer.HOST,
    "packages-configured": Layer.HOST,
    "kernel-release": Layer.KERNEL,
    "kernel-log": Layer.KERNEL,
    "raid": Layer.KERNEL,
    "bpf-attachments": Layer.BPF,
    "agent-status": Layer.AGENT,
    "endpoint-states": Layer.ENDPOINTS,
    "pod-creation": Layer.CNI,
    "node-network": Layer.NETWORK,
    "dns": Layer.DNS,
    "webhook-endpoints": Layer.WEBHOOKS,
    "workloads-available": Layer.WORKLOADS,
    "pod-restarts": Layer.WORKLOADS,
}
CHECK_LAYERS = {name: int(layer) for name, layer in CHECKS.items()}
PACKAGES = (
    PackageChange("linux-image-cloud-amd64", "6.1.192-1", "6.12.107-1", kind=PackageKind.KERNEL),
    PackageChange(f"linux-image-{NEW}", "", "6.12.107-1", kind=PackageKind.KERNEL),
    PackageChange("mdadm", "4.2-5", "4.4-11", kind=PackageKind.OTHER),
    PackageChange("openssl", "3.0.20-1~deb12u1", "3.5.4-1~deb13u1", kind=PackageKind.OTHER),
    PackageChange("firmware-linux-free", "20200122-1", "20241210-2", kind=PackageKind.OTHER),
)
REFUSAL = (
    'level=error msg="Error while rewriting endpoint BPF program" endpointID=1263 error="loading eBPF collection into'
    ' the kernel: program cil_from_container: load program: argument list too long" subsys=endpoint',
    "Verifier error: program cil_from_container: load program: argument list too long:",
    "    insn 18044: (bf) r2 = r7",
    "    BPF program is too large. Processed 1000001 insn",
    "    processed 1000001 insns (limit 1000000) max_states_per_insn 24 total_states 11287 peak_states 514",
)
CLUSTER = ClusterSummary("https://10.0.2.2:26443", "v1.36.3", "cilium", 12, 12, 148, 148, 37, 37, 9, 2)
VERSIONS = {"friday": "0.3.0", "ansible-core": "2.21.5", "python": "3.12.3", "kubernetes": "37.0.2"}


def passing(notes: Sequence[Finding] = ()) -> Verdict:
    """A verdict of all checks, without a fault."""
    return Verdict(Outcome.PASS, notes=tuple(notes), checks=tuple(CHECKS))


def planned(host: str, zone: str, reason: str, evictions: int = 6, **more: Any) -> PlannedHost:
    """A host with its share of the fleet's pods."""
    pods = tuple(f"shop/web-7d9c5b8f6-{host[-1]}{i:02}" for i in range(evictions))
    fields: dict[str, Any] = {"kernel": OLD, "target_kernel": NEW, "reboot": True, "packages": PACKAGES, "seconds": 420}
    return PlannedHost(host, host, zone, reason, evictions=pods, **{**fields, **more})


class Story:
    """Events in the making; ``at`` is the time, in seconds after the start."""

    def __init__(self, plan: Plan | None, check: bool = False) -> None:
        self.plan, self.check, self.events, self.at = plan, check, [], 0.0
        self.tell(EventKind.RUN_STARTED, holder="anna@controller", version="0.3.0", check=check)
        if plan:
            self.at += 38
            hosts = [host.host for host in plan.hosts()]
            self.tell(EventKind.RUN_PLANNED, plan_digest=plan.digest, hosts=hosts, waves=len(plan.waves))

    def tell(self, kind: EventKind, host: str = "", at: float | None = None, **data: Any) -> None:
        """One event, at ``at`` or now."""
        time = START + (self.at if at is None else at)
        self.events.append(Event(len(self.events) + 1, time, RUN, kind, host, to_data(data)))

    def host(self, host: PlannedHost, begin: float, soak: float = 300, stop: str = "", message: str = "") -> float:
        """A host's way from ``begin`` on, to its end or to the step ``stop``; returns when that is."""
        at = begin
        steps = (
            ("before", 2, ""),
            ("cordon", 1, "cordoned"),
            ("drain", 34 + 5 * len(host.evictions), "drained"),
            ("upgrade", 96, "upgraded"),
            ("recheck", 2, ""),
            ("reboot", 129, "rebooted"),
            ("verify", 64, "verified"),
            ("soak", soak, "soaked"),
            ("uncordon", 1, "done"),
        )
        for step, seconds, state in steps:
            self.tell(EventKind.STEP, host.host, at, step=step)
            at += seconds
            kernel = NEW if step in ("reboot", "verify", "soak", "uncordon") else OLD
            if step == stop:
                state = "held" if step == "drain" else "failed"
                self.tell(EventKind.FAILURE, host.host, at, state=state, step=step, message=message, kernel=kernel)
                return at
            if state:
                self.tell(EventKind.STATE, host.host, at, state=state, kernel=kernel, boot_id=f"{host.host}-boot")
        return at

    def wave(self, wave: Wave, soak: float = 300) -> None:
        """All hosts of a wave, side by side, without fault."""
        self.tell(EventKind.WAVE_STARTED, wave=wave.number)
        self.at = max(self.host(host, self.at + 3 * i, soak) for i, host in enumerate(wave.hosts)) + 4

    def end(self, outcome: str, message: str = "", **more: Any) -> ReportData:
        """The run is over: the data for its report."""
        self.at += 9
        self.tell(EventKind.RUN_FINISHED, outcome=outcome, message=message)
        ordered = sorted(self.events, key=lambda event: event.time)
        events = tuple(Event(i, e.time, e.run, e.kind, e.host, e.data) for i, e in enumerate(ordered, start=1))
        fields: dict[str, Any] = {
            "baseline": passing(),
            "cluster": CLUSTER,
            "check_layers": CHECK_LAYERS,
            "versions": VERSIONS,
            "check": self.check,
            "journal": f"/var/lib/friday/{RUN}/journal.jsonl",
        }
        return ReportData(fold(events), self.plan, events=events, **{**fields, **more})


def fleet_plan() -> Plan:
    """Twelve hosts in three zones."""
    canary = planned("node4", "zone-b", "a worker, 3 pods to evict (fewest), in the smallest zone", 3)
    why = "zone by zone, the canary's zone first"
    return Plan(
        (
            Wave(1, "canary", "zone-b", "a worker over a control-plane node, fewest pods to evict", (canary,)),
            Wave(
                2,
                "zone-b 1/1",
                "zone-b",
                "the rest of the canary's zone",
                tuple(planned(f"node{n}", "zone-b", why) for n in (5, 6)),
            ),
            Wave(
                3,
                "zone-a 1/2",
                "zone-a",
                "4 at a time; etcd keeps its quorum with one member down",
                tuple(planned(f"node{n}", "zone-a", why, 4 + n) for n in (2, 3, 7, 8)),
            ),
            Wave(
                4,
                "zone-a 2/2",
                "zone-a",
                "what is left of the zone: a member of etcd, alone",
                (planned("node1", "zone-a", "control plane, after the zone's workers", 2, seconds=510),),
            ),
            Wave(
                5,
                "zone-c 1/1",
                "zone-c",
                "the last zone",
                tuple(planned(f"node{n}", "zone-c", why, 5) for n in (9, 10, 11, 12)),
            ),
        ),
        seconds=5 * 720,
        digest="3f9a0c11d2e4b5a697887766554433221100ffeeddccbbaa9988776655443322",
    )


def lab_plan() -> Plan:
    """The lab's three hosts."""
    return Plan(
        (
            Wave(
                1,
                "canary",
                "zone-c",
                "one host first",
                (planned("node3", "zone-c", "a worker, fewest pods to evict (2)", 2),),
            ),
            Wave(
                2,
                "zone-a 1/1",
                "zone-a",
                "smallest zone first",
                (planned("node1", "zone-a", "the zone's only host", 4),),
            ),
            Wave(3, "zone-b 1/1", "zone-b", "the last zone", (planned("node2", "zone-b", "the zone's only host", 5),)),
        ),
        seconds=2100,
        digest="a71bd3c09f5e" + "0" * 52,
    )


def passed() -> ReportData:
    """Twelve hosts upgraded, wave by wave."""
    plan = fleet_plan()
    story = Story(plan)
    for wave in plan.waves:
        story.wave(wave)
    note = Finding(
        Layer.WORKLOADS, "pod-restarts", "irc/ngircd-0", Severity.WARN, "restarted once during the run", "0", "1"
    )
    message = f"All 12 hosts run kernel {NEW}, and every layer is as it was before."
    verdicts = {host.host: passing() for host in plan.hosts()}
    return story.end("pass", message, verdict=passing([note]), verdicts=verdicts)


def incident_verdict() -> Verdict:
    """What the canary shows when the verifier refuses the network's programs."""

    def fails(
        layer: Layer, check: str, subject: str, message: str, before: str = "", after: str = "", *evidence: str
    ) -> Finding:
        return Finding(
            layer, check, subject, Severity.FAIL, message, before, after, evidence, lasting=layer is Layer.BPF
        )

    cause = fails(
        Layer.BPF,
        "bpf-attachments",
        "program cil_from_container",
        f"Kernel {NEW} refused the program cil_from_container: BPF program is too large. Processed 1000001 insn",
        "attached at tc/ingress of 3 devices (lxc…)",
        "attached nowhere",
        *REFUSAL,
    )
    return Verdict(
        Outcome.FAIL,
        cause,
        (
            fails(
                Layer.AGENT,
                "agent-status",
                "kube-system/cilium-x2v9k",
                "a controller fails that did not before:"
                " endpoint-1263-regeneration-recovery: regeneration recovery failed",
                "16/16 healthy",
                "16/18 healthy",
            ),
            fails(
                Layer.ENDPOINTS,
                "endpoint-states",
                "node3",
                "2 of 3 endpoints are not ready",
                "3 ready",
                "1 ready, 2 not-ready",
                "kube-system/coredns-6c8d7-bx2: not-ready",
                "friday-lab/store-0: not-ready",
            ),
            fails(
                Layer.NETWORK,
                "node-network",
                "node1 → 10.42.3.170",
                "pods on node3 do not answer",
                "http 200",
                "no route to host",
            ),
            Finding(
                Layer.DNS, "dns", "node3", Severity.UNKNOWN, "no pod on the node could be asked", "answered in 2 ms"
            ),
            fails(
                Layer.WORKLOADS, "workloads-available", "friday-lab/store", "0 of 1 replicas are available", "1", "0"
            ),
        ),
        checks=tuple(name for name in CHECKS if name not in ("pod-creation", "webhook-endpoints")),
    )


def incident() -> ReportData:
    """The canary fails after its reboot; the other two are not touched."""
    plan, verdict = lab_plan(), incident_verdict()
    canary = plan.waves[0].hosts[0]
    assert verdict.cause
    story = Story(plan)
    story.tell(EventKind.WAVE_STARTED, wave=1)
    story.at = story.host(canary, story.at, stop="verify", message=verdict.cause.message)
    story.tell(EventKind.STOP, reason="node3 failed in step verify")
    return story.end(
        "fail",
        "The canary node3 lost its network: its new kernel refuses Cilium's programs. 2 of 3 hosts were not touched.",
        verdicts={"node3": verdict},
        cluster=ClusterSummary("https://10.0.2.2:26443", "v1.36.3", "cilium", 3, 3, 14, 14, 6, 6, 1, 1),
        advice=(
            "Update Cilium to a build whose programs load on "
            + NEW
            + ", or pin the kernel: `apt-mark hold linux-image-cloud-amd64`.",
            "node3 waits, cordoned, on the new kernel; nothing runs there but DaemonSets. Don't uncordon it by hand.",
            "Then rerun the same command, `ansible-playbook -i inventories/lab friday.yml`: it resumes with node3.",
        ),
    )


def held() -> ReportData:
    """A PodDisruptionBudget does not let the canary's pods go."""
    plan = lab_plan()
    blocked = planned(
        "node3",
        "zone-c",
        "a worker, fewest pods to evict (2)",
        2,
        blockers=("shop/web (PDB web allows 0 disruptions)",),
    )
    plan = Plan(
        (Wave(1, "canary", "zone-c", "one host first", (blocked,)), *plan.waves[1:]), (), plan.seconds, plan.digest
    )
    story = Story(plan)
    story.tell(EventKind.WAVE_STARTED, wave=1)
    message = (
        "pod shop/web-7d9c5b8f6-300 was not evicted within 30m00s: PodDisruptionBudget shop/web allows no disruption"
    )
    story.at = story.host(blocked, story.at, stop="drain", message=message)
    story.tell(EventKind.STOP, reason="node3 was held in step drain")
    return story.end("inconclusive", advice=("Give shop/web another replica, then rerun the same command.",))


def nothing() -> ReportData:
    """Everything is up to date."""
    skipped = tuple(
        SkippedHost(f"node{n}", f"node{n}", f"up to date: kernel {NEW}, no package to upgrade") for n in (1, 2, 3)
    )
    story = Story(Plan((), skipped, 0, "00" * 32))
    cluster = ClusterSummary("https://10.0.2.2:26443", "v1.36.3", "cilium", 3, 3, 14, 14, 6, 6, 1, 1)
    return story.end("nothing-to-do", "All 3 hosts are up to date: there is nothing to upgrade.", cluster=cluster)


def refused() -> ReportData:
    """Bad input and an unhealthy cluster: all problems at once, nothing touched."""
    problems = (
        Problem("friday_sock", "there is no such variable", "did you mean `friday_soak`?"),
        Problem(
            "friday_wave_sizes",
            'must be a list of numbers of hosts (1 or more) or percentages ("1%" to "100%"); it is [0]',
            "for example `friday_wave_sizes: [1, 2, 4]`",
        ),
        Problem(
            "node7",
            "is not a node of the cluster",
            "set friday_node_name to its node's name, or remove it",
        ),
        Problem(
            "node2", "only 312 MiB free on /, 2048 MiB required", "free space on /, for example with `apt-get clean`"
        ),
        Problem(
            "node3",
            "holds packages that would be upgraded: mdadm",
            "run `apt-mark unhold mdadm`",
        ),
        Problem("node1", "was cordoned by somebody else", "`kubectl uncordon node1`, if that is safe"),
    )
    cluster = ClusterSummary(
        "https://10.0.2.2:26443",
        "v1.36.3",
        "cilium",
        3,
        3,
        14,
        13,
        6,
        5,
        1,
        1,
        {"endpoints": "forbidden: ciliumendpoints"},
    )
    return Story(None).end("fail", problems=problems, cluster=cluster, baseline=None)


def plan_only() -> ReportData:
    """What plan.yml ends with."""
    return Story(fleet_plan(), check=True).end("pass", "")


def rehearsed() -> ReportData:
    """The rehearsal has found what the candidate refuses: nothing was touched."""
    story = Story(lab_plan())
    limit = {"limit": 1_000_000}
    before = ProgramResult("cil_from_netdev", LoadOutcome.LOADED, "SchedCLS", stats={"insns": 380, **limit})
    log = ("BPF program is too large. Processed 1000001 insn", "processed 1000001 insns (limit 1000000)")
    after = ProgramResult("cil_from_netdev", LoadOutcome.REFUSED, "SchedCLS", error="E2BIG", errno=7, log=log)
    why = f"cil_from_netdev: loads on the running kernel, but the candidate refuses it: {log[0]} (errno 7)"
    calm = ProgramResult("tail_handle_ipv4", LoadOutcome.LOADED, "SchedCLS", stats={"insns": 1200, **limit})
    unused = ProgramResult("tail_nodeport_nat_ipv6", LoadOutcome.REFUSED, "SchedCLS", error="E2BIG")
    host = "/run/cilium/state/12/bpf_host.o"
    group = GroupVerdict(
        ("node1", "node2", "node3"),
        OLD,
        NEW,
        Word.FAIL,
        (why,),
        (
            ProgramVerdict(host, "cil_from_netdev", Word.FAIL, why, True, before, after),
            ProgramVerdict(host, "tail_handle_ipv4", Word.PASS, "", True, calm, calm),
            ProgramVerdict(host, "tail_nodeport_nat_ipv6", Word.INCONCLUSIVE, "not loaded", False, unused, None),
        ),
        ("live, but in none of the objects, so not rehearsed: probe",),
    )
    problem = Problem(
        "node1, node2, node3", f"{NEW} would break it (rehearsal failed): {why}", "upgrade what loads them"
    )
    story.tell(EventKind.STOP, reason=f"rehearsal: {NEW} on node1, node2, node3: fail: {why}")
    rehearsal = Rehearsal((group,), seconds=9.5, accelerator="tcg", cached=1, tried=3)
    return story.end("fail", "1 problem to solve first; nothing was touched", problems=(problem,), rehearsal=rehearsal)


def accepted() -> ReportData:
    """A Friday that passed although two checks found something: an operator has accepted that."""
    story = Story(lab_plan())
    for wave in lab_plan().waves:
        story.wave(wave)
    raid = Finding(Layer.KERNEL, "kernel-raid", "node1", Severity.WARN, "array md0 of node1 is degraded", accepted=True)
    dns = Finding(Layer.DNS, "dns", "node2", Severity.WARN, "dns on node2: no data (no answer)", accepted=True)
    return story.end(
        "pass",
        baseline=passing([raid]),
        verdicts={"node2": passing([dns, dns])},
        verdict=passing([raid]),
        policy=Policy(accept=("kernel-raid", "dns")),
    )


STORIES = {f.__name__: f for f in (passed, accepted, incident, held, nothing, refused, rehearsed, plan_only)}
