# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at the whole cluster until it has settled, or there is no more time."""

from __future__ import annotations

import time

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.session import BASELINE_FILE, Session

_PAUSE = 10  # seconds between two looks


def settled(session: Session, patience: float) -> tuple[Snapshot, Verdict]:
    """The cluster and its health, as soon as that passes or ``patience`` (seconds) is over. Raises KubeError.

    The facts of the hosts are those of the survey: what is watched here is the cluster.
    """
    seen = session.load(Observation, BASELINE_FILE)
    deadline = time.monotonic() + patience
    while True:
        snapshot = read_snapshot(session.api())
        health = baseline(session.policy, Observation(snapshot, seen.facts if seen else {}), session.targets())
        if health.outcome is Outcome.PASS or time.monotonic() >= deadline:
            return snapshot, health
        time.sleep(_PAUSE)
