# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before a reboot: what others did to the node meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drain
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.recheck import needed, refusals, unknown
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import PlannedHost
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot
from tests.unit.checks import three_nodes as lab

PLANNED = PlannedHost("node2", "node2", "zone-b", "", lab.OLD, lab.NEW, True, uid="one")
FOUND = lab.with_node(lab.healthy(), "node2", uid="one")


def drained(**changes: Any) -> Snapshot:
    """node2 as the drain left it, with changes to its Node object."""
    seen: Observation = lab.with_node(lab.upgraded(FOUND), "node2", **{"uid": "one", **changes})
    leaving = {pod.name for pod in drain(Policy(), seen.snapshot, "node2").evict}
    return replace(seen.snapshot, pods=tuple(pod for pod in seen.snapshot.pods if pod.name not in leaving))


def refused(snapshot: Snapshot) -> tuple[str, ...]:
    return refusals(Policy(), snapshot, PLANNED, lab.RUN)


def test_a_node_that_is_as_the_drain_left_it_reboots() -> None:
    assert refused(drained()) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unschedulable": False, "cordoned_by": ""}, "node2 was uncordoned by somebody else"),
        ({"unschedulable": False}, "node2 was uncordoned by somebody else"),
        ({"cordoned_by": ""}, "node2 was cordoned by somebody else"),
        ({"cordoned_by": "another"}, "node2 was cordoned by run another"),
        ({"uid": "two"}, "node2 is not the planned Node object: it was deleted and registered again"),
    ],
)
def test_what_somebody_did_to_the_node_is_named(changes: dict[str, Any], message: str) -> None:
    assert refused(drained(**changes)) == (message,)


def test_a_pod_that_came_meanwhile_is_named_with_what_let_it_in() -> None:
    snapshot = drained(unschedulable=False, cordoned_by="")
    pods = tuple(lab.pod(f"web-{number}", "node2", "ReplicaSet", "web", "web") for number in range(7))
    found = refused(replace(snapshot, pods=(*snapshot.pods, *pods)))
    assert found == (
        "node2 was uncordoned by somebody else",
        "node2 is no longer empty: web/web-0, web/web-1, web/web-2, web/web-3, web/web-4 and 2 more",
    )


def test_a_pod_that_tolerates_the_cordon_is_no_reason_to_stop() -> None:
    """It comes back after each eviction: an operator of the network, for one."""
    snapshot = drained()
    operator = lab.pod("cilium-operator-1", "node2", "ReplicaSet", "cilium-operator", "kube-system")
    assert refused(replace(snapshot, pods=(*snapshot.pods, replace(operator, tolerates_cordon=True)))) == ()
    assert len(refused(replace(snapshot, pods=(*snapshot.pods, operator)))) == 1


def test_a_node_that_is_gone_is_all_there_is_to_say() -> None:
    snapshot = drained()
    gone = replace(snapshot, nodes=tuple(node for node in snapshot.nodes if node.name != "node2"))
    assert refused(gone) == ("node2 is no longer a node of the cluster",)


@pytest.mark.parametrize("what", ["nodes", "pods"])
def test_what_could_not_be_read_is_no_answer(what: str) -> None:
    assert "no answer" in unknown(replace(drained(), unknown={what: "no answer"}))
    assert unknown(drained()) == ""


@pytest.mark.parametrize(
    ("planned", "upgraded", "expected"),
    [(True, {}, True), (False, {}, False), (False, {"reboot_required": True}, True), (True, {"failed": False}, True)],
)
def test_a_reboot_is_planned_or_turns_out_to_be_needed(planned: bool, upgraded: dict[str, Any], expected: bool) -> None:
    host = PlannedHost("node2", "node2", "zone-b", "", lab.OLD, lab.OLD, planned)
    assert needed(host, upgraded) is expected
