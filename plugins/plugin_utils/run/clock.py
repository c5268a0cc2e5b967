# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two clocks of a run: one says when something happened, the other how long it took."""

from __future__ import annotations

import time

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper


def now() -> float:
    """Seconds since the epoch: when something happened."""
    return time.time()


def steady() -> float:
    """Seconds on a clock that is never set and keeps running while the controller sleeps: for durations."""
    return keeper.boottime()
