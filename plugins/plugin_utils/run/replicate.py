# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record in the cluster follows the journal: one write for all that a wave's processes have journaled meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal

FILE_NAME = "recorded.json"
WIDE = (EventKind.RUN_STARTED, EventKind.RUN_PLANNED)  # they name the hosts, and their order


@dataclass(frozen=True)
class Recorded:
    """Up to where the record has the journal (``mark``), and the last event that was tried, with or without success."""

    mark: journal.Mark = field(default_factory=journal.Mark)
    tried: int = 0


def follow(
    folder: str | os.PathLike[str],
    seq: int,
    fold: Callable[[], tuple[RunRecord, journal.Mark]],
    write: Callable[[RunRecord, Collection[str] | None], None],
) -> None:
    """Bring the record up to event ``seq`` at least, unless another process has done so, or has tried to.

    One process writes at a time. Those that wait find their events written when their turn comes, or one of them writes
    those of all: a wave of fifty hosts costs two writes where it would cost fifty, and so does an API server that does
    not answer. (Databases call it group commit.)

    Args:
        folder: the run's.
        seq: the event that the caller has journaled.
        fold: the run's record, and how far into the journal it goes.
        write: writes the record with the states of these hosts (None: of all). What it raises is raised here; what was
            not written is then left to the next event.
    """
    with _turn(folder):
        recorded = _read(folder)
        if seq <= recorded.tried:
            return
        record, mark = fold()
        since = [event for event in journal.read(folder, recorded.mark) if event.seq <= mark.seq]
        hosts = {event.host for event in since if event.host in record.hosts}
        reached = recorded.mark
        try:
            write(record, None if any(event.kind in WIDE for event in since) else sorted(hosts))
            reached = mark
        finally:
            _note(folder, Recorded(reached, mark.seq))


@contextlib.contextmanager
def _turn(folder: str | os.PathLike[str]) -> Iterator[None]:
    """One process of the run at a time; flock(2) of one that is killed is free."""
    descriptor = os.open(Path(folder, ".recorded.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(folder: str | os.PathLike[str]) -> Recorded:
    try:
        return from_data(Recorded, json.loads(Path(folder, FILE_NAME).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):  # not yet; or torn by a power cut: all is written once more
        return Recorded()


def _note(folder: str | os.PathLike[str], recorded: Recorded) -> None:
    """It only saves writes: not on disk before anything else, and no harm where there is no room."""
    path = Path(folder, FILE_NAME)
    draft = path.with_name(f".{FILE_NAME}.draft")
    with contextlib.suppress(OSError):
        draft.write_text(json.dumps(to_data(recorded)), encoding="utf-8")
        draft.replace(path)
