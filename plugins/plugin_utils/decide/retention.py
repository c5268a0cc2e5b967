# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which records of old runs are not needed any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.give_up import lost_hosts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord


def surplus(runs: Sequence[str], records: Iterable[RunRecord], keep: int) -> tuple[str, ...]:
    """The runs whose records may be deleted, the newest first.

    Kept are the last ``keep`` runs, and of runs that died and have left hosts under way the last ``keep`` too: only
    their records know in which state those hosts were left.

    Args:
        runs: all that there are, the newest first.
        records: those that can be read. One that can't goes when it is older than all that are kept: a prune that was
            cut short leaves such ones.
        keep: at least 1.
    """
    known = {record.run: record for record in records}
    newest = [run for run in runs if run in known]
    died = [run for run in newest if lost_hosts(known[run])]
    kept = {*newest[:keep], *died[:keep]}
    oldest = max((place for place, run in enumerate(runs) if run in kept), default=0)
    torn = [run for run in runs[oldest + 1 :] if run not in known and len(newest) >= keep]
    return tuple(run for run in runs if run in torn or (run in known and run not in kept))
