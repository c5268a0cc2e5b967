# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes are Ready and not cordoned, and pods get their sandboxes."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Severity
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, note, only, unhealthy


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


def test_a_pod_that_ran_before_the_restart_has_no_address():
    finding, unprobed = lab.bad(lab.judge(BEFORE, lab.with_pod(WELL, "logs-2", pod_ip="")))
    assert finding.check == "pod-sandboxes" and "is Running without an address" in finding.message
    assert (unprobed.check, unprobed.severity, unprobed.subject) == ("node-network", Severity.UNKNOWN, "pods of node2")
    initialising = lab.with_pod(WELL, "logs-2", pod_ip="", phase="Pending", waiting="PodInitializing")
    assert "pod-sandboxes" in lab.names(lab.judge(BEFORE, initialising))


@pytest.mark.parametrize(
    ("observation", "check", "text"),
    [
        (lab.with_node(HEALTHY, "node3", ready=False), "nodes-ready", "node3 is not Ready"),
        (lab.with_node(HEALTHY, "node3", ready=None), "nodes-ready", "Unknown"),
        (lab.with_node(HEALTHY, "node3", unschedulable=True), "cordons", "not by Friday"),
    ],
)
def test_what_keeps_a_friday_from_starting(observation, check, text):
    assert text in unhealthy(observation, check).message
