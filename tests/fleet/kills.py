# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill points: SIGKILL right after an event was written, and right before the next one is, all through a Friday.

Each kill is followed by a run that goes on from there, on this controller or on another one with an empty disk, and is
killed at the next point; the last one comes to the end. So what is done twice, or not at all, shows in the sum.

To be exact about "right before", the journal's own lock is taken: the run then waits in front of its write.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import journal
from tests.fleet.controller import LIMIT, Controller, Started

_TICK = 0.002  # seconds; events are at least tens of milliseconds apart


@dataclass(frozen=True)
class Point:
    """A moment of a run: an event has been written, and (late) the next one is about to be."""

    kind: str
    host: str
    what: str  # the step or the state
    late: bool = False

    def __str__(self) -> str:
        event = " ".join(word for word in (self.host, self.kind, self.what) if word)
        return f"before what follows {event}" if self.late else f"after {event}"

    def fits(self, event: Event) -> bool:
        """Whether it is this event, of whatever run."""
        return (event.kind.value, event.host, _what(event)) == (self.kind, self.host, self.what)


def points(events: Sequence[Event]) -> Iterator[Point]:
    """All points of a complete run, in order. Notes are left out: whether there are any is a matter of timing."""
    for event in events:
        if event.kind.value != "note":
            for late in (False, True):
                yield Point(event.kind.value, event.host, _what(event), late)


def kill_at(controller: Controller, started: Started, at: Point) -> bool:
    """Kill the run at the point; false when it ended without coming there."""
    known = len(controller.runs())
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        new = controller.runs()[known:]
        file = new[0] / journal.FILE_NAME if new else None
        if file and file.exists() and any(at.fits(event) for event in journal.read(file.parent)):
            if not at.late or _waits_to_write(file, started, end):
                started.kill()
                return True
            return False
        if started.process.poll() is not None:
            return False
        time.sleep(_TICK)
    raise AssertionError(f"{at}: not within {LIMIT} s:\n{started.output[-2000:]}")


def _waits_to_write(file: Path, started: Started, end: float) -> bool:
    """Let the run come to its next write, and no further; false when there is none."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        inode = f":{os.fstat(descriptor).st_ino} "
        while time.monotonic() < end and started.process.poll() is None:
            # A waiter has an arrow, see proc(5).
            if any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()):
                started.kill()  # before the lock is let go
                return True
            time.sleep(_TICK)
        return False
    finally:
        os.close(descriptor)


def _what(event: Event) -> str:
    return str(event.data.get("step") or event.data.get("state") or "")
