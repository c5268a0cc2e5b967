# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether anything may begin: not in a run that was asked to stop, or whose lock is lost or has lapsed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import UNCORDON
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import halt
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import steady
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import LAPSE_FILE, RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import duration

_REST = 1.0  # seconds between two looks at whether to halt


class Halted(Exception):
    """Nothing more may begin. The message says why, and what was not begun."""


@dataclass(frozen=True)
class Pause:
    """What keeps the steps of a run from beginning.

    Attributes:
        files: the run's.
        locked: the run holds the lock; false for plans and checks, which need none.
        patience: seconds for which the keeper goes on trying to renew a lock that has lapsed.
        note: journals a line for people.
    """

    files: RunFiles
    locked: bool
    patience: int
    note: Callable[[str], None]

    def lock_lost(self) -> str:
        """Why the lock is not ours any more; empty while it is, or may be (or when none was taken)."""
        return keeper.lost(self.files.folder) if self.locked else ""

    def halted(self) -> str:
        """Why nothing more may begin; empty while all is well. A lock that has lapsed is waited for."""
        self.await_lock()
        lost = self.lock_lost()
        return f"the lock is lost: {lost}" if lost else halt.asked(self.files.folder)

    def refuse_if_halted(self, what: str) -> None:
        """Raise ``Halted``, with ``what`` was not begun, when nothing more may begin."""
        if reason := self.halted():
            raise Halted(f"{what} was not started: {reason}")

    def refuse_step(self, step: str) -> None:
        """Raise ``Halted`` when this step on a host may not begin.

        A host that has come through is uncordoned even when the run was asked to stop, if the lock is ours.
        """
        reason = self.halted()
        if reason and step == UNCORDON.name and not self.lock_lost():
            unsure = self._lock_unsure()
            reason = f"the lock may no longer be ours: {unsure}" if unsure else ""
        if reason:
            raise Halted(f"step {step} was not started: {reason}")

    def await_lock(self) -> float:
        """Wait until a lock that has lapsed is ours again, or lost; a request to stop ends that too.

        Returns the seconds that it took: what was seen before is old then.
        """
        if not self._lock_lapses():
            return 0.0
        began, mine = steady(), self._is_first_to_tell_of_the_lapse()
        if mine:
            patience = duration(self.patience)
            self.note(f"the lock could not be renewed in time: waiting for it up to {patience}, nothing new starts")
        while self._lock_lapses():
            time.sleep(_REST)
        if mine:
            self.files.path(LAPSE_FILE).unlink(missing_ok=True)
            self.note(self.lock_lost() or self._lock_unsure() or "the lock is renewed: continuing")
        return steady() - began

    def rest(self, seconds: float) -> None:
        """Sleep, but no longer than until the run is halted."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.halted():
            time.sleep(min(left, _REST))

    def _lock_lapses(self) -> bool:
        """The lock is neither ours for certain nor lost, and nobody has asked the run to stop."""
        return bool(self._lock_unsure()) and not halt.asked(self.files.folder)

    def _lock_unsure(self) -> str:
        return keeper.lapsed(self.files.folder) if self.locked else ""

    def _is_first_to_tell_of_the_lapse(self) -> bool:
        """Of all the workers that wait, and their threads."""
        try:
            self.files.path(LAPSE_FILE).touch(exist_ok=False)
        except OSError:
            return False
        return True
