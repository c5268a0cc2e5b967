# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delete the records of old runs from the cluster. What goes wrong with it is a warning, and stops nothing."""

from __future__ import annotations

from collections.abc import Collection

from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.retention import surplus
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


def prune(session: Session, keep: Collection[str]) -> None:
    """Keep the last records (``friday_keep_runs``), this run's among them. No journal on a controller is deleted.

    Args:
        keep: runs whose records stay in any case: those that have left hosts in the middle.
    """
    kept = {session.run, *keep}
    try:
        stored = cluster_record.read_stored(session.api(), session.namespace)
        surplus_runs = surplus(stored.runs, stored.records, session.policy.keep_runs)
        old = [run for run in surplus_runs if run not in kept]
        gone = cluster_record.prune(session.api(), session.namespace, old)
    except KubeError as error:
        Display().warning(f"records of old runs could not be deleted: {error.problem.line()}")
        return
    if gone:
        which = gone[0] if len(gone) == 1 else f"{len(gone)} runs, {gone[-1]} to {gone[0]}"
        session.recorder.tell(EventKind.NOTE, message=f"old records deleted (friday_keep_runs): {which}")
