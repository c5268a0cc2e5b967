# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks one by one: each finds what it is for, in its layer, and lets pass what is not worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.compare import compare
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import (
    BpfAttachment,
    HostFacts,
    RaidArray,
    Reach,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    AgentEndpoint,
    NetworkEndpoint,
    Observation,
    Snapshot,
    Workload,
)
from tests.unit.checks import three_nodes as lab

BEFORE, WELL = lab.healthy(), lab.upgraded()


def only(after, check, severity=Severity.FAIL, before=BEFORE, **more):
    """The one failing or unknown finding there is; it has to be of this check."""
    (finding,) = lab.bad(lab.judge(before, after, **more))
    assert (finding.check, finding.severity) == (check, severity)
    return finding


def note(after, check, before=BEFORE, **more):
    """The one note of a check in a verdict that passes."""
    verdict = lab.judge(before, after, **more)
    assert verdict.outcome is Outcome.PASS, verdict
    (finding,) = [finding for finding in verdict.notes if finding.check == check]
    return finding


# -- host and kernel


def test_broken_packages_fail_and_known_ones_do_not():
    assert only(lab.with_facts(WELL, broken=("linux-image-x",)), "host-answers").layer is Layer.HOST
    before = lab.with_facts(BEFORE, broken=("old",))
    assert lab.judge(before, lab.with_facts(WELL, broken=("old",))).outcome is Outcome.PASS


def test_another_kernel_than_planned_is_lasting():
    finding = only(lab.with_facts(WELL, kernel="6.1.0-57"), "kernel-release")
    assert finding.lasting and finding.message == f"node2 runs kernel 6.1.0-57, planned was {lab.NEW}"


def test_same_boot_id_when_a_restart_was_planned():
    assert "has not been restarted" in only(lab.with_facts(WELL, boot_id="boot-2"), "kernel-boot").message


def test_a_restart_that_came_after_the_planned_one():
    assert lab.judge(BEFORE, WELL, boot_id=WELL.facts["node2"].boot_id).outcome is Outcome.PASS
    finding = only(WELL, "kernel-boot", boot_id="the-planned-one")
    assert finding.lasting and "restarted once more, and not by Friday" in finding.message


@pytest.mark.parametrize("silent", ["before", "after"])
def test_a_peer_that_did_not_answer_is_missing_evidence(silent):
    before, after = BEFORE, WELL
    if silent == "before":
        before = lab.with_facts(before, "node1", reach=(), unknown={"*": "timed out"})
    else:
        after = lab.with_facts(after, "node1", reach=(), unknown={"*": "timed out"})
    verdict = lab.judge(before, after)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    finding = next(f for f in lab.bad(verdict) if f.check == "node-network")
    assert finding.evidence[0].startswith(f"what node1 sees of node2 could not be read {silent} the upgrade: timed out")


def test_another_boot_id_when_none_was_planned():
    finding = only(lab.with_facts(BEFORE, boot_id="x"), "kernel-boot", target_kernel=lab.OLD)
    assert "although no restart was planned" in finding.message


@pytest.mark.parametrize(
    ("facts", "policy", "planned"),
    [
        ({}, Policy(), False),
        ({"reboot_required": True}, Policy(), True),
        ({}, Policy(reboot="always"), True),
    ],
)
def test_a_restart_is_planned_without_a_new_kernel(facts, policy, planned):
    before = lab.with_facts(BEFORE, **facts)
    verdict = lab.judge(before, lab.with_facts(before, boot_id="x"), target_kernel=lab.OLD, policy=policy)
    assert (verdict.outcome is Outcome.PASS) == planned


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("[  20.1] BUG: unable to handle page fault for address: ffff888000000000", Severity.FAIL),
        ("[  20.1] blk_update_request: I/O error, dev sda, sector 2048", Severity.FAIL),
        ("[  20.1] EXT4-fs error (device vda1): ext4_find_entry:1455", Severity.FAIL),
        ("[  20.1] mce: [Hardware Error]: Machine check events logged", Severity.FAIL),
        ("[  20.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [apt:812]", Severity.WARN),
        ("[  20.1] rcu: INFO: rcu_sched self-detected stall on CPU", Severity.WARN),
        ("[  20.1] I/O error, dev fd0, sector 0 op 0x0:(READ)", Severity.WARN),
        ("[  20.1] Extension MARK revision 0 not supported, missing kernel module?", Severity.FAIL),
        ("[  20.1] WARNING: CPU: 0 PID: 71 at net/core/dev.c:3219 skb_warn_bad_offload", Severity.WARN),
    ],
)
def test_new_lines_of_the_kernel_log(line, severity):
    after = lab.with_facts(WELL, kernel_log=(*WELL.facts["node2"].kernel_log, line))
    if severity is Severity.FAIL:
        finding = only(after, "kernel-log")
        assert finding.lasting and finding.evidence == (line[9:],)
    else:
        assert note(after, "kernel-log").severity is Severity.WARN


def test_a_line_that_was_there_before_is_not_new_with_other_numbers():
    before = lab.with_facts(BEFORE, kernel_log=("[ 1.5] I/O error, dev sda, sector 2048",))
    same = lab.with_facts(WELL, kernel_log=("2026-01-02T10:00:00+0000 node2 kernel: I/O error, dev sda, sector 4096",))
    assert lab.judge(before, same).outcome is Outcome.PASS
    other_disk = lab.with_facts(WELL, kernel_log=("[ 1.5] I/O error, dev sdb, sector 2048",))
    only(other_disk, "kernel-log", before=before)


def test_btf_is_gone():
    assert only(lab.with_facts(WELL, btf=False), "kernel-btf").lasting


@pytest.mark.parametrize(
    "arrays", [(), (RaidArray("md0", "active raid1", 2, 1),), (RaidArray("md0", "inactive", 2, 2),)]
)
def test_raid_is_worse(arrays):
    assert only(lab.with_facts(WELL, raid=arrays), "kernel-raid").subject == "array md0"


def test_a_raid_that_was_degraded_before_and_one_that_synchronises():
    degraded = (RaidArray("md0", "active raid1", 2, 1),)
    assert lab.judge(lab.with_facts(BEFORE, raid=degraded), lab.with_facts(WELL, raid=degraded)).outcome is Outcome.PASS
    syncing = lab.with_facts(WELL, raid=(RaidArray("md0", "active raid1", 2, 2, syncing=True),))
    assert "synchronising" in note(syncing, "kernel-raid").message


def test_failed_units_are_a_warning():
    finding = note(lab.with_facts(WELL, failed_units=("smartd.service",)), "failed-units")
    assert finding.severity is Severity.WARN and "smartd.service" in finding.message
    unasked = note(lab.with_facts(WELL, unknown={"failed_units": "not asked for"}), "failed-units")
    assert unasked.severity is Severity.INFO and "not asked for" in unasked.message


# -- BPF


def test_a_refusal_names_program_kernel_and_reason_once():
    finding = only(lab.with_agent(WELL, refusals=(lab.REFUSED, lab.REFUSED)), "bpf-verifier")
    assert finding.message == (
        "program cil_from_netdev was refused by kernel 6.12.107+deb13-cloud-amd64: "
        "BPF program is too large. Processed 1000001 insn"
    )
    assert finding.lasting and finding.layer is Layer.BPF
    assert finding.subject == "program cil_from_netdev" and finding.evidence == (lab.REFUSED,)


def test_two_refused_programs_are_two_findings():
    verdict = lab.judge(BEFORE, lab.with_agent(WELL, refusals=(lab.REFUSED, lab.REFUSED_IN_POD)))
    assert [finding.subject for finding in lab.bad(verdict)] == [
        "program cil_from_netdev",
        "program cil_from_container",
    ]
    assert lab.bad(verdict)[1].message.endswith("off=0 size=4, R1(id=0,off=0,r=0): R1 offset is outside of the packet")


def test_a_refusal_that_was_there_before_is_a_note():
    before = lab.with_agent(BEFORE, refusals=(lab.REFUSED,))
    assert "as before" in note(lab.with_agent(WELL, refusals=(lab.REFUSED,)), "bpf-verifier", before=before).message
    only(lab.with_agent(WELL, refusals=(lab.REFUSED_IN_POD,)), "bpf-verifier", before=before)


def test_a_refusal_counts_when_the_agent_does_not_answer():
    verdict = lab.judge(BEFORE, lab.with_agent(WELL, refusals=(lab.REFUSED,), error="timed out"))
    assert (verdict.outcome, verdict.cause.check) == (Outcome.FAIL, "bpf-verifier")


def test_refusals_as_observe_hands_them_on():
    reason = "BPF program is too large. Processed 1000001 insn"
    line = f"program cil_from_netdev: load program: argument list too long: {reason}"
    message = only(lab.with_agent(WELL, refusals=(line,)), "bpf-verifier").message
    assert message.endswith(f"+deb13-cloud-amd64: {reason}")


def test_a_refusal_without_a_program():
    finding = only(lab.with_agent(WELL, refusals=("BPF program is too large. Processed 1000001 insn",)), "bpf-verifier")
    assert finding.message.startswith("a BPF program was refused by kernel 6.12.107")


def test_the_verifier_in_the_kernel_log_belongs_to_bpf():
    line = "[ 30.1] verifier bug: REG INVARIANTS VIOLATION (alu): range bounds violation"
    finding = only(lab.with_facts(WELL, kernel_log=(line,)), "bpf-kernel-log")
    assert finding.layer is Layer.BPF and finding.lasting and finding.evidence == (line[8:],)


def test_a_program_of_the_host_is_gone():
    left = tuple(item for item in WELL.facts["node2"].bpf if item.device != "eth1")
    finding = only(lab.with_facts(WELL, bpf=left), "bpf-host-programs")
    assert (finding.subject, finding.lasting) == ("device eth1", False)
    assert finding.message == "program cil_from_netdev is no longer attached to eth1 (tc/ingress)"


def test_tcx_is_as_good_as_tc_and_devices_rules_of_units_come_and_go():
    moved = tuple(
        replace(item, hook=item.hook.replace("tc/", "tcx/"))
        for item in WELL.facts["node2"].bpf
        if item.hook != "cgroup/device"
    )
    assert lab.judge(BEFORE, lab.with_facts(WELL, bpf=moved)).outcome is Outcome.PASS


def test_a_pod_without_its_program():
    left = tuple(item for item in WELL.facts["node2"].bpf if not item.device.startswith("lxc"))
    finding = only(lab.with_facts(WELL, bpf=left), "bpf-pod-programs")
    assert "1 of 1 pods on node2 run without program cil_from_container" in finding.message


def test_pods_that_never_had_a_program_may_lack_it():
    bare = tuple(item for item in BEFORE.facts["node2"].bpf if not item.device.startswith("lxcaa0000"))
    before = lab.with_facts(BEFORE, bpf=bare)
    left = tuple(item for item in WELL.facts["node2"].bpf if not item.device.startswith("lxc"))
    assert lab.judge(before, lab.with_facts(WELL, bpf=left)).outcome is Outcome.PASS


def test_no_pod_on_the_node_is_said():
    pods = tuple(pod for pod in WELL.snapshot.pods if pod.name != "logs-2")
    before = lab.with_snapshot(BEFORE, pods=tuple(pod for pod in BEFORE.snapshot.pods if pod.name != "logs-2"))
    after = lab.with_snapshot(WELL, pods=pods)
    after = lab.with_facts(after, "node1", reach=after.facts["node1"].reach[:1])
    after = lab.with_agent(after, endpoints=after.snapshot.agents[0].endpoints[:1])
    assert note(after, "bpf-pod-programs", before=before).severity is Severity.INFO
    assert "no such pod is there now" in note(after, "node-network", before=before).message


def test_the_health_device_is_compared_by_name():
    health = BpfAttachment("tc/ingress", "lxc_health", "cil_from_container")
    before = lab.with_facts(BEFORE, bpf=(*BEFORE.facts["node2"].bpf, health))
    assert only(WELL, "bpf-host-programs", before=before).subject == "device lxc_health"


# -- agent and endpoints


def test_agent_not_ready_and_in_another_state():
    assert only(lab.with_agent(WELL, ready=False), "agent-ready").layer is Layer.AGENT
    assert only(lab.with_agent(WELL, state="Failure"), "agent-ready").after == "Failure"
    only(lab.with_agent(WELL, state=""), "agent-ready", Severity.UNKNOWN)
    assert note(lab.with_agent(WELL, version="1.16.0"), "agent-ready").severity is Severity.INFO


def test_a_pod_that_ran_before_the_restart_has_no_address():
    finding, unprobed = lab.bad(lab.judge(BEFORE, lab.with_pod(WELL, "logs-2", pod_ip="")))
    assert finding.check == "pod-sandboxes" and "is Running without an address" in finding.message
    assert (unprobed.check, unprobed.severity, unprobed.subject) == ("node-network", Severity.UNKNOWN, "pods of node2")
    initialising = lab.with_pod(WELL, "logs-2", pod_ip="", phase="Pending", waiting="PodInitializing")
    assert "pod-sandboxes" in lab.names(lab.judge(BEFORE, initialising))


def test_a_failing_controller_is_known_by_its_name_without_the_number():
    failing = {"endpoint-1263-regeneration-recovery": "regeneration recovery failed"}
    finding = only(lab.with_agent(WELL, failing_controllers=failing), "agent-controllers")
    assert finding.evidence == ("regeneration recovery failed",) and not finding.lasting
    before = lab.with_agent(BEFORE, failing_controllers={"endpoint-7-regeneration-recovery": "x"})
    note(lab.with_agent(WELL, failing_controllers=failing), "agent-controllers", before=before)


def test_restarts_count_from_the_restart_of_the_host():
    assert "2 times by itself" in note(lab.with_agent(WELL, restarts=3), "agent-restarts").message
    assert lab.judge(BEFORE, lab.with_agent(WELL, pod="cilium-x", restarts=1)).outcome is Outcome.PASS
    only(lab.with_agent(BEFORE, restarts=1), "agent-restarts", target_kernel=lab.OLD)


@pytest.mark.parametrize("field", ["routing", "kube_proxy_replacement"])
def test_the_datapath_is_chosen_as_before(field):
    only(lab.with_agent(WELL, **{field: "Tunnel"}), "agent-datapath")
    only(lab.with_agent(WELL, **{field: ""}), "agent-datapath", Severity.UNKNOWN)


def test_an_agent_that_could_not_be_asked_is_unknown_with_the_reason():
    verdict = lab.judge(BEFORE, lab.with_agent(WELL, error="exec: timed out after 20 s"))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert lab.names(verdict) == {check.name for check in CHECKS if "agents" in check.needs}
    assert all("exec: timed out after 20 s" in finding.message for finding in lab.bad(verdict))
    assert verdict.cause.check == "bpf-verifier" and "bpf-verifier" not in verdict.checks


def test_endpoints_of_host_and_pods_the_host_first():
    endpoints = tuple(replace(e, state="regenerating") for e in reversed(WELL.snapshot.agents[0].endpoints))
    found = lab.bad(lab.judge(BEFORE, lab.with_agent(WELL, endpoints=endpoints)))
    assert [finding.subject for finding in found] == ["host endpoint of node2", "monitoring/logs-2"]
    assert {finding.check for finding in found} == {"agent-endpoints"}


def test_missing_endpoints_of_host_and_pod():
    host, pod = WELL.snapshot.agents[0].endpoints
    assert only(lab.with_agent(WELL, endpoints=(pod,)), "agent-endpoints").message == (
        "the host endpoint of node2 is missing"
    )
    assert "knows no endpoint" in only(lab.with_agent(WELL, endpoints=(host,)), "agent-endpoints").message


def test_an_endpoint_that_goes_away_with_its_pod_is_let_go():
    leaving = AgentEndpoint(77, "web/old", "disconnecting")
    agent = WELL.snapshot.agents[0]
    assert lab.judge(BEFORE, lab.with_agent(WELL, endpoints=(*agent.endpoints, leaving))).outcome is Outcome.PASS


def test_health_contradicts_the_state():
    host, pod = WELL.snapshot.agents[0].endpoints
    only(lab.with_agent(WELL, endpoints=(host, replace(pod, health="Warning"))), "agent-endpoints")


def test_cilium_endpoints_of_the_node_alone():
    def state(name, value):
        endpoints = (replace(e, state=value) if e.name == name else e for e in WELL.snapshot.endpoints)
        return lab.with_snapshot(WELL, endpoints=tuple(endpoints))

    assert only(state("logs-2", "not-ready"), "cilium-endpoints").subject == "monitoring/logs-2"
    assert lab.judge(BEFORE, state("logs-3", "not-ready")).outcome is Outcome.PASS
    endpoints = tuple(e for e in WELL.snapshot.endpoints if e.name != "logs-2")
    assert "has no CiliumEndpoint" in only(lab.with_snapshot(WELL, endpoints=endpoints), "cilium-endpoints").message


def test_endpoints_that_were_not_ready_before_are_known_by_their_workload():
    stale = NetworkEndpoint("web", "web-7f9c4-zzzz", "node2", "not-ready")
    before = lab.with_snapshot(BEFORE, endpoints=(*BEFORE.snapshot.endpoints, stale))
    after = lab.with_snapshot(WELL, endpoints=(*WELL.snapshot.endpoints, stale))
    assert note(after, "cilium-endpoints", before=before).severity is Severity.WARN


# -- CNI and network


def test_nodes_are_ready_unless_friday_works_on_them():
    assert only(lab.with_node(WELL, "node2", ready=False), "nodes-ready").message == "node node2 is not Ready"
    assert "Unknown" in only(lab.with_node(WELL, "node3", ready=None), "nodes-ready").message
    sibling = lab.with_node(WELL, "node3", ready=False, unschedulable=True, cordoned_by=lab.RUN)
    assert note(sibling, "nodes-ready").severity is Severity.WARN
    gone = lab.with_snapshot(WELL, nodes=WELL.snapshot.nodes[:2])
    assert "is gone" in only(gone, "nodes-ready").message


def test_a_pod_hangs_in_container_creating():
    finding = only(lab.with_pod(WELL, "logs-2", waiting="ContainerCreating"), "pod-sandboxes")
    assert "monitoring/logs-2 on node2 is ContainerCreating" in finding.message
    host = lab.with_pod(WELL, "cilium-2", waiting="ContainerCreating")
    assert lab.judge(BEFORE, host).outcome is Outcome.PASS


@pytest.mark.parametrize(("kind", "check"), [("ping", "node-network"), ("dns", "dns")])
def test_what_was_reached_is_no_longer(kind, check):
    reach = tuple(
        replace(r, ok=False, error="i/o timeout") if r.kind == kind and not r.name.startswith("node") else r
        for r in WELL.facts["node2"].reach
    )
    found = lab.bad(lab.judge(BEFORE, lab.with_facts(WELL, reach=reach)))
    assert {finding.check for finding in found} == {check}
    assert all("i/o timeout" in finding.message and finding.evidence for finding in found)


def test_one_more_of_a_group_fails():
    reach = tuple(
        replace(r, ok=False) if r.target == WELL.facts["node2"].reach[2].target else r
        for r in WELL.facts["node2"].reach
    )
    assert only(lab.with_facts(WELL, reach=reach), "node-network").after == "1 of 2 answered"
    assert note(lab.with_facts(WELL, reach=reach), "node-network", before=lab.with_facts(BEFORE, reach=reach))


def test_a_group_of_which_nothing_is_left_fails_however_few_are_asked():
    def others(*answers):
        return tuple(Reach("ping", f"10.42.9.{i}", ok, name="pods on other nodes") for i, ok in enumerate(answers))

    before = lab.with_facts(BEFORE, reach=others(True, False))
    assert only(lab.with_facts(WELL, reach=others(False)), "node-network", before=before).after == "0 of 1 answered"
    none = lab.with_facts(BEFORE, reach=others(False))
    assert note(lab.with_facts(WELL, reach=others(False)), "node-network", before=none)


def test_the_peer_reaches_the_node_no_longer():
    node, *pods = WELL.facts["node1"].reach
    failed = replace(node, ok=False, error="timeout")
    finding = only(lab.with_facts(WELL, "node1", reach=(failed, *pods)), "node-network")
    assert finding.message == "ping from a surviving peer to node node2 fails: timeout"


def test_no_peer_is_missing_evidence():
    after = Observation(WELL.snapshot, {"node2": WELL.facts["node2"]})
    verdict = lab.judge(BEFORE, after)
    assert verdict.outcome is Outcome.INCONCLUSIVE and lab.names(verdict) == {"node-network"}


def test_another_peer_is_as_good_and_its_other_probes_do_not_count():
    other = HostFacts("node3", reach=(*WELL.facts["node1"].reach, Reach("ping", "192.168.77.119", False)))
    after = Observation(WELL.snapshot, {"node2": WELL.facts["node2"], "node3": other})
    assert lab.judge(BEFORE, after).outcome is Outcome.PASS


def test_a_group_of_probes_that_is_not_asked_again_is_unknown():
    reach = tuple(r for r in WELL.facts["node2"].reach if r.kind != "dns")
    verdict = lab.judge(BEFORE, lab.with_facts(WELL, reach=reach))
    assert verdict.outcome is Outcome.INCONCLUSIVE and lab.names(verdict) == {"dns"}


# -- webhooks and workloads


def webhook(**changes):
    return lab.with_snapshot(WELL, webhooks=(replace(WELL.snapshot.webhooks[0], **changes),))


def test_webhooks():
    finding = only(webhook(ready_endpoints=0), "webhooks")
    assert finding.subject == "webhook guard.lab" and "no ready endpoints of service guard/guard" in finding.message
    assert note(webhook(ready_endpoints=1), "webhooks").severity is Severity.WARN
    assert note(webhook(ready_endpoints=0, failure_policy="Ignore"), "webhooks").severity is Severity.WARN
    only(webhook(ready_endpoints=None), "webhooks", Severity.UNKNOWN)
    only(lab.with_snapshot(WELL, webhooks=()), "webhooks", Severity.UNKNOWN)


def test_a_webhook_by_url_is_a_note():
    by_url = webhook(service="", ready_endpoints=None)
    before = lab.with_snapshot(BEFORE, webhooks=by_url.snapshot.webhooks)
    assert note(by_url, "webhooks", before=before).severity is Severity.INFO


def test_an_api_is_not_available():
    first, second = WELL.snapshot.api_services
    lost = replace(second, available=False, message="endpoints for service/metrics-server have no addresses")
    finding = only(lab.with_snapshot(WELL, api_services=(first, lost)), "api-services")
    assert finding.subject == "API v1beta1.metrics.k8s.io" and "no addresses" in finding.message
    only(lab.with_snapshot(WELL, api_services=(first,)), "api-services")


def test_a_workload_lacks_more_than_before():
    finding = only(lab.with_workload(WELL, "web", available=2), "workloads")
    assert finding.message == "Deployment web/web has 2 of 3 available, before 3 of 3 available"
    same = lab.with_workload(BEFORE, "web", available=2)
    assert lab.judge(same, lab.with_workload(WELL, "web", available=2)).outcome is Outcome.PASS
    ignoring = Policy(ignore_workloads=("web/*",))
    assert lab.judge(BEFORE, lab.with_workload(WELL, "web", available=0), policy=ignoring).outcome is Outcome.PASS


def test_a_workload_is_gone():
    left = tuple(workload for workload in WELL.snapshot.workloads if workload.name != "web")
    only(lab.with_snapshot(WELL, workloads=left), "workloads", Severity.UNKNOWN)


def test_a_replica_that_finds_no_place_while_the_node_is_cordoned():
    pending = lab.with_pod(WELL, "web-7f9c4-dddd", node="", phase="Pending", ready=False, pod_ip="")
    pending = lab.with_workload(pending, "web", available=2)
    assert "wait for a node" in note(pending, "workloads").message
    only(lab.with_node(pending, "node2", unschedulable=False, cordoned_by=""), "workloads")


def test_a_replica_on_another_node_that_friday_works_on():
    sibling = lab.with_node(WELL, "node3", unschedulable=True, cordoned_by=lab.RUN)
    sibling = lab.with_workload(lab.with_pod(sibling, "logs-3", ready=False), "logs", available=2)
    assert note(sibling, "workloads").severity is Severity.WARN


def test_crash_loops():
    finding = only(lab.with_pod(WELL, "web-7f9c4-dddd", waiting="CrashLoopBackOff", restarts=4), "crash-loops")
    assert finding.message == "pod web/web-7f9c4-dddd on node3 is in CrashLoopBackOff (4 restarts)"
    before = lab.with_pod(BEFORE, "web-7f9c4-aaaa", waiting="CrashLoopBackOff")
    after = lab.with_pod(WELL, "web-7f9c4-dddd", waiting="CrashLoopBackOff")
    assert lab.judge(before, after).outcome is Outcome.PASS
    job = lab.pod("backup-1-x", "node3", "Job", "backup-1", waiting="CrashLoopBackOff")
    assert note(lab.with_snapshot(WELL, pods=(*WELL.snapshot.pods, job)), "crash-loops")


def test_pods_that_belong_to_the_node():
    finding = only(lab.with_pod(WELL, "kube-proxy-node2", ready=False, waiting="CreateContainerError"), "node-pods")
    assert finding.message == (
        "static pod kube-system/kube-proxy-node2 has a pod on node2 that is not ready (CreateContainerError)"
    )
    left = tuple(pod for pod in WELL.snapshot.pods if pod.name != "kube-proxy-node2")
    assert "any more" in only(lab.with_snapshot(WELL, pods=left), "node-pods").message
    renamed = lab.with_pod(WELL, "cilium-2", name="cilium-new")
    assert lab.judge(BEFORE, renamed).outcome is Outcome.PASS


# -- other clusters


def test_without_cilium_its_checks_are_not_asked_and_that_is_said():
    def plain(observation):
        facts = {host: replace(f, bpf=(), unknown={"bpf": "no bpftool"}) for host, f in observation.facts.items()}
        snapshot = replace(observation.snapshot, cni="", agents=(), endpoints=())
        return Observation(snapshot, facts)

    verdict = lab.judge(plain(BEFORE), plain(WELL))
    assert verdict.outcome is Outcome.PASS
    skipped = {check.name for check in CHECKS} - set(verdict.checks)
    assert skipped == {finding.check for finding in verdict.notes if finding.severity is Severity.INFO}
    assert skipped == {check.name for check in CHECKS if check.cilium_only} | {"bpf-host-programs", "bpf-pod-programs"}


def test_a_network_that_could_not_be_told_is_not_taken_for_another():
    def untold(observation):
        unknown = {"cni": "403 Forbidden"}
        return lab.with_snapshot(observation, cni="", agents=(), endpoints=(), unknown=unknown)

    verdict = lab.judge(untold(BEFORE), untold(WELL))
    assert verdict.outcome is Outcome.INCONCLUSIVE and "agent-ready" in lab.names(verdict)


def test_a_host_that_did_not_answer_at_all():
    after = lab.with_facts(WELL, unknown={"*": "unreachable: timed out"}, kernel="", boot_id="", bpf=(), reach=())
    verdict = lab.judge(BEFORE, after)
    assert (verdict.outcome, verdict.cause.layer) == (Outcome.INCONCLUSIVE, Layer.HOST)
    assert "timed out" in verdict.cause.message
    assert {check.name for check in CHECKS if any("facts" in n for n in check.needs)} <= lab.names(verdict)


def test_cilium_that_is_no_longer_seen_is_missing_evidence():
    verdict = lab.judge(BEFORE, lab.with_snapshot(WELL, cni="", agents=()))
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_the_name_of_the_host_can_differ_from_its_node():
    def renamed(observation):
        facts = {host.replace("node", "server"): f for host, f in observation.facts.items()}
        return Observation(observation.snapshot, facts)

    well = compare(renamed(BEFORE), renamed(WELL), "server2", lab.NEW, Policy(), node="node2")
    assert well.outcome is Outcome.PASS and len(well.checks) == len(CHECKS)
    incident = compare(renamed(BEFORE), renamed(lab.incident()), "server2", lab.NEW, Policy(), node="node2")
    assert incident.cause.check == "bpf-verifier"


def test_an_empty_cluster_has_nothing_to_say():
    nothing = Observation(Snapshot(0.0, ""), {})
    assert compare(nothing, nothing, "node2", lab.NEW, Policy()).outcome is Outcome.INCONCLUSIVE


def test_workloads_that_are_new_are_not_judged():
    new = lab.with_snapshot(WELL, workloads=(*WELL.snapshot.workloads, Workload("Deployment", "x", "new", 2, 0)))
    assert lab.judge(BEFORE, new).outcome is Outcome.PASS


@pytest.mark.parametrize(("field", "check"), [("kernel", "kernel-release"), ("boot_id", "kernel-boot")])
def test_what_is_empty_was_not_read_even_if_it_is_so_twice(field, check):
    same = lab.with_facts(BEFORE, **{field: ""})
    only(same, check, Severity.UNKNOWN, before=same, target_kernel=lab.OLD, reboot=False)
