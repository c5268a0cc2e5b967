# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which records of old runs are not needed any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.hold import lost_hosts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord


def surplus(records: Sequence[RunRecord], unreadable: Collection[str], keep: int) -> tuple[str, ...]:
    """The runs whose records may be deleted, the newest first.

    Kept are the last ``keep`` runs (an id begins with the time), and of runs that died and have left hosts under way
    the last ``keep`` too: only their records know in which state those hosts were left.

    Args:
        unreadable: runs whose records can't be read. They go when they are older than all that are kept: a prune that
            was cut short leaves such ones.
        keep: at least 1.
    """
    newest = sorted(records, key=lambda record: record.run, reverse=True)
    died = [record for record in newest if lost_hosts(record)]
    kept = {record.run for record in (*newest[:keep], *died[:keep])}
    surplus_ = [record.run for record in newest if record.run not in kept]
    if len(newest) >= keep:
        surplus_ += [run for run in unreadable if run < min(kept)]
    return tuple(sorted(surplus_, reverse=True))
