# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Progress as plain lines: readable in a terminal, in a log file and in CI alike."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from lab import cache
from lab.durations import Durations, Expected

INTERVAL_SECONDS = 30.0
"""A step that takes longer says so this often."""


def duration(seconds: float) -> str:
    """A length of time for people: ``0.4 s``, ``12 s``, ``7 min``, ``7 min 10 s``, ``1 h 5 min``."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    minutes, rest = divmod(total, 60)
    if minutes < 60:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h" + (f" {minutes} min" if minutes else "")


def say(text: str) -> None:
    """Print one line of the lab's progress to standard error, at once (standard output is left to results)."""
    print(f"[lab] {text}", file=sys.stderr, flush=True)


class Patience:
    """How long a wait may go on without progress: a busy or slow machine makes it longer, not fail.

    Progress is a state that was not seen before, so that a cluster that goes back and forth between two is not waited
    for without end.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._seen: set[Hashable] = set()
        self._last = clock()

    def exhausted(self, state: Hashable) -> bool:
        """Whether nothing has changed for so long; ``state`` is how it looks now."""
        if state not in self._seen:
            self._seen.add(state)
            self._last = self._clock()
        return self._clock() - self._last > self.seconds

    def words(self) -> str:
        """The limit, for a message: ``nothing has changed for 15 min``."""
        return f"nothing has changed for {duration(self.seconds)}"


def durations() -> Durations:
    """What was measured on this machine."""
    return Durations(cache.folder() / "durations.json")


def words(expected: Expected) -> str:
    """How long something should take, for people; empty when nobody knows."""
    if expected.seconds is None:
        return ""
    about = f"about {duration(expected.seconds)}"
    return f"{about}, as last time" if expected.measured else f"{about} at this machine's pace"


@contextmanager
def step(text: str, reference: float) -> Iterator[None]:
    """Announce ``text``, report every 30 s while the body runs, and close with the time it took.

    How long it should take is what it took here the last time. Else it is judged by other steps: ``reference`` is what
    it took (seconds) where the lab was made, and never shown by itself.

    An exception passes through; the closing line then says ``failed`` in place of ``done``.
    """
    expected = durations().expected((text, reference))
    about = words(expected)
    say(f"{text} ({about})" if about else text)
    started = time.monotonic()
    finished = threading.Event()

    def report() -> None:
        while not finished.wait(INTERVAL_SECONDS):
            elapsed = time.monotonic() - started
            known = expected.seconds is not None and elapsed < expected.seconds
            say(
                f"{text}: {duration(elapsed)} " + (f"of about {duration(expected.seconds or 0)}" if known else "so far")
            )

    reporter = threading.Thread(target=report, name="lab-progress", daemon=True)
    reporter.start()
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        finished.set()
        reporter.join()
        took = time.monotonic() - started
        if outcome == "done":
            durations().remember((text, reference), took)
        say(f"{text}: {outcome} in {duration(took)}")
