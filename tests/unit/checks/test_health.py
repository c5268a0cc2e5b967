# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The baseline: what keeps a Friday from starting, all at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.accept import offer
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline, refusals
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import HEALTHY, after_a_failed_canary, baseline_of, unhealthy


def test_a_healthy_cluster_may_start_and_says_on_what():
    verdict = baseline_of(HEALTHY)
    judging = [check for check in CHECKS if check.judges_health]
    assert verdict.outcome is Outcome.PASS and len(verdict.checks) >= 17
    assert verdict.checks == tuple(check.name for check in judging if check.name != "peer")  # nobody was to look


def test_everything_is_said_at_once():
    bad = lab.with_node(lab.with_workload(HEALTHY, "web", available=0), "node3", ready=False, unschedulable=True)
    assert lab.names(baseline_of(bad)) == {"nodes-ready", "cordons", "workloads"}


def test_ignored_workloads_and_notes():
    bad = lab.with_workload(HEALTHY, "web", available=0)
    assert baseline_of(bad, ignore_workloads=("web/w*",)).outcome is Outcome.PASS
    assert baseline_of(bad, ignore_workloads=("web/x*",)).outcome is Outcome.FAIL
    crashing = baseline_of(lab.with_pod(HEALTHY, "web-7f9c4-aaaa", waiting="CrashLoopBackOff"))
    assert crashing.outcome is Outcome.PASS and any(note.check == "crash-loops" for note in crashing.notes)
    other = lab.with_agent(HEALTHY, failing_controllers={"sync-to-k8s-ciliumendpoint": "conflict"})
    assert baseline_of(other).outcome is Outcome.PASS


@pytest.mark.parametrize("field", ["nodes", "pods", "workloads", "endpoints", "webhooks", "api_services", "agents"])
def test_a_resource_that_could_not_be_read(field):
    verdict = baseline_of(lab.with_snapshot(HEALTHY, **{field: (), "unknown": {field: "403 Forbidden"}}))
    assert verdict.outcome is Outcome.INCONCLUSIVE and "403 Forbidden" in verdict.cause.message


def test_hosts_and_agents_that_could_not_be_read():
    facts = {host: facts for host, facts in HEALTHY.facts.items() if host != "node3"}
    unread = baseline_of(Observation(HEALTHY.snapshot, facts))
    assert (unread.outcome, unread.cause.layer, unread.cause.subject) == (Outcome.INCONCLUSIVE, Layer.HOST, "node3")
    unasked = baseline_of(lab.with_agent(HEALTHY, error="exec: 403"))
    assert unasked.outcome is Outcome.INCONCLUSIVE and "exec: 403" in unasked.cause.message
    assert baseline_of(lab.with_snapshot(HEALTHY, agents=HEALTHY.snapshot.agents[:2])).outcome is Outcome.INCONCLUSIVE


def test_a_failed_canary_has_to_be_fixed_first():
    verdict = baseline_of(after_a_failed_canary(lab.incident()))
    assert verdict.outcome is Outcome.FAIL and verdict.cause.check == "bpf-verifier"
    assert verdict.cause.message.startswith("program cil_from_netdev was refused by the kernel of node2: BPF program")
    assert {"bpf-host-programs", "cordons"} & {note.check for note in verdict.notes} == {"cordons"}


def test_after_the_fix_its_own_cordon_is_all_that_is_tolerated():
    fixed = after_a_failed_canary(lab.upgraded())
    verdict = baseline_of(fixed)
    assert verdict.outcome is Outcome.PASS
    assert any(note.check == "cordons" and lab.RUN in note.message for note in verdict.notes)
    assert "fix it first" in unhealthy(lab.with_node(fixed, "node2", ready=False), "nodes-ready").message
    sick = lab.with_workload(lab.with_pod(fixed, "logs-2", ready=False), "logs", available=2)
    unhealthy(sick, "workloads")


def test_a_network_that_could_not_be_told_is_not_taken_for_another():
    observation = lab.with_snapshot(HEALTHY, cni="", agents=(), endpoints=(), unknown={"cni": "403 Forbidden"})
    assert baseline_of(observation).outcome is Outcome.INCONCLUSIVE


def test_without_cilium_its_rules_are_not_asked():
    facts = {host: replace(f, bpf=(), unknown={"bpf": "no bpftool"}) for host, f in HEALTHY.facts.items()}
    verdict = baseline_of(Observation(replace(HEALTHY.snapshot, cni="", agents=(), endpoints=()), facts))
    assert verdict.outcome is Outcome.PASS and "agent-ready" not in verdict.checks
    assert any(note.check == "agent-ready" and note.severity is Severity.INFO for note in verdict.notes)


def test_what_an_earlier_run_may_have_broken_is_no_note_where_nobody_knows_how_it_was():
    probes = tuple(replace(probe, ok=False, error="no answer") for probe in HEALTHY.facts["node2"].reach[:1])
    broken = lab.with_facts(HEALTHY, "node2", reach=probes, kernel_log=("BUG: soft lockup",))
    assert probes
    assert baseline(Policy(), broken, lab.TARGETS[1:2], "node1").outcome is Outcome.PASS
    verdict = baseline(Policy(), broken, lab.TARGETS[1:2], "node1", left_by="20261122-161500-3f2a")
    failed = [found for found in (verdict.cause, *verdict.consequences) if found]
    assert verdict.outcome is Outcome.FAIL
    assert {found.check for found in failed} == {"kernel-log", "node-network"}
    assert all("whether this was already so before run 20261122-161500-3f2a is unknown" in f.message for f in failed)


def test_what_is_accepted_by_name_is_found_and_marked_and_keeps_nobody_from_starting():
    bad = lab.with_workload(lab.with_node(HEALTHY, "node3", unschedulable=True), "web", available=0)
    assert lab.names(baseline_of(bad, accept=("cordons",))) == {"workloads"}
    verdict = baseline_of(bad, accept=("cordons", "workloads"))
    marked = [note for note in verdict.notes if note.accepted]
    assert verdict.outcome is Outcome.PASS and {note.check for note in marked} == {"cordons", "workloads"}
    assert all(note.message.endswith(" (accepted by friday_accept)") for note in marked)
    crashing = baseline_of(lab.with_pod(HEALTHY, "web-7f9c4-aaaa", waiting="CrashLoopBackOff"), accept=("crash-loops",))
    assert [note.accepted for note in crashing.notes if note.check == "crash-loops"] == [False], (
        "it stops nothing anyway"
    )
    unread = lab.with_snapshot(HEALTHY, api_services=(), unknown={"api_services": "503"})
    verdict = baseline_of(unread, accept=("api-services",))
    assert verdict.outcome is Outcome.PASS and "api-services" not in verdict.checks
    assert "503" in next(note for note in verdict.notes if note.accepted).message


def test_each_problem_has_the_line_that_accepts_it_where_that_makes_sense():
    bad = lab.with_workload(lab.with_node(HEALTHY, "node3", unschedulable=True), "web", available=0)
    fixes = {problem.subject: problem.fix for problem in refusals(baseline_of(bad), accept=("dns",))}
    start = "fix this first: the cluster must be healthy before an upgrade starts"
    accepting = "; or accept it, if it is known and harmless: friday_accept: "
    assert fixes == {
        "node3": f"{start}{accepting}[dns, cordons]",
        "Deployment web/web": f"{start}{accepting}[dns, workloads]",
    }
    (problem,) = refusals(baseline_of(lab.with_facts(HEALTHY, bpf=())))
    assert problem.fix == start, "a node without its programs is not to be accepted"
    assert refusals(baseline_of(HEALTHY)) == []


def test_many_checks_at_once_are_an_outage_that_nobody_accepts():
    def of(*names):
        first, *rest = (Finding(Layer.DNS, name, "x", Severity.FAIL, "m") for name in names)
        return Verdict(Outcome.FAIL, first, tuple(rest))

    assert offer(of("dns", "dns", "webhooks", "workloads")) == "friday_accept: [dns, webhooks, workloads]"
    assert offer(of("dns", "webhooks", "workloads", "node-pods")) == ""
    assert offer(of("dns", "kernel-boot")) == "", "one of them must be fixed"
    assert offer(of("final-look")) == "", "not a check"
    assert offer(Verdict(Outcome.PASS)) == ""
