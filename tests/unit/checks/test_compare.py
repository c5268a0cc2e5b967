# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The comparison as a whole: other clusters, other names, hosts that do not answer."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import WITH_CILIUM
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.compare import compare
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, WELL


def test_without_cilium_its_checks_are_not_asked_and_that_is_said():
    def plain(observation):
        facts = {host: replace(f, bpf=(), unknown={"bpf": "no bpftool"}) for host, f in observation.facts.items()}
        snapshot = replace(observation.snapshot, cni="", agents=(), endpoints=())
        return Observation(snapshot, facts)

    verdict = lab.judge(plain(BEFORE), plain(WELL))
    assert verdict.outcome is Outcome.PASS
    skipped = {check.name for check in lab.COMPARED} - set(verdict.checks)
    assert skipped == {finding.check for finding in verdict.notes if finding.severity is Severity.INFO}
    assert skipped == {check.name for check in lab.COMPARED if check.applies is WITH_CILIUM} | {
        "bpf-host-programs",
        "bpf-pod-programs",
        "cilium-endpoints",
    }


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
    assert {check.name for check in lab.COMPARED if any("facts" in n for n in check.needs)} <= lab.names(verdict)


def test_cilium_that_is_no_longer_seen_is_missing_evidence():
    verdict = lab.judge(BEFORE, lab.with_snapshot(WELL, cni="", agents=()))
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_the_name_of_the_host_can_differ_from_its_node():
    def renamed(observation):
        facts = {host.replace("node", "server"): f for host, f in observation.facts.items()}
        return Observation(observation.snapshot, facts)

    well = compare(renamed(BEFORE), renamed(WELL), "server2", lab.NEW, Policy(), node="node2")
    assert well.outcome is Outcome.PASS and len(well.checks) == len(lab.COMPARED)
    incident = compare(renamed(BEFORE), renamed(lab.incident()), "server2", lab.NEW, Policy(), node="node2")
    assert incident.cause.check == "bpf-verifier"


def test_an_empty_cluster_has_nothing_to_say():
    nothing = Observation(Snapshot(0.0, ""), {})
    assert compare(nothing, nothing, "node2", lab.NEW, Policy()).outcome is Outcome.INCONCLUSIVE


def test_what_is_accepted_by_name_is_found_and_marked_and_stops_nobody():
    after = lab.with_facts(lab.with_workload(WELL, "web", available=1), kernel_log=("[ 20.1] BUG: unable to handle",))
    assert lab.names(lab.judge(BEFORE, after)) == {"kernel-log", "workloads"}
    verdict = lab.judge(BEFORE, after, policy=Policy(accept=("kernel-log", "workloads")))
    assert verdict.outcome is Outcome.PASS and len(verdict.checks) == len(lab.COMPARED)
    marked = [note for note in verdict.notes if note.accepted]
    assert [(note.check, note.lasting) for note in marked] == [("kernel-log", False), ("workloads", False)]
    assert marked[0].evidence and marked[0].message.endswith("(accepted by friday_accept)")
