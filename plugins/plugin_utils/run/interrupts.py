# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ctrl-C and SIGTERM: the first lets the steps in hand end, and the run with its report; the second stops at once.

Ansible itself would end at the first one, in the middle of a step, without verdict, report or release of the lock.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from ansible.release import __version__

from ansible_collections.friday.upgrade.plugins.plugin_utils.run import halt

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
_FIRST = """
{name}: finishing the running steps (or undoing them, where nothing was changed yet), starting no new ones, then
reporting. Once more stops immediately: hosts then stay as they are, and the next command shows how to see that.
"""
_SECOND = """
{name} again: stopped immediately. `ansible-playbook friday.upgrade.status`, with the same inventory, shows how the
hosts were left.
"""


def soften(folder: str) -> None:
    """Let the first signal only ask the run in ``folder`` to halt. Called in the process that controls the run."""
    main = os.getpid()
    before = {number: signal.getsignal(number) for number in _NAMES}

    asked: list[int] = []

    def handle(number: int, frame: Any) -> None:
        if os.getpid() != main:
            _in_worker(number)
            return
        name, again = _NAMES[signal.Signals(number)], bool(asked)
        asked.append(number)
        # What is raised here would end the run in the middle: a full disk, or a pipe whose reader had its Ctrl-C too.
        with contextlib.suppress(OSError):
            halt.ask(folder, f"it was interrupted ({name})")
        with contextlib.suppress(OSError):  # not by Ansible's display: it may be in the middle of a line, under a lock
            os.write(2, (_SECOND if again else _FIRST).format(name=name).encode())
        if not again:
            return
        old = before[signal.Signals(number)]
        if not callable(old):
            raise KeyboardInterrupt
        old(number, frame)

    for number in _NAMES:
        signal.signal(number, handle)
    if tuple(int(part) for part in __version__.split(".")[:2]) < (2, 19):
        # Later cores do that: a terminal sends its Ctrl-C to all that run in it, the connection to a host among them.
        os.register_at_fork(after_in_child=os.setsid)


def _in_worker(number: int) -> None:
    """A worker forked by a core that leaves the handlers to it: it works on, unless Ansible ends it."""
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
