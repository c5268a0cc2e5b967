# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what happens: in the journal first, then in the cluster, then on the console.

The journal is the write-ahead log: an event that cannot be written to it stops the run. The record in the cluster may
fall behind it, and catches up with the next event.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.history import knows_more
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import Step, find
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal, notify, replicate
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import CHECKPOINT_FILE, RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console

_LOUD = (EventKind.STEP, EventKind.STATE, EventKind.FAILURE, EventKind.STOP, EventKind.WAVE_STARTED, EventKind.NOTE)
_CHECKPOINT = 250  # events that are read again and again before the next checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """The folds of a run's events up to a place in its journal, so that a long one need not be read whole each time."""

    record: RunRecord
    progress: console.Progress = field(default_factory=console.Progress)
    mark: journal.Mark = field(default_factory=journal.Mark)


@dataclass(frozen=True)
class Recorder:
    """Records the events of one run.

    Attributes:
        run: its id.
        files: its folder.
        recorded: whether there is a record in the cluster; false for plans and checks.
        namespace: where that is.
        api: connects to the cluster, on first use.
        refuse_step: raises Halted when a step may not begin.
        channels: where people are told of events.
    """

    run: str
    files: RunFiles
    recorded: bool
    namespace: str
    api: Callable[[], Any]
    refuse_step: Callable[[str], None]
    channels: notify.Channels = notify.nobody

    def events(self) -> list[Event]:
        """All events of the run so far."""
        return list(journal.read(self.files.folder))

    def record(self) -> RunRecord:
        """The run's record: the fold of its journal."""
        return self._folded().record

    def step(self, host: str, step: Step) -> Event:
        """Record that a step on a host begins. Raises as :meth:`tell` does."""
        return self.tell(EventKind.STEP, host, step=step.name)

    def tell(self, kind: EventKind, host: str = "", **data: Any) -> Event:
        """Journal an event (on disk when this returns), bring the record in the cluster up to it, show it.

        Raises:
            JournalError: the event could not be written; the caller must not continue. The record has it nevertheless.
            Halted: it is a step, and none may begin any more.
        """
        if kind is EventKind.STEP:
            self.refuse_step(str(data.get("step")))
        try:
            event = journal.Journal(self.files.folder).append(self.run, kind, host=host, data=data)
        except journal.JournalError:
            self._record_without_journal(kind, host, data)
            raise
        line = self._show(event) if kind in _LOUD else ""
        if self.recorded and not _only_journaled(kind, data):
            self._record_in_cluster(event)
        if line and self.channels is not notify.nobody:
            told = self.channels()
            for fault in (*told.faults, *notify.tell_event(self.files, told.channels, event, line)):
                Display().warning(f"an event was not posted: {fault}")
        return event

    def note(self, message: str) -> None:
        """Journal a line for people; one that finds no room is lost."""
        with contextlib.suppress(journal.JournalError):
            self.tell(EventKind.NOTE, message=message)

    def _folded(self) -> Checkpoint:
        """Everything that has happened so far."""
        known = self.files.load(Checkpoint, CHECKPOINT_FILE) or Checkpoint(RunRecord(run=self.run))
        events = journal.read(self.files.folder, known.mark)
        progress = known.progress
        for event in events:
            progress = progress.after(event)
        reached = Checkpoint(fold(events, known.record), progress, events.mark)
        if len(events) >= _CHECKPOINT:
            with contextlib.suppress(OSError):  # it only saves time
                self.files.save(reached, CHECKPOINT_FILE)
        return reached

    def _show(self, event: Event) -> str:
        line = console.event_line(event, self.files.outline(), self._folded().progress)
        Display().display(line)
        return line

    def _record_without_journal(self, kind: EventKind, host: str, data: dict[str, Any]) -> None:
        """What the journal has no room for is in the cluster's record at least, on top of what that knows already."""
        if not self.recorded or kind in (EventKind.NOTE, EventKind.STEP):
            return
        with contextlib.suppress(journal.JournalError, ValueError), self._record_may_be_behind():
            stored = cluster_record.read(self.api(), self.namespace, self.run)
            record = knows_more(stored, self.record()) or RunRecord(self.run)
            event = Event(record.seq + 1, now(), self.run, kind, host, to_data(data))
            self._write_record(fold([event], record), None if kind in replicate.WIDE else [host] if host else ())

    def _record_in_cluster(self, event: Event) -> None:
        with self._record_may_be_behind():
            replicate.follow(self.files.folder, event.seq, self._recordable, self._write_record)

    def _recordable(self) -> tuple[RunRecord, journal.Mark]:
        folded = self._folded()
        return folded.record, folded.mark

    def _write_record(self, record: RunRecord, hosts: Collection[str] | None) -> None:
        cluster_record.write(self.api(), self.namespace, record, hosts=hosts)

    @staticmethod
    @contextlib.contextmanager
    def _record_may_be_behind() -> Iterator[None]:
        """The journal is the truth; a record that is behind it is reported, and the next event brings it up."""
        try:
            yield
        except (KubeError, OSError) as error:
            reason = error.problem.line() if isinstance(error, KubeError) else str(error)
            Display().warning(f"the run record in the cluster is behind the journal: {reason}")


def _only_journaled(kind: EventKind, data: dict[str, Any]) -> bool:
    """Whether an event tells the cluster's record nothing that it must know."""
    step = find(str(data.get("step"))) if kind is EventKind.STEP else None
    return kind is EventKind.NOTE or (step is not None and not step.recorded)
