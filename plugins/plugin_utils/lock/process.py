# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes of this machine, told apart from later ones with the same id, and from those of other machines."""

from __future__ import annotations

import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def process_start(pid: int) -> str:
    """When a process was started, in clock ticks since boot (field 22 of /proc/PID/stat, see proc(5)).

    Empty when there is no such process, when it is a zombie, and where there is no /proc.
    """
    try:
        # The command (field 2) may hold blanks and parentheses: count from its last one.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def alive(pid: int, started: str) -> bool:
    """True while the process that was started then still runs. Without a start time the id alone has to do."""
    if started:
        return process_start(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def identity(pid: int) -> str:
    """A process among those of all machines: ``boot id/PID namespace/pid/start``. Empty where that is not known."""
    place, started = _place(), process_start(pid)
    return f"{place}/{pid}/{started}" if place and started else ""


def surely_gone(process: str) -> bool:
    """True when ``process`` (see :func:`identity`) has ended for certain: it was one of those that are seen here.

    One of another machine, of another boot or of another container may live, for all that can be seen from here.
    """
    if not process_start(1):
        return False  # others' processes are hidden here (hidepid, see proc(5))
    place, _, rest = process.rpartition("/")[0].rpartition("/")
    started = process.rpartition("/")[2]
    return bool(place) and place == _place() and rest.isdigit() and not alive(int(rest), started)


def _place() -> str:
    try:
        namespace = os.readlink(_NAMESPACE)
        return f"{_BOOT_ID.read_text(encoding='ascii').strip()}/{namespace}" if namespace else ""
    except OSError:
        return ""
