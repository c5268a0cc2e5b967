# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whole Fridays by ``decide`` alone: what a simulator plays is what a run does."""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import STEPS, HostState
from tests.unit.checks import three_nodes as lab
from tests.unit.decide.simulated import NODES, Cluster, Friday, states

FIRST, SECOND, THIRD = "20261127-160000-aaaa", "20261127-170000-bbbb", "20261127-180000-cccc"


def test_a_good_friday_ends_with_every_host_on_the_new_kernel_and_nothing_left_to_do() -> None:
    cluster = Cluster()
    friday = Friday(cluster, FIRST)
    assert friday.play() == ("pass", "3 hosts done, 0 skipped")
    assert states(friday.record()) == dict.fromkeys(NODES, HostState.DONE)
    assert {node.kernel for node in cluster.observed.snapshot.nodes} == {lab.NEW}
    assert not any(node.unschedulable for node in cluster.observed.snapshot.nodes)
    first = [event.data["step"] for event in friday.told if event.host == "node2" and event.kind is EventKind.STEP]
    assert first == [step.name for step in STEPS]
    assert Friday(cluster, SECOND).play()[0] == "nothing-to-do"


def test_the_incident_ends_at_the_canary_with_its_cause_and_touches_nobody_else() -> None:
    cluster = Cluster()
    cluster.broken = set(NODES)
    friday = Friday(cluster, FIRST)
    word, message = friday.play()
    assert word == "fail"
    canary = friday.made.plan.waves[0].hosts[0].host if friday.made else ""
    others = [name for name in NODES if name != canary]
    assert states(friday.record()) == {canary: HostState.FAILED, **dict.fromkeys(others, HostState.PLANNED)}
    assert canary in message and "BPF" in message
    cause = friday.verdicts[canary].cause
    assert cause is not None and cause.layer is Layer.BPF
    assert [n.name for n in cluster.observed.snapshot.nodes if n.unschedulable] == [canary]
    assert [n.name for n in cluster.observed.snapshot.nodes if n.kernel == lab.NEW] == [canary]


def test_after_the_fix_the_next_run_begins_with_what_failed_and_gets_all_through() -> None:
    cluster = Cluster()
    cluster.broken = set(NODES)
    stopped = Friday(cluster, FIRST)
    stopped.play()
    canary = next(host for host, state in states(stopped.record()).items() if state is HostState.FAILED)

    still = Friday(cluster, SECOND, records=(stopped.record(),), earlier=stopped.before)
    assert still.play() == ("fail", "1 problem to solve first; nothing was touched")
    assert still.made is not None and "BPF" in still.made.problems[0].message, "nothing was fixed"

    cluster.broken = set()
    cluster.reboot(canary)
    resumed = Friday(cluster, THIRD, records=(still.record(), stopped.record()), earlier=stopped.before)
    assert resumed.play() == ("pass", "3 hosts done, 0 skipped")
    assert resumed.made is not None
    assert resumed.made.plan.waves[0].hosts[0].host == canary
    assert resumed.made.resumes == {canary: FIRST}
    assert [node.kernel for node in cluster.observed.snapshot.nodes] == [lab.NEW] * 3


def test_a_cluster_that_changes_for_the_worse_after_its_last_host_is_no_pass() -> None:
    class Late(Friday):
        def _last_look(self, plan):  # type: ignore[no-untyped-def]
            self.cluster.broken = {"node2"}
            self.cluster._agents()
            return super()._last_look(plan)

    word, message = Late(Cluster(), FIRST).play()
    assert word == "fail"
    assert message.startswith("all 3 hosts done, but the last look failed: BPF")


def test_a_sick_cluster_is_refused_with_all_that_is_wrong() -> None:
    cluster = Cluster()
    cluster.observed = lab.with_node(cluster.observed, "node3", ready=False)
    cluster.observed = lab.with_workload(cluster.observed, "web", available=1)
    friday = Friday(cluster, FIRST)
    word, message = friday.play()
    assert word == "fail" and "nothing was touched" in message
    assert friday.made is not None and len(friday.made.problems) >= 2
    assert not any(event.kind is EventKind.STEP for event in friday.told)
