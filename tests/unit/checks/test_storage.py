# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes can be mounted on the node: its CSI drivers are registered, and no volume hangs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import CsiNode, VolumeAttachment
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, baseline_of, note, only

RBD, NFS = "rbd.csi.ceph.com", "nfs.csi.k8s.io"
ATTACHED = VolumeAttachment("csi-1", "node2", "pv-1", attached=True)
ATTACHING = replace(ATTACHED, attached=False)
DETACHING = replace(ATTACHED, detaching=True)
FAILED = replace(ATTACHING, error="rpc error: DeadlineExceeded")


def drivers(observation, *names, node="node2"):
    return lab.with_snapshot(observation, csi_nodes=(CsiNode("node1", (RBD,)), CsiNode(node, names)))


def volumes(observation, *attachments):
    return lab.with_snapshot(observation, volume_attachments=attachments)


def test_a_driver_that_was_registered_is_not():
    before = drivers(BEFORE, RBD, NFS)
    finding = only(drivers(WELL, NFS), "csi-drivers", before=before)
    assert finding.layer is Layer.STORAGE and not finding.lasting, "its pod may still be starting"
    assert finding.message == f"CSI driver {RBD} is no longer registered on node2: its volumes can't be mounted"
    gone = lab.judge(before, lab.with_snapshot(WELL, csi_nodes=()))
    assert [found.subject for found in lab.bad(gone)] == [f"CSI driver {RBD}", f"CSI driver {NFS}"]


def test_a_driver_that_is_new_and_one_of_another_node_are_nothing():
    assert lab.judge(drivers(BEFORE, RBD), drivers(WELL, NFS, RBD)).outcome is Outcome.PASS
    assert lab.judge(drivers(BEFORE, RBD, node="node3"), drivers(WELL, node="node3")).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("attachment", "severity", "text"),
    [
        (FAILED, Severity.FAIL, "volume pv-1 can't be attached to node2: rpc error: DeadlineExceeded"),
        (replace(DETACHING, error="busy"), Severity.FAIL, "volume pv-1 can't be detached from node2: busy"),
        (ATTACHING, Severity.UNKNOWN, "volume pv-1 is still being attached to node2"),
        (DETACHING, Severity.UNKNOWN, "volume pv-1 is still being detached from node2"),
        (replace(ATTACHING, volume=""), Severity.UNKNOWN, "volume csi-1 is still being attached to node2"),
    ],
)
def test_a_volume_that_hangs(attachment, severity, text):
    for before in (volumes(BEFORE), volumes(BEFORE, ATTACHED)):
        finding = only(volumes(WELL, attachment), "volume-attachments", severity, before=before)
        assert finding.message == text
        assert finding.evidence == ((attachment.error,) if attachment.error else ())


def test_a_volume_that_is_attached_or_gone_or_another_node_s_is_nothing():
    before = volumes(BEFORE, ATTACHED)
    others = (ATTACHED, replace(ATTACHED, name="csi-2", error="of an earlier attempt"), replace(FAILED, node="node3"))
    for after in ((), others):
        assert lab.judge(before, volumes(WELL, *after)).outcome is Outcome.PASS


def test_a_volume_that_hung_before_is_a_note():
    for hanging in (FAILED, ATTACHING, DETACHING):
        found = note(volumes(WELL, hanging), "volume-attachments", before=volumes(BEFORE, hanging))
        assert found.severity is Severity.WARN and found.message.endswith("(as before)")
    note(volumes(WELL, ATTACHING), "volume-attachments", before=volumes(BEFORE, FAILED))
    only(volumes(WELL, FAILED), "volume-attachments", before=volumes(BEFORE, ATTACHING))
    only(volumes(WELL, ATTACHING), "volume-attachments", Severity.UNKNOWN, before=volumes(BEFORE, DETACHING))


def test_before_the_start_a_volume_that_fails_is_a_note_and_one_on_its_way_is_nothing():
    healed = replace(ATTACHED, error="of an earlier attempt")
    verdict = baseline_of(volumes(HEALTHY, replace(FAILED, node="elsewhere"), ATTACHING, DETACHING, healed))
    assert verdict.outcome is Outcome.PASS
    assert [found.message for found in verdict.notes if found.check == "volume-attachments"] == [
        "volume pv-1 can't be attached to elsewhere: rpc error: DeadlineExceeded"
    ]
