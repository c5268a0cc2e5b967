# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal: one JSON line for each event, on disk before anything else happens.

``<state folder>/<run id>/journal.jsonl`` belongs to one run. Ansible works on the hosts of a wave in forked processes,
so several writers append at the same time: each append opens the file anew (a lock on an inherited descriptor would be
shared with the parent), takes flock(2), numbers its event after the last one there, writes with O_APPEND and fsyncs.
What a reader finds is therefore whole, in order, and without gaps, up to a last line that a killed process may have
left torn.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind

FILE_NAME = "journal.jsonl"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_TAIL_BLOCK = 1 << 16


class JournalError(Exception):
    """The journal cannot be written or cannot be trusted. The message says what, where, and what to do."""


@dataclass(frozen=True)
class Mark:
    """A place in a journal: behind event ``seq``, ``offset`` bytes from its beginning."""

    seq: int = 0
    offset: int = 0


class Events(list[Event]):
    """Events in order. ``torn`` says that the last line was cut off and left out; empty when all lines are whole.

    ``mark`` is behind the last of them: a reader may go on from there.
    """

    torn: str = ""
    mark: Mark = Mark()


def new_run_id(now: float) -> str:
    """A new run's id, ``20261122-161500-3f2a``: ``now`` (seconds since the epoch) in UTC, and 16 random bits.

    It sorts by time and is a valid part of a Kubernetes object's name.
    """
    return f"{datetime.fromtimestamp(now, timezone.utc):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def state_folder(given: str = "") -> Path:
    """The folder of all runs' folders: ``friday_state_dir``, or where it is when that is empty."""
    default = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "friday"
    return Path(given).expanduser().absolute() if given else default


def is_run_id(text: str) -> bool:
    """True for what :func:`new_run_id` makes."""
    return _RUN_ID.fullmatch(text) is not None


def folder_of(state_dir: str | os.PathLike[str], run: str) -> Path | None:
    """The folder of ``run`` under ``state_dir``; None when there is none with a journal, or ``run`` is no run's id."""
    folder = Path(state_dir, run)
    return folder if is_run_id(run) and (folder / FILE_NAME).is_file() else None


def read(folder: str | os.PathLike[str], after: Mark | None = None) -> Events:
    """All events of the journal in ``folder``, in order; with ``after`` those behind that place.

    A torn last line is left out and told in ``Events.torn``. A folder without a journal gives no events.

    Raises:
        JournalError: a line in the middle is damaged, or a number is missing: somebody else wrote here, or the disk
            lost data. The journal is evidence, so nothing is guessed.
    """
    path, start = Path(folder, FILE_NAME), after or Mark()
    events = Events()
    events.mark = start
    try:
        with path.open("rb") as file:
            file.seek(start.offset)
            text = file.read()
    except FileNotFoundError:
        return events
    lines = text.split(b"\n")
    torn = lines.pop()  # what follows the last line break: nothing in a whole journal
    last = start.seq + len(lines)
    if torn:
        events.torn = f"{path}: the last line is torn ({len(torn)} bytes, after event {last}): {torn[:80]!r}"
    for number, line in enumerate(lines, start=start.seq + 1):
        event = _parse(line, path, number)
        if event.seq != number:
            raise JournalError(f"{path}, line {number}: event {event.seq} is here, event {number} is missing")
        events.append(event)
    events.mark = Mark(last, start.offset + len(text) - len(torn))
    return events


class Journal:
    """The journal in ``folder`` (``<state folder>/<run id>``), which is created with the first event."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE_NAME

    def append(
        self,
        run: str,
        kind: EventKind,
        host: str = "",
        data: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Event:
        """Write one event and return it with its number and time, once it is on disk.

        ``data`` may hold dataclasses of the model; what is written, and returned, is their JSON form. The time is
        never before that of the event before (a clock may be set back; the order of the journal is the truth).

        Raises:
            JournalError: nothing was written (no room, no rights, read-only); the journal is as it was before.
        """
        try:
            with self._locked() as descriptor:
                last = self._mend(descriptor, run, clock)
                event = _following(
                    last, clock, run=str(run), kind=EventKind(kind), host=str(host), data=to_data(data or {})
                )
                self._write(descriptor, event)
                return event
        except OSError as error:
            raise JournalError(_explain(error, self.path)) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open journal under an exclusive lock, for as long as the block runs."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)  # releases the lock

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            _make_folder(self.folder)
        descriptor = os.open(self.path, flags | os.O_CREAT, 0o644)
        _fsync_folder(self.folder)
        return descriptor

    def _mend(self, descriptor: int, run: str, clock: Callable[[], float]) -> Event | None:
        """The last event there is. A torn line behind it is cut off, and an event says so in its place."""
        line, torn, end = _tail(descriptor)
        last = _parse(line, self.path, 0) if line else None
        if not torn:
            return last
        os.ftruncate(descriptor, end)
        message = f"a torn line of {len(torn)} bytes was cut off the journal: {torn[:80]!r}"
        note = _following(last, clock, run=str(run), kind=EventKind.NOTE, host="", data={"message": message})
        self._write(descriptor, note)
        return note

    def _write(self, descriptor: int, event: Event) -> None:
        """Append one line and fsync; what could be written of it only in part is taken back."""
        line = json.dumps(to_data(event), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        size = os.fstat(descriptor).st_size
        try:
            written = os.write(descriptor, line)
            if written < len(line):  # POSIX: short when the disk fills up within the line
                os.write(descriptor, line[written:])  # raises the reason (ENOSPC, EDQUOT, EFBIG)
                if os.fstat(descriptor).st_size != size + len(line):
                    raise OSError(errno.EIO, "only part of the line was written")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise


def _following(last: Event | None, clock: Callable[[], float], **fields: Any) -> Event:
    now = float(clock())
    return Event(seq=last.seq + 1 if last else 1, time=max(now, last.time) if last else now, **fields)


def _tail(descriptor: int) -> tuple[bytes, bytes, int]:
    """Last whole line, torn bytes after it, and the offset where the whole lines end."""
    size = position = os.fstat(descriptor).st_size
    tail = b""
    while position and tail.count(b"\n") < 2:
        step = min(_TAIL_BLOCK, position)
        position -= step
        tail = os.pread(descriptor, step, position) + tail
    whole, separator, torn = tail.rpartition(b"\n")
    return (whole.rpartition(b"\n")[2] if separator else b""), torn, size - len(torn)


def _parse(line: bytes, path: Path, number: int) -> Event:
    try:
        return from_data(Event, json.loads(line))
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError and the codec's own are ValueErrors
        where = f"line {number}" if number else "last line"
        raise JournalError(
            f"{path}, {where} is not an event of a journal ({error}): keep the file, and start a new run"
        ) from error


def _make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents, each on disk before the next."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain(error: OSError, path: Path) -> str:
    advice = {
        errno.ENOSPC: "the disk is full: free space there, or set friday_state_dir to another disk",
        errno.EDQUOT: "the disk quota is used up: free space there, or set friday_state_dir to another disk",
        errno.EFBIG: "the file size limit of this process (ulimit -f) is reached: raise it",
        errno.EROFS: "the file system is read-only: set friday_state_dir to a folder that can be written",
        errno.EACCES: "no permission to write there: change the folder's owner, or set friday_state_dir to another one",
    }.get(error.errno or 0, "fix that, or set friday_state_dir to another folder")
    return (
        f"the journal {path} cannot be written ({os.strerror(error.errno) if error.errno else error}): {advice}. "
        "Friday does not continue without a journal; the event was not recorded"
    )
