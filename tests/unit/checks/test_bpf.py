# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verifier let the programs in, and they are attached where they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import BpfAttachment
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, baseline_of, note, only, unhealthy


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
    assert "no such pod exists now" in note(after, "node-network", before=before).message


def test_the_health_device_is_compared_by_name():
    health = BpfAttachment("tc/ingress", "lxc_health", "cil_from_container")
    before = lab.with_facts(BEFORE, bpf=(*BEFORE.facts["node2"].bpf, health))
    assert only(WELL, "bpf-host-programs", before=before).subject == "device lxc_health"


@pytest.mark.parametrize(
    ("observation", "check", "text"),
    [
        (lab.with_facts(HEALTHY, bpf=()), "bpf-host-programs", "no BPF program"),
    ],
)
def test_what_keeps_a_friday_from_starting(observation, check, text):
    assert text in unhealthy(observation, check).message


def test_a_refusal_that_the_agent_got_over_is_history():
    verdict = baseline_of(lab.with_agent(HEALTHY, refusals=(lab.REFUSED,)))
    assert verdict.outcome is Outcome.PASS and any(note.check == "bpf-verifier" for note in verdict.notes)


def test_a_refusal_keeps_a_friday_from_starting_when_the_agent_does_not_answer():
    verdict = baseline_of(lab.with_agent(HEALTHY, refusals=(lab.REFUSED,), error="timed out"))
    assert (verdict.outcome, verdict.cause.check) == (Outcome.FAIL, "bpf-verifier")


def chained(observation, salt, into_netns=True, prefix="eni"):
    """The pods' devices as another plugin has named them, anew for each pod."""

    def renamed(item):
        if not item.device.startswith("lxc"):
            return replace(item, into_netns=False if item.device and into_netns is not None else None)
        return replace(item, device=f"{prefix}{salt}{item.device[-4:]}", into_netns=into_netns)

    return lab.with_facts(observation, bpf=tuple(map(renamed, observation.facts["node2"].bpf)))


@pytest.mark.parametrize(("into_netns", "prefix"), [(True, "p"), (None, "eni"), (None, "azv"), (None, "gke")])
def test_a_pods_device_is_known_by_where_it_leads_whatever_it_is_called(into_netns, prefix):
    before, after = chained(BEFORE, "aa", into_netns, prefix), chained(WELL, "bb", into_netns, prefix)
    assert lab.judge(before, after).outcome is Outcome.PASS
    bare = tuple(item for item in after.facts["node2"].bpf if not item.device.startswith(prefix))
    assert (
        "pods on node2 run without program"
        in only(lab.with_facts(after, bpf=bare), "bpf-pod-programs", before=before).message
    )


def test_a_pods_device_is_known_by_the_agents_endpoint():
    def named(observation, salt):
        (host, *pods) = next(a for a in observation.snapshot.agents if a.node == "node2").endpoints
        devices = [item.device for item in observation.facts["node2"].bpf if item.device.startswith("lxc")]
        given = {device: f"{salt}{number}" for number, device in enumerate(devices)}
        facts = tuple(replace(i, device=given.get(i.device, i.device)) for i in observation.facts["node2"].bpf)
        endpoints = (host, *(replace(e, device=given[d]) for e, d in zip(pods, devices, strict=True)))
        return lab.with_facts(lab.with_agent(observation, endpoints=endpoints), bpf=facts)

    assert lab.judge(named(BEFORE, "old"), named(WELL, "new")).outcome is Outcome.PASS


def test_a_device_of_the_host_is_compared_by_name_though_it_is_called_like_a_pods():
    uplink = BpfAttachment("tc/ingress", "eni0", "cil_from_netdev", into_netns=False)
    before = lab.with_facts(BEFORE, bpf=(*BEFORE.facts["node2"].bpf, uplink))
    assert only(WELL, "bpf-host-programs", before=before).subject == "device eni0"


def test_the_health_device_keeps_its_name_though_it_leads_into_a_namespace():
    health = BpfAttachment("tcx/ingress", "lxc_health", "cil_from_container", into_netns=True)
    before = lab.with_facts(BEFORE, bpf=(*BEFORE.facts["node2"].bpf, health))
    assert only(WELL, "bpf-host-programs", before=before).subject == "device lxc_health"
