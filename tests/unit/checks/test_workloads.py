# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing that ran before runs worse."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Workload
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, after_a_failed_canary, baseline_of, note, only, unhealthy


def test_a_workload_lacks_more_than_before():
    finding = only(lab.with_workload(WELL, "web", available=2), "workloads")
    assert finding.message == "Deployment web/web has 2 of 3 available (before: 3 of 3 available)"
    same = lab.with_workload(BEFORE, "web", available=2)
    assert lab.judge(same, lab.with_workload(WELL, "web", available=2)).outcome is Outcome.PASS
    ignoring = Policy(ignore_workloads=("web/*",))
    assert lab.judge(BEFORE, lab.with_workload(WELL, "web", available=0), policy=ignoring).outcome is Outcome.PASS


def test_a_workload_that_has_none_left_fails_whatever_its_pods_wait_for():
    pending = WELL
    for name in ("web-7f9c4-aaaa", "web-7f9c4-cccc", "web-7f9c4-dddd"):
        pending = lab.with_pod(pending, name, node="", phase="Pending", ready=False, pod_ip="")
    pending = lab.with_workload(pending, "web", available=0)
    assert "has none of 3 available" in only(pending, "workloads").message
    accepted = lab.judge(BEFORE, pending, policy=Policy(accept_outage=("node2",)))
    assert accepted.outcome is Outcome.PASS


def test_a_pod_that_the_cordoned_node_could_not_run_waits_for_something_else():
    elsewhere = {"node": "", "phase": "Pending", "ready": False, "pod_ip": "", "selector": (("pool", "gpu"),)}
    pending = lab.with_pod(WELL, "web-7f9c4-dddd", **elsewhere)
    only(lab.with_workload(pending, "web", available=2), "workloads")


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


def test_workloads_that_are_new_are_not_judged():
    new = lab.with_snapshot(WELL, workloads=(*WELL.snapshot.workloads, Workload("Deployment", "x", "new", 2, 0)))
    assert lab.judge(BEFORE, new).outcome is Outcome.PASS


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
    assert "no longer has a pod" in only(lab.with_snapshot(WELL, pods=left), "node-pods").message
    renamed = lab.with_pod(WELL, "cilium-2", name="cilium-new")
    assert lab.judge(BEFORE, renamed).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("observation", "check", "text"),
    [
        (lab.with_workload(HEALTHY, "web", available=2), "workloads", "2 of 3 available"),
    ],
)
def test_what_keeps_a_friday_from_starting(observation, check, text):
    assert text in unhealthy(observation, check).message


def test_a_replica_that_waits_for_the_cordoned_node():
    fixed = after_a_failed_canary(lab.upgraded())
    pending = lab.with_pod(fixed, "web-7f9c4-dddd", node="", phase="Pending", ready=False)
    pending = lab.with_workload(pending, "web", available=2)
    assert baseline_of(pending).outcome is Outcome.PASS
    unhealthy(lab.with_node(pending, "node2", unschedulable=False, cordoned_by=""), "workloads")
