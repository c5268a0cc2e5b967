# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a host that did not get through."""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, HostState, RunRecord

_HARMLESS_STEPS = ("", "before", "cordon", "drain", "uncordon")  # the last one: before the upgrade, to give it back


def after_failure(record: HostRecord, waited: bool) -> HostState:
    """``held`` when nothing on the host can have changed yet (it may be uncordoned), ``failed`` in every other case.

    The step counts, not the state alone: packages that are being upgraded have changed long before the state says so.

    Args:
        waited: an earlier run had left the host cordoned. What that run has changed was not proven yet.
    """
    if waited or record.state.touched or record.step not in _HARMLESS_STEPS:
        return HostState.FAILED
    return HostState.HELD


def lost_hosts(record: RunRecord) -> dict[str, HostRecord]:
    """Hosts that were begun and have come to no end: they became unreachable, or their rescue itself failed."""
    ended = (HostState.DONE, HostState.HELD, HostState.FAILED)
    return {
        host: known
        for host, known in record.hosts.items()
        if known.state not in ended and (known.state is not HostState.PLANNED or known.step)
    }
