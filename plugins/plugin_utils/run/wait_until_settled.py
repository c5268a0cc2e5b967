# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at the whole cluster until it has settled, or there is no more time."""

from __future__ import annotations

import time
from collections.abc import Collection

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import BASELINE_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


def settled(session: Session, patience: float, hosts: Collection[str] = ()) -> tuple[Snapshot, Verdict]:
    """The cluster and its health, as soon as that passes or ``patience`` (seconds) is over.

    Raises KubeError when the API server did not answer until then. A run that is halted does not wait.

    The cluster as a whole is watched; of the hosts, with their agents, those in ``hosts``, with the facts of the
    survey.
    """
    targets = [target for target in session.files.targets() if target.host in hosts]
    seen = session.files.load(Observation, BASELINE_FILE)
    deadline = time.monotonic() + patience
    while True:
        try:
            snapshot = read_snapshot(session.api(), cni_nodes={target.node for target in targets})
        except KubeError:
            if time.monotonic() >= deadline or session.pause.halted():
                raise
            session.pause.rest(session.policy.check_interval)
            continue
        health = baseline(session.policy, Observation(snapshot, seen.facts if seen else {}), targets)
        if health.outcome is Outcome.PASS or time.monotonic() >= deadline or session.pause.halted():
            return snapshot, health
        session.pause.rest(session.policy.check_interval)
