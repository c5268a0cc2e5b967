# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The baseline: what keeps a Friday from starting, all at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import RaidArray
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from tests.unit.checks import three_nodes as lab

HEALTHY = lab.healthy()


def judge(observation, **policy):
    return baseline(Policy(**policy), observation, lab.TARGETS)


def only(observation, check, severity=Severity.FAIL):
    (finding,) = lab.bad(judge(observation))
    assert (finding.check, finding.severity) == (check, severity)
    return finding


def webhook(**changes):
    return lab.with_snapshot(HEALTHY, webhooks=(replace(HEALTHY.snapshot.webhooks[0], **changes),))


def test_a_healthy_cluster_may_start_and_says_on_what():
    verdict = judge(HEALTHY)
    assert verdict.outcome is Outcome.PASS and len(verdict.checks) == 17


@pytest.mark.parametrize(
    ("observation", "check", "text"),
    [
        (lab.with_node(HEALTHY, "node3", ready=False), "nodes-ready", "node3 is not Ready"),
        (lab.with_node(HEALTHY, "node3", ready=None), "nodes-ready", "Unknown"),
        (lab.with_node(HEALTHY, "node3", unschedulable=True), "cordons", "not by Friday"),
        (lab.with_facts(HEALTHY, raid=(RaidArray("md0", "active raid1", 2, 1),)), "kernel-raid", "1 of 2 members"),
        (lab.with_facts(HEALTHY, bpf=()), "bpf-host-programs", "no BPF program"),
        (lab.with_agent(HEALTHY, ready=False), "agent-ready", "agent on node2"),
        (lab.with_agent(HEALTHY, state="Failure"), "agent-ready", "Failure"),
        (
            lab.with_agent(HEALTHY, failing_controllers={"endpoint-7-regeneration-recovery": "x"}),
            "agent-controllers",
            "fails: x",
        ),
        (webhook(ready_endpoints=0), "webhooks", "guard.lab"),
        (
            lab.with_snapshot(HEALTHY, api_services=(replace(HEALTHY.snapshot.api_services[0], available=False),)),
            "api-services",
            "v1.apps",
        ),
        (lab.with_workload(HEALTHY, "web", available=2), "workloads", "2 of 3 available"),
    ],
)
def test_what_keeps_it_from_starting(observation, check, text):
    assert text in only(observation, check).message


def test_endpoints_of_agents_and_cluster():
    agent = HEALTHY.snapshot.agents[1]
    endpoints = tuple(replace(e, state="waiting-to-regenerate") for e in agent.endpoints[:1])
    finding = only(lab.with_agent(HEALTHY, endpoints=endpoints + agent.endpoints[1:]), "agent-endpoints")
    assert finding.subject == "host endpoint of node2"
    first, *rest = HEALTHY.snapshot.endpoints
    only(lab.with_snapshot(HEALTHY, endpoints=(replace(first, state="not-ready"), *rest)), "cilium-endpoints")
    assert judge(lab.with_snapshot(HEALTHY, endpoints=tuple(rest))).outcome is Outcome.PASS


def test_everything_is_said_at_once():
    bad = lab.with_node(lab.with_workload(HEALTHY, "web", available=0), "node3", ready=False, unschedulable=True)
    assert lab.names(judge(bad)) == {"nodes-ready", "cordons", "workloads"}


def test_ignored_workloads_and_notes():
    bad = lab.with_workload(HEALTHY, "web", available=0)
    assert judge(bad, ignore_workloads=("web/w*",)).outcome is Outcome.PASS
    assert judge(bad, ignore_workloads=("web/x*",)).outcome is Outcome.FAIL
    crashing = judge(lab.with_pod(HEALTHY, "web-7f9c4-aaaa", waiting="CrashLoopBackOff"))
    assert crashing.outcome is Outcome.PASS and any(note.check == "crash-loops" for note in crashing.notes)
    assert judge(webhook(ready_endpoints=0, failure_policy="Ignore")).outcome is Outcome.PASS
    other = lab.with_agent(HEALTHY, failing_controllers={"sync-to-k8s-ciliumendpoint": "conflict"})
    assert judge(other).outcome is Outcome.PASS


def test_others_that_upgrade_by_themselves_are_a_note():
    for change, text in (
        ({"competing": ("kured", "unattended-upgrades")}, "kured, unattended-upgrades may upgrade or reboot node1"),
        ({"unknown": {"competing": "no systemctl"}}, "whether anything else upgrades or reboots node1 is not known"),
    ):
        facts = {**HEALTHY.facts, "node1": replace(HEALTHY.facts["node1"], **change)}
        verdict = judge(Observation(HEALTHY.snapshot, facts))
        (note,) = (note for note in verdict.notes if note.check == "competing")
        assert verdict.outcome is Outcome.PASS and note.message.startswith(text)


@pytest.mark.parametrize("field", ["nodes", "pods", "workloads", "endpoints", "webhooks", "api_services", "agents"])
def test_a_resource_that_could_not_be_read(field):
    verdict = judge(lab.with_snapshot(HEALTHY, **{field: (), "unknown": {field: "403 Forbidden"}}))
    assert verdict.outcome is Outcome.INCONCLUSIVE and "403 Forbidden" in verdict.cause.message


def test_hosts_agents_and_webhooks_that_could_not_be_read():
    facts = {host: facts for host, facts in HEALTHY.facts.items() if host != "node3"}
    unread = judge(Observation(HEALTHY.snapshot, facts))
    assert (unread.outcome, unread.cause.layer, unread.cause.subject) == (Outcome.INCONCLUSIVE, Layer.HOST, "node3")
    unasked = judge(lab.with_agent(HEALTHY, error="exec: 403"))
    assert unasked.outcome is Outcome.INCONCLUSIVE and "exec: 403" in unasked.cause.message
    assert judge(lab.with_snapshot(HEALTHY, agents=HEALTHY.snapshot.agents[:2])).outcome is Outcome.INCONCLUSIVE
    only(webhook(ready_endpoints=None), "webhooks", Severity.UNKNOWN)


def after_a_failed_canary(observation):
    """The cluster on the next run: all hosts and agents read again, node2 still cordoned."""
    agents = [next(a for a in observation.snapshot.agents if a.node == "node2"), *HEALTHY.snapshot.agents]
    unique = {agent.node: agent for agent in reversed(agents)}
    facts = {**HEALTHY.facts, "node2": observation.facts["node2"]}
    return Observation(replace(observation.snapshot, agents=tuple(unique.values())), facts)


def test_a_failed_canary_has_to_be_fixed_first():
    verdict = judge(after_a_failed_canary(lab.incident()))
    assert verdict.outcome is Outcome.FAIL and verdict.cause.check == "bpf-verifier"
    assert verdict.cause.message.startswith("program cil_from_netdev was refused by the kernel of node2: BPF program")
    assert {"bpf-host-programs", "cordons"} & {note.check for note in verdict.notes} == {"cordons"}


def test_after_the_fix_its_own_cordon_is_all_that_is_tolerated():
    fixed = after_a_failed_canary(lab.upgraded())
    verdict = judge(fixed)
    assert verdict.outcome is Outcome.PASS
    assert any(note.check == "cordons" and lab.RUN in note.message for note in verdict.notes)
    assert "repair it first" in only(lab.with_node(fixed, "node2", ready=False), "nodes-ready").message
    sick = lab.with_workload(lab.with_pod(fixed, "logs-2", ready=False), "logs", available=2)
    only(sick, "workloads")


def test_a_replica_that_waits_for_the_cordoned_node():
    fixed = after_a_failed_canary(lab.upgraded())
    pending = lab.with_pod(fixed, "web-7f9c4-dddd", node="", phase="Pending", ready=False)
    pending = lab.with_workload(pending, "web", available=2)
    assert judge(pending).outcome is Outcome.PASS
    only(lab.with_node(pending, "node2", unschedulable=False, cordoned_by=""), "workloads")


def test_a_refusal_that_the_agent_got_over_is_history():
    verdict = judge(lab.with_agent(HEALTHY, refusals=(lab.REFUSED,)))
    assert verdict.outcome is Outcome.PASS and any(note.check == "bpf-verifier" for note in verdict.notes)


def test_a_refusal_counts_when_the_agent_does_not_answer():
    verdict = judge(lab.with_agent(HEALTHY, refusals=(lab.REFUSED,), error="timed out"))
    assert (verdict.outcome, verdict.cause.check) == (Outcome.FAIL, "bpf-verifier")


def test_a_network_that_could_not_be_told_is_not_taken_for_another():
    observation = lab.with_snapshot(HEALTHY, cni="", agents=(), endpoints=(), unknown={"cni": "403 Forbidden"})
    assert judge(observation).outcome is Outcome.INCONCLUSIVE


def test_without_cilium_its_rules_are_not_asked():
    facts = {host: replace(f, bpf=(), unknown={"bpf": "no bpftool"}) for host, f in HEALTHY.facts.items()}
    verdict = judge(Observation(replace(HEALTHY.snapshot, cni="", agents=(), endpoints=()), facts))
    assert verdict.outcome is Outcome.PASS and "agent-ready" not in verdict.checks
    assert any(note.check == "agent-ready" and note.severity is Severity.INFO for note in verdict.notes)


def test_a_host_is_looked_at_from_outside_or_it_is_said_why_not():
    def asked(observation, peer):
        return baseline(Policy(), observation, lab.TARGETS[1:2], peer)

    assert not [note for note in asked(HEALTHY, "node1").notes if note.check == "peer"]
    alone = asked(HEALTHY, "")
    assert alone.outcome is Outcome.PASS and any("no other host" in n.message for n in alone.notes if n.check == "peer")
    silent = asked(lab.with_facts(HEALTHY, "node1", unknown={"*": "no route"}), "node1")
    assert silent.outcome is Outcome.INCONCLUSIVE
    assert silent.cause.message == "node1 could not look at node2 from outside: no route"


def test_what_an_earlier_run_may_have_broken_is_no_note_where_nobody_knows_how_it_was():
    probes = tuple(replace(probe, ok=False, error="no answer") for probe in HEALTHY.facts["node2"].reach[:1])
    broken = lab.with_facts(HEALTHY, "node2", reach=probes, kernel_log=("BUG: soft lockup",))
    assert probes
    assert baseline(Policy(), broken, lab.TARGETS[1:2], "node1").outcome is Outcome.PASS
    verdict = baseline(Policy(), broken, lab.TARGETS[1:2], "node1", left_by="20261122-161500-3f2a")
    failed = [found for found in (verdict.cause, *verdict.consequences) if found]
    assert verdict.outcome is Outcome.FAIL
    assert {found.check for found in failed} == {"kernel-log", "node-network"}
    assert all("whether it was so before run 20261122-161500-3f2a is not known here" in f.message for f in failed)
