# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's and every pod's part of the datapath is in place."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import AgentEndpoint, NetworkEndpoint
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, baseline_of, note, only, unhealthy


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
    assert "has no endpoint for pod" in only(lab.with_agent(WELL, endpoints=(host,)), "agent-endpoints").message


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


def test_endpoints_of_agents_and_cluster():
    agent = HEALTHY.snapshot.agents[1]
    endpoints = tuple(replace(e, state="waiting-to-regenerate") for e in agent.endpoints[:1])
    finding = unhealthy(lab.with_agent(HEALTHY, endpoints=endpoints + agent.endpoints[1:]), "agent-endpoints")
    assert finding.subject == "host endpoint of node2"
    first, *rest = HEALTHY.snapshot.endpoints
    unhealthy(lab.with_snapshot(HEALTHY, endpoints=(replace(first, state="not-ready"), *rest)), "cilium-endpoints")
    assert baseline_of(lab.with_snapshot(HEALTHY, endpoints=tuple(rest))).outcome is Outcome.PASS


def test_a_cluster_that_keeps_no_cilium_endpoints_is_told_and_not_warned_of_every_pod():
    """The agent's option disable-endpoint-crd: there is none before, and none after."""
    before, after = (lab.with_snapshot(each, endpoints=()) for each in (BEFORE, WELL))
    assert note(after, "cilium-endpoints", before=before).severity is Severity.INFO
    notes = [each for each in baseline_of(before).notes if each.check == "cilium-endpoints"]
    assert [each.severity for each in notes] == [Severity.INFO] and "disable-endpoint-crd" in notes[0].message


def test_cilium_endpoints_that_are_gone_or_unread_are_not_taken_for_switched_off():
    gone = lab.with_snapshot(WELL, endpoints=())
    assert "has no CiliumEndpoint" in only(gone, "cilium-endpoints").message
    unread = lab.with_snapshot(WELL, endpoints=(), unknown={"endpoints": "403"})
    before = lab.with_snapshot(BEFORE, endpoints=())
    assert only(unread, "cilium-endpoints", Severity.UNKNOWN, before=before)
    untold = lab.with_snapshot(BEFORE, cni="", endpoints=(), unknown={"cni": "403"})
    assert "cilium-endpoints" in lab.judge(untold, untold).checks
