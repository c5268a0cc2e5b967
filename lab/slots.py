# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which lab belongs to which checkout. Checkouts share a cache folder, and each can have a lab of its own running.

A *slot* is a folder with the state of one lab (``lab``, ``lab-2``, ...) and the ports that this lab uses. A checkout
keeps its slot. One in which nothing runs can be taken over by another checkout, with the snapshot in it, so that
a fresh clone starts as quickly as the checkout before it.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lab.process import Daemon
from lab.topology import BASES, Ports, chosen_base

MOST = 9


class NoSlotError(RuntimeError):
    """Every slot belongs to a lab that runs."""


def claim(cache: Path, checkout: Path) -> Path:
    """The slot of this checkout: the one that it has, else the first in which nothing runs."""
    with _exclusively(cache / ".labs.lock"):
        slots = _slots(cache)
        for slot in slots:
            if _owner(slot) == str(checkout):
                return slot
        for slot in slots:
            if not in_use(slot):
                _hand_over(slot, checkout)
                return slot
    raise NoSlotError(f"{MOST} labs are already running, in {slots[0]} and beside it; stop one of them")


def ports(slot: Path) -> Ports:
    """The ports of the lab in this slot: ``$FRIDAY_LAB_PORT_BASE``, else those that it had, else free ones.

    A lab that does not run gives up ports that another program has taken meanwhile. Its snapshot goes with them.
    """
    if base := chosen_base():
        return Ports(base)
    with _exclusively(slot.parent / ".labs.lock"):
        record = slot / "port-base"
        known = int(record.read_text()) if record.exists() else None
        if known and (in_use(slot) or _free(Ports(known))):
            return Ports(known)
        taken = {other.read_text().strip() for other in slot.parent.glob("lab*/port-base") if other != record}
        for base in BASES:
            if str(base) not in taken and _free(Ports(base)):
                record.write_text(f"{base}\n")
                return Ports(base)
    raise NoSlotError(f"no free range of ports; tried those that begin at {', '.join(map(str, BASES))}")


def in_use(slot: Path) -> bool:
    """Whether a part of the slot's lab runs, or a command works on it."""
    for path in (*slot.glob("*.pid"), *slot.glob("control-plane/*.pid"), *slot.glob("vm/*/*.pid")):
        if Daemon(path.stem, path.parent).pid() is not None:
            return True
    try:
        with (slot / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _slots(cache: Path) -> list[Path]:
    return [cache / ("lab" if number == 1 else f"lab-{number}") for number in range(1, MOST + 1)]


def _owner(slot: Path) -> str:
    try:
        return (slot / "checkout").read_text().strip()
    except FileNotFoundError:
        return ""


def _hand_over(slot: Path, checkout: Path) -> None:
    """Give the slot to ``checkout``. Its last owner loses its inventory, which would lead to another's machines."""
    if before := _owner(slot):
        shutil.rmtree(Path(before) / "inventories" / "lab", ignore_errors=True)
    slot.mkdir(parents=True, exist_ok=True)
    (slot / "checkout").write_text(f"{checkout}\n")


def _free(wanted: Ports) -> bool:
    return all(_can_listen(port) for port in wanted.all())


def _can_listen(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def _exclusively(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
