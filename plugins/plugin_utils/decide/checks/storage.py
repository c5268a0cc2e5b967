# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer storage: volumes can be mounted on the node."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    Observation,
    Snapshot,
    VolumeAttachment,
)


class CsiDrivers(Check):
    """The CSI drivers that were registered on the node are: without, a pod waits for its volumes for ever.

    A driver's pod registers it anew after a boot. Until then the kubelet may still report the one of before.
    """

    layer = Layer.STORAGE
    name = "csi-drivers"
    needs = ("csi_nodes",)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare by name; a node without a CSINode has no driver."""
        now = _drivers(after.snapshot, context.node)
        for driver in _drivers(before.snapshot, context.node):
            if driver not in now:
                message = f"CSI driver {driver} is no longer registered on {context.node}: its volumes can't be mounted"
                yield self.finding(Severity.FAIL, f"CSI driver {driver}", message, "registered", "not registered")


class VolumesAttached(Check):
    """No volume hangs on its way to the node or from it. One that is gone has left with its pod."""

    layer = Layer.STORAGE
    name = "volume-attachments"
    needs = ("volume_attachments",)
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Name volumes that can't be attached or detached, as a note: pods that wait for them are workloads'."""
        for attachment in now.snapshot.volume_attachments:
            if attachment.error and _moving(attachment):
                yield self._finding(Severity.WARN, attachment)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """An error fails; what is still on its way may arrive, and is unknown until then."""
        known = {(old.name, old.detaching): old for old in before.snapshot.volume_attachments if _moving(old)}
        for new in after.snapshot.volume_attachments:
            if new.node != context.node or not _moving(new):
                continue
            old = known.get((new.name, new.detaching))
            if old and (old.error or not new.error):
                yield self._finding(Severity.WARN, new, " (as before)")
            else:
                yield self._finding(Severity.FAIL if new.error else Severity.UNKNOWN, new)

    def _finding(self, severity: Severity, attachment: VolumeAttachment, more: str = "") -> Finding:
        subject = f"volume {attachment.volume or attachment.name}"
        to_node = f"detached from {attachment.node}" if attachment.detaching else f"attached to {attachment.node}"
        state = f"can't be {to_node}: {attachment.error}" if attachment.error else f"is still being {to_node}"
        evidence = (attachment.error,) if attachment.error else ()
        return self.finding(severity, subject, f"{subject} {state}{more}", evidence=evidence)


def _drivers(snapshot: Snapshot, node: str) -> tuple[str, ...]:
    return next((each.drivers for each in snapshot.csi_nodes if each.node == node), ())


def _moving(attachment: VolumeAttachment) -> bool:
    return attachment.detaching or not attachment.attached
