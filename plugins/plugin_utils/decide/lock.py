# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock: does its holder live, and may it be broken?"""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import Life, Lock

_LOOK = "run friday.upgrade.status"


def life(lock: Lock | None, now: float) -> Life:
    """What one look at the lock tells (None: nobody holds it). ``now`` in seconds since the epoch, by our clock."""
    return lock.life(now) if lock else Life.FREE


def at_work(lock: Lock | None, now: float) -> str:
    """The run that holds the lock, unless it has abandoned it; empty when there is none."""
    return lock.run if lock and lock.life(now) is not Life.ABANDONED else ""


def refusals(run: str, reason: str, lock: Lock | None) -> tuple[Problem, ...]:
    """All reasons not to break the lock; empty when it may be. Whether its holder lives is none of them.

    Args:
        run: the run whose lock is meant, as a person has read it; nobody breaks a lock that they have not looked at.
        reason: why; it is recorded.
        lock: as it is now; None when it is free.
    """
    problems = []
    if not run:
        problems.append(Problem("friday_unlock_run", "is not set", f"name the run that holds the lock: {_LOOK}"))
    if not reason.strip():
        problems.append(Problem("friday_unlock_reason", "is not set", "say why, in a few words: it is recorded"))
    if lock is None:
        problems.append(Problem("lock", "is free: there is nothing to break", "run Friday"))
    elif not lock.run:
        fix = "ask its holder; to take it away anyway, delete the Lease friday with kubectl"
        problems.append(Problem("lock", f"is held by {lock.identity}, which is not a run of Friday", fix))
    elif run and run != lock.run:
        message = f"is {run}, but the lock is held by run {lock.run} of {lock.who}"
        problems.append(Problem("friday_unlock_run", message, f"look again: {_LOOK}"))
    return tuple(problems)
