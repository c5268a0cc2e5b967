# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the action plugins of one run share: its identity, its folder, its journal, its way to the cluster.

The guard opens the session and hands it on as plain data (its registered result ``guard_run``); every later action, in
whatever forked worker it runs, takes it up from there. This is where observe, decide, act and tell are wired together.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils import following, kube
from ansible_collections.friday.upgrade.plugins.plugin_utils.act import halt, keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.act import record as cluster_record
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console, journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import duration

T = TypeVar("T")

GUARD_RESULT = "guard_run"  # what roles/guard registers
SESSION_FILE = "session.json"
PLAN_FILE = "plan.json"
OUTLINE_FILE = "outline.json"  # the plan without its details: it is read at every event
CHECKPOINT_FILE = "checkpoint.json"
BASELINE_FILE = "baseline.json"
BASELINE_VERDICT_FILE = "baseline-verdict.json"
BEFORE_FILE = "before-seen.json"  # of a host, as a run has found it
EARLIER_FILE = "earlier-seen.json"  # the same, as the first run has found it that did not get the host through
PROBLEMS_FILE = "problems.json"
TARGETS_FILE = "targets.json"
_LAPSE_FILE = "lapsed"  # somebody has told that the lock has lapsed
_LOUD = (EventKind.STEP, EventKind.STATE, EventKind.FAILURE, EventKind.STOP, EventKind.WAVE_STARTED, EventKind.NOTE)
_CHANGING_STEPS = ("upgrade", "reboot", "uncordon")
"""Steps that the cluster's record has to know of before they have come to an end: they change the host, or its node."""
_CHECKPOINT = 250  # events that are read again and again before the next checkpoint
_REST = 1.0  # seconds between two looks at whether to halt


class Halted(Exception):
    """Nothing more may begin. The message says why, and what was not begun."""


@dataclass(frozen=True)
class Problems:
    """What stands in the way of a run, as it is stored in its folder."""

    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Targets:
    """The hosts of a run, resolved, as they are stored in its folder."""

    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """The folds of a run's events up to a place in its journal, so that a long one need not be read whole each time."""

    record: RunRecord
    progress: console.Progress = field(default_factory=console.Progress)
    mark: journal.Mark = field(default_factory=journal.Mark)


@dataclass(frozen=True)
class Session:
    """One run, as its actions see it.

    Attributes:
        run: its id.
        folder: its folder on the controller.
        recorded: the lock is held and the record is in the cluster; false for plans and checks.
        problems: what the guard found; the plan refuses with these and its own.
    """

    run: str
    folder: str
    policy: Policy
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    recorded: bool = False
    plan_only: bool = False
    keeper: int = 0  # process id of the companion that renews the lock
    holder: str = ""
    problems: tuple[Problem, ...] = ()
    cache: dict[str, Any] = field(default_factory=dict, compare=False)  # of this process; never stored

    @classmethod
    def take_up(cls, task_vars: Mapping[str, Any]) -> Session:
        """The session that the guard of this run opened.

        Raises:
            LookupError: there is none: a role of Friday was run without its guard.
        """
        guard = task_vars["hostvars"]["localhost"].get(GUARD_RESULT)
        if not guard or "session" not in guard:
            raise LookupError("no run is open: Friday's roles work after friday.upgrade.guard, in one run with it")
        return from_data(cls, guard["session"])

    def data(self) -> dict[str, Any]:
        """The session as JSON values, for the guard's result."""
        data: dict[str, Any] = to_data(replace(self, cache={}))
        del data["cache"]
        return data

    # -- the cluster

    def api(self) -> Any:
        """The cluster's API, connected on first use in this process. Raises KubeError."""
        if "api" not in self.cache:
            self.cache["api"] = kube.connect(self.kubeconfig, self.context)
        return self.cache["api"]

    # -- files of the run

    def path(self, *names: str) -> Path:
        """A path in the run's folder; its parents are created."""
        path = Path(self.folder, *names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self) -> None:
        """Write the session itself, for a later run (see :meth:`stored`)."""
        self._write(self.data(), SESSION_FILE)

    def save(self, value: Any, *names: str) -> Path:
        """Write a model value as JSON, whole or not at all."""
        return self._write(to_data(value), *names)

    def _write(self, data: Any, *names: str) -> Path:
        path = self.path(*names)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")  # drains work in threads
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(data, indent=1, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return path

    def load(self, kind: type[T], *names: str) -> T | None:
        """Read what :meth:`save` wrote; None when it was never written."""
        path = Path(self.folder, *names)
        return from_data(kind, json.loads(path.read_text())) if path.exists() else None

    @staticmethod
    def stored(folder: Path) -> Any:
        """The session that a run has left in its folder, as JSON values (see :meth:`data`)."""
        return json.loads((folder / SESSION_FILE).read_text())

    def plan(self) -> Plan:
        """The plan of this run (empty before it was made)."""
        return self.load(Plan, PLAN_FILE) or Plan(waves=())

    def outline(self) -> Plan:
        """The plan without reasons, packages and evictions: what goes where, and into which kernel."""
        if OUTLINE_FILE not in self.cache:
            stored = self.load(Plan, OUTLINE_FILE)
            if stored is None:  # not made yet: the callback's process lives on, and asks again
                return self.plan()
            self.cache[OUTLINE_FILE] = stored
        outline: Plan = self.cache[OUTLINE_FILE]
        return outline

    def planned(self, host: str) -> PlannedHost:
        """What is planned for ``host``, as the outline has it.

        Raises:
            LookupError: the host is not planned in this run.
        """
        for planned in self.outline().hosts():
            if planned.host == host:
                return planned
        raise LookupError(f"{host} is not planned in run {self.run}")

    def targets(self) -> tuple[Target, ...]:
        """All hosts that take part, with node and zone resolved."""
        stored = self.load(Targets, TARGETS_FILE)
        return stored.targets if stored else ()

    def waited(self, host: str) -> str:
        """The earlier run that had left the host's node cordoned; empty when there was none."""
        seen, node = self.load(Observation, BASELINE_FILE), self.planned(host).node
        nodes = seen.snapshot.nodes if seen else ()
        return next((n.cordoned_by for n in nodes if n.name == node and n.unschedulable), "")

    # -- the journal, and what follows from it

    def events(self) -> list[Event]:
        """All events of the run so far."""
        return list(journal.read(self.folder))

    def record(self) -> RunRecord:
        """The run's record: the fold of its journal."""
        return self._folded().record

    def _folded(self) -> Checkpoint:
        """Everything that has happened so far."""
        known = self.load(Checkpoint, CHECKPOINT_FILE) or Checkpoint(RunRecord(run=self.run))
        events = journal.read(self.folder, known.mark)
        progress = known.progress
        for event in events:
            progress = progress.after(event)
        reached = Checkpoint(fold(events, known.record), progress, events.mark)
        if len(events) >= _CHECKPOINT:
            with contextlib.suppress(OSError):  # it only saves time
                self.save(reached, CHECKPOINT_FILE)
        return reached

    def tell(self, kind: EventKind, host: str = "", **data: Any) -> Event:
        """Journal an event (on disk when this returns), bring the record in the cluster up to it, show it.

        Raises:
            JournalError: the event could not be written; the caller must not go on. The record has it nevertheless.
            Halted: it is a step, and none may begin any more.
        """
        if kind is EventKind.STEP:
            self._may_begin(str(data.get("step")))
        try:
            event = journal.Journal(self.folder).append(self.run, kind, host=host, data=data)
        except journal.JournalError:
            self._record_without_journal(kind, host, data)
            raise
        if kind in _LOUD:
            self._show(event)
        quiet = kind is EventKind.NOTE or (kind is EventKind.STEP and data.get("step") not in _CHANGING_STEPS)
        if self.recorded and not quiet:
            self._record_in_cluster(event)
        return event

    def step(self, host: str, step: str) -> Event:
        """Journal that a step on a host begins."""
        return self.tell(EventKind.STEP, host, step=step)

    # -- the end before the end

    def lock_lost(self) -> str:
        """Why the lock is not ours any more; empty while it is, or may be (or when none was taken)."""
        return keeper.lost(Path(self.folder)) if self.recorded else ""

    def halted(self) -> str:
        """Why nothing more may begin; empty while all is well. A lock that has lapsed is waited for."""
        self.await_lock()
        lost = self.lock_lost()
        return f"the lock is lost: {lost}" if lost else halt.asked(self.folder)

    def refuse_if_halted(self, what: str) -> None:
        """Raise ``Halted``, with ``what`` was not begun, when nothing more may begin."""
        if reason := self.halted():
            raise Halted(f"{what} was not begun: {reason}")

    def await_lock(self) -> float:
        """Wait until a lock that has lapsed is ours again, or lost; a request to stop ends that too.

        Returns the seconds that it took: what was seen before is old then.
        """
        if not self._lock_lapses():
            return 0.0
        began, mine = steady(), self._is_first_to_tell_of_the_lapse()
        if mine:
            patience = duration(self.policy.verify_timeout)
            self._note(f"the lock could not be renewed in time: nothing begins until it is, for {patience} at most")
        while self._lock_lapses():
            time.sleep(_REST)
        if mine:
            self.path(_LAPSE_FILE).unlink(missing_ok=True)
            self._note(self.lock_lost() or self._lock_unsure() or "the lock is renewed: going on")
        return steady() - began

    def _lock_lapses(self) -> bool:
        """The lock is neither ours for certain nor lost, and nobody has asked the run to stop."""
        return bool(self._lock_unsure()) and not halt.asked(self.folder)

    def _lock_unsure(self) -> str:
        return keeper.lapsed(Path(self.folder)) if self.recorded else ""

    def _is_first_to_tell_of_the_lapse(self) -> bool:
        """Of all the workers that wait, and their threads."""
        try:
            self.path(_LAPSE_FILE).touch(exist_ok=False)
        except OSError:
            return False
        return True

    def _note(self, message: str) -> None:
        with contextlib.suppress(journal.JournalError):
            self.tell(EventKind.NOTE, message=message)

    def rest(self, seconds: float) -> None:
        """Sleep, but no longer than until the run is halted."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.halted():
            time.sleep(min(left, _REST))

    def _may_begin(self, step: str) -> None:
        """A host that has come through is uncordoned even when the run was asked to stop, if the lock is ours."""
        reason = self.halted()
        if reason and step == "uncordon" and not self.lock_lost():
            unsure = self._lock_unsure()
            reason = f"the lock is not known to be ours: {unsure}" if unsure else ""
        if reason:
            raise Halted(f"step {step} was not begun: {reason}")

    def _show(self, event: Event) -> None:
        Display().display(console.event_line(event, self.outline(), self._folded().progress))

    def _record_without_journal(self, kind: EventKind, host: str, data: dict[str, Any]) -> None:
        """What the journal has no room for is in the cluster's record at least, on top of what that knows already."""
        if not self.recorded or kind in (EventKind.NOTE, EventKind.STEP):
            return
        with contextlib.suppress(journal.JournalError, ValueError), self._record_may_be_behind():
            record = self.record()
            stored = cluster_record.read(self.api(), self.namespace, self.run)
            if stored and stored.seq > record.seq:
                record = stored
            event = Event(record.seq + 1, now(), self.run, kind, host, to_data(data))
            self._write_record(fold([event], record), None if kind in following.WIDE else [host] if host else ())

    def _record_in_cluster(self, event: Event) -> None:
        with self._record_may_be_behind():
            following.follow(self.folder, event.seq, self._recordable, self._write_record)

    def _recordable(self) -> tuple[RunRecord, journal.Mark]:
        folded = self._folded()
        return folded.record, folded.mark

    def _write_record(self, record: RunRecord, hosts: Collection[str] | None) -> None:
        cluster_record.write(self.api(), self.namespace, record, hosts=hosts)

    @staticmethod
    @contextlib.contextmanager
    def _record_may_be_behind() -> Iterator[None]:
        """The journal is the truth; a record that is behind it is said, and the next event brings it up."""
        try:
            yield
        except (kube.KubeError, OSError) as error:
            reason = error.problem.line() if isinstance(error, kube.KubeError) else str(error)
            Display().warning(f"the run record in the cluster is behind the journal: {reason}")


def now() -> float:
    """Seconds since the epoch: when something happened."""
    return time.time()


def steady() -> float:
    """Seconds on a clock that is never set, and goes on while the controller sleeps: for what has to take its time."""
    return keeper.boottime()


def version() -> str:
    """Friday's own, as the collection's galaxy.yml has it."""
    return str(yaml.safe_load((Path(__file__).resolve().parents[2] / "galaxy.yml").read_text())["version"])
