# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's life in a run: the steps that it goes through, in order, and the states that they lead to.

This is the only list of them. What a step or a state means (is the node cordoned, may the host have changed) is asked
here; how it is put in words is up to the tables of texts, which a test holds complete.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class HostState(str, enum.Enum):
    """Where a host is in a run. ``failed`` and ``held`` can follow from anywhere; the others in this order."""

    PLANNED = "planned"
    CORDONED = "cordoned"
    DRAINED = "drained"
    UPGRADED = "upgraded"
    REBOOTED = "rebooted"
    VERIFIED = "verified"
    SOAKED = "soaked"
    DONE = "done"
    HELD = "held"  # stopped before anything on it was changed; this run's cordon is off again
    FAILED = "failed"  # stopped after something changed (or may have); still cordoned

    @property
    def touched(self) -> bool:
        """True when the host may differ from how it was before the run (cordon aside)."""
        return self not in (HostState.PLANNED, HostState.CORDONED, HostState.DRAINED, HostState.HELD)

    @property
    def stopped(self) -> bool:
        """True when the host did not get through."""
        return self in (HostState.HELD, HostState.FAILED)

    @property
    def ended(self) -> bool:
        """True when nothing more happens to the host in the run."""
        return self is HostState.DONE or self.stopped

    @property
    def under_way(self) -> bool:
        """True between the first change to the node and the host's end."""
        return self is not HostState.PLANNED and not self.ended

    @property
    def cordoned(self) -> bool:
        """True when the run's own cordon is on the node."""
        return self.under_way or self is HostState.FAILED

    def precedes(self, other: HostState) -> bool:
        """True when a host that gets through is in this state before it is in the other."""
        return _ORDER[self] < _ORDER[other]


_ORDER = {state: place for place, state in enumerate(HostState)}


@dataclass(frozen=True)
class Step:
    """One step in a host's life.

    Attributes:
        name: as events, roles and reports have it.
        reaches: the state after it. A step without a state of its own has that of the next one.
        changes_host: it changes what is installed or running: once it has begun, the host may differ.
        recorded: the record in the cluster must know that it has begun, so that another controller can tell after a
            kill. A step whose beginning tells nothing new is only in the journal.
        needs_node: the node must answer while it lasts.
        seconds: what it takes on an ordinary machine, for estimates; what grows with the work is added to it.
    """

    name: str
    reaches: HostState
    changes_host: bool = False
    recorded: bool = False
    needs_node: bool = True
    seconds: int = 0


BEFORE = Step("before", HostState.CORDONED)
CORDON = Step("cordon", HostState.CORDONED, seconds=30)
DRAIN = Step("drain", HostState.DRAINED)
UPGRADE = Step("upgrade", HostState.UPGRADED, changes_host=True, recorded=True, seconds=60)
RECHECK = Step("recheck", HostState.REBOOTED, seconds=5)
REBOOT = Step("reboot", HostState.REBOOTED, changes_host=True, recorded=True, needs_node=False, seconds=180)
VERIFY = Step("verify", HostState.VERIFIED, seconds=90)
SOAK = Step("soak", HostState.SOAKED)
UNCORDON = Step("uncordon", HostState.DONE, recorded=True)

STEPS = (BEFORE, CORDON, DRAIN, UPGRADE, RECHECK, REBOOT, VERIFY, SOAK, UNCORDON)
"""All of them, in the order of playbooks/friday.yml."""

LAST = Step("last", HostState.DONE)
"""The last look at a host, when all are done. Not a step of its life: nothing follows from it for the host itself."""

PHASES = (BEFORE, VERIFY, SOAK, LAST)
"""What looks at a host until it is clear how it is."""

_BY_NAME = {step.name: step for step in STEPS}


def find(name: str) -> Step | None:
    """The step of that name; None when there is none: no step was begun, or a newer Friday knows more of them."""
    return _BY_NAME.get(name)


def in_hand(state: HostState, name: str) -> Step | None:
    """The step (by its name) that was begun last and is not known to have ended; None when there is none."""
    step = find(name)
    return step if step and not state.ended and state.precedes(step.reaches) else None


def may_have_changed(state: HostState, name: str) -> bool:
    """Whether the run may have changed the host, given its state and the step that was begun last.

    The step counts, not the state alone: packages that are being upgraded have changed long before the state says so.
    A step that is not known here is one of a newer Friday, and counts as a change.
    """
    if state.touched:
        return True
    if name in ("", UNCORDON.name):  # to uncordon a host that was not changed gives it back
        return False
    before = [step.name for step in STEPS[: STEPS.index(_FIRST_CHANGE)]]
    return name not in before


_FIRST_CHANGE = next(step for step in STEPS if step.changes_host)
