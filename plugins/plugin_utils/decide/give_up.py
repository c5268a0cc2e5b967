# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a host that did not get through."""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState, may_have_changed


def after_failure(record: HostRecord, left_before: bool) -> HostState:
    """``held`` when nothing on the host can have changed yet (it may be uncordoned), ``failed`` in every other case.

    Args:
        left_before: an earlier run had left the host cordoned. What that run has changed was not proven yet.
    """
    if left_before or may_have_changed(record.state, record.step):
        return HostState.FAILED
    return HostState.HELD


def lost_hosts(record: RunRecord) -> dict[str, HostRecord]:
    """Hosts that were begun and have come to no end: they became unreachable, or their rescue itself failed."""
    return {
        host: known
        for host, known in record.hosts.items()
        if not known.state.ended and (known.state is not HostState.PLANNED or known.step)
    }
