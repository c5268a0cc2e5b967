# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The abort matrix: what goes wrong, where, and what has to be true afterwards. One whole Friday for each cell."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper, lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record
from tests.fleet.controller import NAMESPACE, Controller, Started
from tests.fleet.machines import PACKAGES
from tests.fleet.world import World

WHERE: Mapping[str, str] = {
    "canary": "n1",
    "first host of a wave": "n4",
    "last host of a wave": "n7",
    "last wave": "n6",
}
"""Hosts of the fleet by their place in its plan, whose waves are n1 | n4, n7 | n2, n5 | n3, n6."""

WAVES = (("n1",), ("n4", "n7"), ("n2", "n5"), ("n3", "n6"))
STEPS = ("drain", "upgrade", "reboot", "verify", "soak")
_CONNECTED = ("upgrade", "reboot", "verify", "soak")
_HARMLESS = ("drain",)  # what fails here is given back
_AT_ONCE = 3.0  # seconds within which a peer's event may have been on its way
_SHORT: Mapping[str, object] = {"friday_verify_timeout": 8, "friday_reboot_timeout": 8}
"""Short enough to wait for the failing host, long enough for its healthy peers on a machine that does other things."""
_DRAIN: Mapping[str, object] = {"friday_drain_timeout": 20}
"""The peers' drain waits for what the budget's status says, which its controller updates after seconds."""

NOBODY = [{"url": "http://127.0.0.1:9/hook", "events": "all"}]
"""A channel for every event that never answers."""


@dataclass(frozen=True)
class Scene:
    """One cell while it is played."""

    world: World
    controller: Controller
    started: Started
    host: str
    step: str

    def fail(self, what: str) -> None:
        """Let the machine of the host fail in the step."""
        self.world.machines[self.host].fault(what, self.step, self.controller.state)

    @contextlib.contextmanager
    def within_the_step(self) -> Iterator[None]:
        """The body runs when the step has begun, and before it can end."""
        self.fail("wait")
        if self.step == "drain":
            self.world.kubelets.busy.add(self.host)
        self.controller.await_event(self.started, 1, kind="step", host=self.host, step=self.step)
        yield
        self.world.machines[self.host].heal()
        self.world.kubelets.busy.clear()


@dataclass(frozen=True)
class What:
    """A way to die.

    Attributes:
        bring: makes it happen; returns when it has, or when the machine has been told.
        steps: in which it can happen at all.
        variables: added to the run's.
        passes: a good end is expected.
        killed: nobody is left to write anything; the next command does.
        silent: journal and record can't agree: one of them can't be written.
        keeps: the hosts' cordons can't be given back.
        drifts: it stops the run in the step or after it: the last page of the journal may have room for some events.
        expires: the lock can't be given back, and dies by itself.
        disk_kib: size of the disk for the controller's state; 0: as large as there is.
    """

    bring: Callable[[Scene], None]
    steps: tuple[str, ...] = STEPS
    variables: Mapping[str, object] = field(default_factory=dict)
    passes: bool = False
    killed: bool = False
    silent: bool = False
    keeps: bool = False
    drifts: bool = False
    expires: bool = False
    disk_kib: int = 0


def _machine(what: str) -> Callable[[Scene], None]:
    return lambda scene: scene.fail(what)


def _stuck(scene: Scene) -> None:
    """A drain that does not end: the pods of the host stay."""
    if scene.step == "drain":
        scene.controller.await_event(scene.started, 1, kind="step", host=scene.host, step="cordon")
        scene.world.kubelets.busy.add(scene.host)
    else:
        scene.fail("failed")


def _hung(scene: Scene) -> None:
    if scene.step == "drain":
        _stuck(scene)
    else:
        scene.fail("hung")


def _oops(scene: Scene) -> None:
    with scene.within_the_step():
        scene.world.machines[scene.host].oops()


def _no_evidence(scene: Scene) -> None:
    scene.fail("crashed")


def _api_gone(scene: Scene) -> None:
    with scene.within_the_step():
        scene.controller.way.shut.set()


def _lock_lost(scene: Scene) -> None:
    with scene.within_the_step():
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{lease.NAME}"
        notes = {lease.RUN_ANNOTATION: "20261122-000000-beef", lease.PROCESS_ANNOTATION: None}
        body = {"metadata": {"annotations": notes}, "spec": {"holderIdentity": "x@elsewhere:1:20261122-000000-beef"}}
        scene.world.api.request("PATCH", path, body=body)
        end = time.monotonic() + 60
        while not (scene.controller.runs()[-1] / "lost").exists():
            assert time.monotonic() < end, "the keeper has not seen that the lock is lost"
            time.sleep(0.1)


def _disk_full(scene: Scene) -> None:
    with scene.within_the_step():
        assert scene.controller.disk
        scene.controller.disk.fill()


def _rescue_fails(scene: Scene) -> None:
    """The step fails, and what is to hold the host finds no room for its journal."""
    _disk_full(scene)
    scene.fail("failed")


def interrupt(controller: Controller, started: Started, number: int = signal.SIGINT, terminal: bool = True) -> None:
    """Ask a run to stop, and return when it has heard of it. ``terminal``: see :func:`_signal`."""
    (os.killpg if terminal else os.kill)(started.process.pid, number)
    end = time.monotonic() + 30
    while not (controller.runs()[-1] / "halt").exists():
        assert time.monotonic() < end, "the signal was not heeded"
        time.sleep(0.05)


def _signal(number: int, terminal: bool = False) -> Callable[[Scene], None]:
    """``terminal``: to all that run in the foreground, as a terminal does on Ctrl-C; else to the run alone."""

    def bring(scene: Scene) -> None:
        with scene.within_the_step():
            interrupt(scene.controller, scene.started, number, terminal)

    return bring


def _killed(scene: Scene) -> None:
    with scene.within_the_step():
        scene.started.kill()


def _nothing(_: Scene) -> None:
    """What is to go wrong is in the run's surroundings."""


WHATS: Mapping[str, What] = {
    "task failed": What(_stuck, variables={**_SHORT, **_DRAIN}),
    "unreachable at connect": What(_machine("unreachable"), _CONNECTED, _SHORT),
    "unreachable in mid-task": What(_machine("lost"), _CONNECTED, _SHORT),
    "hung": What(
        _hung,
        variables={
            **_SHORT,
            **_DRAIN,
            "friday_package_lock_timeout": 0,
            "friday_upgrade_timeout": 8,
            "friday_check_timeout": 10,
        },
    ),
    "rescue failed": What(_rescue_fails, _CONNECTED, silent=True, keeps=True, disk_kib=1024),
    "module crashed": What(_machine("crashed"), _CONNECTED, _SHORT),
    "verify said fail": What(_oops, ("verify", "soak")),
    "verify said inconclusive": What(_no_evidence, ("verify", "soak"), _SHORT),
    "API server gone": What(_api_gone, variables=_SHORT, silent=True, keeps=True, expires=True),
    "lock lost": What(_lock_lost, keeps=True),
    "controller's disk full": What(_disk_full, silent=True, keeps=True, drifts=True, disk_kib=1024),
    "callback raises": What(_nothing, ("soak",), passes=True),
    "channel raises": What(_nothing, ("soak",), {"friday_notify": NOBODY}, passes=True),
    "SIGINT": What(_signal(signal.SIGINT, terminal=True)),
    "SIGTERM": What(_signal(signal.SIGTERM)),
    "SIGKILL": What(_killed, killed=True, keeps=True, expires=True),
}


def play(world: World, controller: Controller, name: str, where: str, step: str) -> list[str]:
    """Play one cell; what is not as it has to be, a sentence each."""
    what, host = WHATS[name], WHERE[where]
    callbacks = "friday.upgrade.journal,raising" if name == "callback raises" else ""
    started = controller.start(callbacks=callbacks, friday_namespace=NAMESPACE, **what.variables)
    scene = Scene(world, controller, started, host, step)
    what.bring(scene)
    code = started.wait()
    for machine in world.machines.values():
        machine.heal()
    world.kubelets.busy.clear()
    return list(_wrong(scene, what, code))


def _wrong(scene: Scene, what: What, code: int) -> Iterator[str]:
    world, controller, host = scene.world, scene.controller, scene.host
    output = scene.started.output
    if (code == 0) != what.passes:
        yield f"exit code {code}"
    if "Traceback (most recent call last)" in output:
        yield "a traceback was shown"
    number = next(i for i, wave in enumerate(WAVES) if host in wave)
    allowed = {name for wave in WAVES[: number + 1] for name in wave} if not what.passes else set(world.machines)
    if later := world.touched() - allowed:
        yield f"hosts of later waves were touched: {', '.join(sorted(later))}"
    folder = controller.runs()[-1]
    if not what.killed and not what.silent and not (folder / "report.html").exists():
        yield "there is no report"
    if what.silent and not (folder / "report.html").exists() and "FAILED" not in output:
        yield "neither report nor verdict"
    yield from _of_record(scene, what, folder)
    if not what.passes:
        yield from _of_hosts(scene, what)
    if _interrupts(what):
        yield from _of_interruption(scene)
    if what.expires:
        yield from _of_keeper(folder)
    if what.killed:
        yield from _of_the_next_command(scene, folder)


def _of_record(scene: Scene, what: What, folder: Path) -> Iterator[str]:
    world, record = scene.world, scene.controller.record()
    try:
        stored = cluster_record.read(world.api, NAMESPACE, folder.name)
    except ApiError as error:
        yield f"the record can't be read: {error}"
        return
    if not what.silent:
        told = {name: known.state for name, known in record.hosts.items()}
        kept = {name: known.state for name, known in stored.hosts.items()} if stored else {}
        if told != kept:
            yield f"journal and record differ: {told} and {kept}"
        if stored and not what.killed and not stored.outcome:
            yield "the record has no outcome"
    holder = lease.current(world.api, NAMESPACE)
    if holder and holder.run == folder.name and not what.expires:
        yield f"the lock is still held: {holder.identity}"


def _of_hosts(scene: Scene, what: What) -> Iterator[str]:
    """The failed host's cordon, and its peers, which may not be rolled back."""
    world, host = scene.world, scene.host
    cordoned, run = world.cordoned(), scene.controller.runs()[-1].name
    held = scene.step in _HARMLESS and not what.keeps
    if held and host in cordoned:
        yield f"{host} is still cordoned, although nothing on it was changed"
    given_back = what.drifts and host not in cordoned and not world.machines[host].touched
    if not held and not given_back and cordoned.get(host) != run and not what.killed:
        yield f"{host} is not cordoned by this run: {cordoned}"
    record = scene.controller.record()
    for peer in next(wave for wave in WAVES if host in wave):
        known = record.hosts.get(peer)
        if peer == host or known is None or what.keeps or _interrupts(what):
            continue
        if known.state is not HostState.DONE:
            yield f"{peer}, a healthy peer, is {known.state.value}"


_FINISHED: Mapping[str, tuple[int, int]] = {
    "drain": (0, 0),  # or undone
    "upgrade": (PACKAGES, 0),
    "reboot": (PACKAGES, 1),
    "verify": (PACKAGES, 1),
    "soak": (PACKAGES, 1),
}
"""Packages and reboots that a host has had which was interrupted in the step: it comes to its end."""


def _of_interruption(scene: Scene) -> Iterator[str]:
    """The step in hand came to its end, and none began after it, but for the uncordoning of who is through."""
    machine = scene.world.machines[scene.host]
    if (machine.upgrades, machine.boots) != _FINISHED[scene.step]:
        had = f"{machine.upgrades} packages and {machine.boots} reboots"
        yield f"{scene.host} has had {had} when {scene.step} had ended"
    asked = (scene.controller.runs()[-1] / "halt").stat().st_mtime
    for event in scene.controller.events():
        step = event.data.get("step")
        if event.kind is EventKind.STEP and event.time > asked + _AT_ONCE and step != "uncordon":
            yield f"{step} of {event.host} was begun {event.time - asked:.1f} s after the request to stop"


def _of_keeper(folder: Path) -> Iterator[str]:
    """A lock that nobody gives back expires only if nobody renews it."""
    known, end = keeper.read_state(folder), time.monotonic() + 10
    while known and keeper.alive(known.pid, known.pid_started):
        if time.monotonic() > end:
            yield f"the lock's keeper (process {known.pid}) has outlived its run"
            return
        time.sleep(0.1)


def _of_the_next_command(scene: Scene, folder: Path) -> Iterator[str]:
    """It may not go on, but takes the dead run's lock over, closes that run, and gives the lock back."""
    world, before = scene.world, scene.world.touched()
    code, output = scene.controller.run("friday.yml", friday_namespace=NAMESPACE, friday_soak=2)
    refused = (
        f"the policy differs from that of run {folder.name}, which left hosts unfinished: friday_soak was 1, is now 2"
    )
    if code != 2 or refused not in " ".join(output.split()):
        yield f"the next command, under another policy, ended with {code}: {output[-600:]}"
    report = folder / "report.html"
    if f"run {folder.name} did not finish cleanly: closed, {report}" not in output or not report.exists():
        yield "the next command has written no report, or does not say where it is"
    stored = cluster_record.read(world.api, NAMESPACE, folder.name)
    if stored and not stored.closed_by:
        yield "the next command has not closed the record"
    if holder := lease.current(world.api, NAMESPACE):
        yield f"the lock is still held: {holder.identity}"
    if world.touched() != before:
        yield "the next command has touched hosts"


def _interrupts(what: What) -> bool:
    """It stops all hosts of the wave, not one."""
    return what in (WHATS["SIGINT"], WHATS["SIGTERM"])
