# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill points: SIGKILL right after an event was written, and right before the next one is, all through a Friday.

Each kill is followed by a run that goes on from there, on this controller or on another one, and is killed at the next
point; the last one comes to the end. So what is done twice, or not at all, shows in the sum. Before it goes on,
playbooks/status.yml is asked where that goes on: another controller has nothing of the killed run but the cluster's
record.

Which point is next is the run's own affair: one that goes on may take the hosts in another order, and has some events
no more (a host that had been rebooted when its run died is not rebooted again). When a run has come to its end, what is
left is for another fleet.

To be exact about "right before", the journal's own lock is taken: the run then waits in front of its write.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from tests.fleet.controller import LIMIT, NAMESPACE, Controller, Started
from tests.fleet.machines import PACKAGES, Machine
from tests.fleet.world import World
from tests.support.records import records

_TICK = 0.002  # seconds; events are at least tens of milliseconds apart


@dataclass(frozen=True)
class Point:
    """A moment of a run: an event has been written, and (late) the next one is about to be."""

    kind: str
    host: str
    what: str  # the step or the state
    late: bool = False

    def __str__(self) -> str:
        if self == START:
            return "before its first event"
        event = " ".join(word for word in (self.host, self.kind, self.what) if word)
        return f"before what follows {event}" if self.late else f"after {event}"

    def fits(self, event: Event) -> bool:
        """Whether it is this event, of whatever run."""
        return (event.kind.value, event.host, _what(event)) == (self.kind, self.host, self.what)


START = Point("", "", "")
"""Before the first event: the lock is held, and nothing else says that there is a run."""


def points(events: Sequence[Event]) -> Iterator[Point]:
    """All points of a complete run, in order. Notes are left out: whether there are any is a matter of timing."""
    yield START
    told = [event for event in events if event.kind.value != "note"]
    for event in told:
        for late in (False, True) if event is not told[-1] else (False,):
            yield Point(event.kind.value, event.host, _what(event), late)


COUNTED: Mapping[str, str] = {"ghost locks": "the lock is still held by", "repeated reboots": "was rebooted again"}
"""What is counted of all that may be wrong, by the words for it."""


@dataclass(frozen=True)
class Step:
    """What came of a point, or (None) of the run that came to its end; ``wrong`` is empty when all is well."""

    point: Point | None
    seconds: float
    wrong: tuple[str, ...]


def walk(
    world: World, controllers: Iterable[Controller], at: Sequence[Point], tell: Callable[[Step], None] = lambda _: None
) -> list[Step]:
    """Kill runs at these points, in turn on each controller, until one comes to its end; then look at the sum.

    Args:
        world: the fleet.
        controllers: where each run is started; as many as there are points, and one.
        at: the points, in any order. Those that are not among the steps were not met.
        tell: is called with each step.
    """
    steps: list[Step] = []
    left = list(at)
    turns = iter(controllers)
    controller = next(turns)
    while True:
        began = time.monotonic()
        started = controller.start(friday_soak=0)
        point = kill_at(controller, started, left)
        if point:
            left.remove(point)
            wrong = list(_told_wrong(world, controller))
            controller = next(turns)
            wrong += _status_wrong(world, controller.status())
        else:
            wrong = list(wrong_in_sum(world, started.wait(), started.output))
        steps.append(Step(point, time.monotonic() - began, tuple(wrong)))
        tell(steps[-1])
        if not point:
            return steps


def _told_wrong(world: World, controller: Controller) -> Iterator[str]:
    """Where the cluster's record does not say what the machines have been through."""
    if not controller.runs():
        return
    record = cluster_record.read(world.api, NAMESPACE, controller.runs()[-1].name)
    for name, machine in world.machines.items():
        known = record.hosts.get(name) if record else None
        states = list(HostState)
        reached = states.index(known.state) if known else 0
        said = (known.step if known else "", reached)
        if known and reached >= states.index(HostState.REBOOTED) and not machine.boots:
            yield f"{name} is recorded as {known.state.value}, and was not rebooted"
        giving_back = known and (known.state is HostState.DONE or known.step == "uncordon")
        if known and machine.boots and name not in world.cordoned() and not giving_back:
            yield f"{name} was rebooted, and is neither cordoned nor done ({said})"
        if machine.boots > 1:
            yield f"{name} was rebooted again, {machine.boots} times in all ({said})"
        if machine.upgrades > PACKAGES:
            yield f"{name} was upgraded more than once ({said})"


def _status_wrong(world: World, status: Mapping[str, Any]) -> Iterator[str]:
    """Where playbooks/status.yml does not say what is true of the machines, or nothing of what there is to do."""
    if status["active"]:
        yield "status: the run that was killed is said to be at work"
    told, cordoned = {host["host"]: host for host in status["hosts"]}, world.cordoned()
    for name, machine in world.machines.items():
        said = told.get(name)
        if said is None:  # the run died before its plan, or an earlier one is done with the host
            if name in cordoned and name not in status["cordons"]:
                yield f"status: nothing is said of {name}, which is cordoned by run {cordoned[name]}"
            continue
        words = f"{said['state']}: {said['means']}"
        yield from _words_wrong(name, said, machine)
        if said["seen"]["unschedulable"] != (name in cordoned):
            yield f"status: {name} is {'' if name in cordoned else 'not '}cordoned, which it does not say ({words})"
        if said["as_expected"] and name in cordoned:
            yield f"status: {name} is cordoned, and all is said to be well ({words})"
        if said["as_expected"] and machine.upgrades and not machine.boots:
            yield f"status: {name} is upgraded and not rebooted, and all is said to be well ({words})"
        if said["state"] == HostState.DONE.value and machine.boots != 1:
            yield f"status: {name} is said to be done, and was rebooted {machine.boots} times"
        if not said["as_expected"] and not said["todo"]:
            yield f"status: nothing is said of what to do about {name} ({words})"


_TRUE_IF: Mapping[str, Callable[[Machine], bool]] = {
    "not touched": lambda machine: not machine.touched,
    "nothing on it was changed": lambda machine: not machine.touched,
    "has its new packages": lambda machine: machine.upgrades == PACKAGES,
    "did not happen": lambda machine: machine.boots == 0,
    "has booted since": lambda machine: machine.boots == 1,
    "was rebooted": lambda machine: machine.boots == 1,
    "was compared": lambda machine: (machine.boots, machine.upgrades) == (1, PACKAGES),
}
"""What status.yml says of a host, and when that is so. Each is said of the run; what an earlier one did is said too."""


def _words_wrong(name: str, said: Mapping[str, Any], machine: Machine) -> Iterator[str]:
    means = str(said["means"])
    for words, true in _TRUE_IF.items():
        if words in means and f"{words} by this run; run " not in means and not true(machine):
            yield (
                f"status: {name} {means!r} ({said['state']}), and it has had {machine.upgrades} packages installed and"
                f" {machine.boots} reboots"
            )


def wrong_in_sum(world: World, code: int, output: str) -> Iterator[str]:
    """Everything done once, nothing left out, nothing left behind."""
    if code:
        yield f"the last run ended with {code}: {output[-600:]}"
    for name, machine in world.machines.items():
        if machine.boots > 1:
            yield f"{name} was rebooted again, {machine.boots} times in all"
        if not machine.boots or machine.upgrades != PACKAGES:
            yield f"{name} had {machine.boots} reboots and {machine.upgrades} packages"
    if again := dict(world.kubelets.evicted_again):
        yield from (f"{count} pods were evicted from {name} again" for name, count in again.items() if count)
    if left := world.cordoned():
        yield f"still cordoned: {', '.join(left)}"
    if holder := lease.current(world.api, NAMESPACE):
        yield f"the lock is still held by {holder.identity}"
    for record in records(world.api, NAMESPACE):
        if record.started and not record.finished:
            yield f"the record of run {record.run} was never closed"


def kill_at(controller: Controller, started: Started, points: Sequence[Point]) -> Point | None:
    """Kill the run at the first of these points that it comes to; None when it has ended without coming to any."""
    end = time.monotonic() + LIMIT
    seen = 0
    if START in points and _before_its_journal(controller, started, end):
        return START
    while time.monotonic() < end:
        over = started.process.poll() is not None
        events = controller.written(started)
        for event in events[seen:]:
            found = min((point for point in points if point.fits(event)), key=lambda point: point.late, default=None)
            # What is late has to wait for a write that has not been made yet.
            if found and not (found.late and event is not events[-1]):
                file = controller.runs()[started.earlier] / journal.FILE_NAME
                if not found.late or _waits_to_write(file, started, end):
                    started.kill()
                    return found
        seen = len(events)
        if over:
            return None
        time.sleep(_TICK)
    raise AssertionError(f"not within {LIMIT} s:\n{started.output[-2000:]}")


def _before_its_journal(controller: Controller, started: Started, end: float) -> bool:
    """Kill it before its first event: an empty journal is made for it to wait at, which it would have made itself."""
    while time.monotonic() < end and started.process.poll() is None:
        if len(controller.runs()) > started.earlier:
            file = controller.runs()[started.earlier] / journal.FILE_NAME
            file.touch()
            return _waits_to_write(file, started, end)
        time.sleep(_TICK)
    return False


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
