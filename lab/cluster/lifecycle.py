# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab as a whole: up from nothing or from its snapshot, down, back to the snapshot, and Cilium's builds."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lab import artifact, paths, slots, ssh
from lab.artifact import digest
from lab.artifacts import apps, cilium, images, kernels, kubernetes, repository
from lab.cluster import health, inventory, manifests
from lab.cluster.control_plane import EGRESS_SOCKET, ControlPlane
from lab.cluster.kubectl import Kubectl
from lab.cluster.pki import Pki, node_files
from lab.durations import Work
from lab.process import Daemon
from lab.progress import Patience, say, step
from lab.topology import NODES, Ports
from lab.vm import image, qemu, seed

FIRST_BUILD = 1
"""The build of Cilium that a new lab runs: the one with the incident."""

PATIENCE_SECONDS = 900.0
"""The lab waits as long as something changes, and this long when nothing does."""

FIRST_BOOT: Sequence[Work] = (
    ("waiting for the nodes and Cilium's agents", 180),
    ("starting what runs on the cluster", 60),
    ("saving a snapshot of the lab", 20),
)
RESTORE: Work = ("restoring the snapshot", 15)
"""The steps of coming up, from nothing and from the snapshot, that take most of the time."""


@dataclass(frozen=True)
class Lab:
    """One checkout's lab. Its state lies below ``folder``, its ports above ``ports.base``."""

    folder: Path = field(default_factory=paths.run)
    ports: Ports = field(default_factory=lambda: slots.ports(paths.run()))

    # ---- its parts

    @cached_property
    def pki(self) -> Pki:
        return Pki(self.folder / "pki")

    @cached_property
    def control_plane(self) -> ControlPlane:
        return ControlPlane(self.folder / "control-plane", kubernetes.binary(), self.pki, self.ports)

    @cached_property
    def machines(self) -> list[qemu.Machine]:
        return [qemu.Machine(node, self.folder / "vm" / node.name) for node in NODES]

    @cached_property
    def processor(self) -> list[str]:
        """QEMU's arguments for the processor: KVM where it works."""
        return qemu.accelerator(image.base(kernels.pair().running.debs).kernel)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use on the host."""
        return self.folder / "kubeconfig"

    @property
    def friday_kubeconfig(self) -> Path:
        """Friday's own kubeconfig: the rights of manifests/rights.yaml and no other."""
        return self.folder / "friday.kubeconfig"

    @cached_property
    def kubectl(self) -> Kubectl:
        return Kubectl(kubernetes.binary(), self.kubeconfig)

    def snapshot(self, build: int = FIRST_BUILD) -> Path:
        """The part of a snapshot that is not in the disks: etcd's data, and the record of what it was made from."""
        return self.folder / "snapshots" / _snapshot_name(build)

    def services(self) -> dict[str, list[str]]:
        """Helpers on the host, with their command lines: the way into the cluster, packages, compilations."""
        nodes = [f"-node={node.address}=127.0.0.1:{self.ports.connect(node)}" for node in NODES]
        socket = self.folder / "control-plane" / EGRESS_SOCKET
        python = [sys.executable, "-m"]
        server = ["http.server", str(self.ports.packages), "--bind", "127.0.0.1"]
        compiler = ["lab.compile_server", f"--port={self.ports.compile_server}"]
        places = [f"--cache={paths.cache() / 'compiled'}", f"--clang-root={images.cilium_root()}"]
        return {
            # Relative to where it runs: a socket's address is limited to 107 bytes.
            "egress": [
                *(str(apps.binary()), "egress", f"-socket={socket.relative_to(self.folder)}"),
                *(f"-listen=127.0.0.1:{self.ports.egress}", *nodes),
            ],
            "packages": [*python, *server, f"--directory={repository.path()}"],
            "compile-server": [*python, *compiler, *places],
        }

    def service_daemons(self) -> list[Daemon]:
        return [Daemon(name, self.folder) for name in ("egress", "packages", "compile-server")]

    def daemons(self) -> list[Daemon]:
        """Everything that runs on the host while the lab is up."""
        machines = [machine.daemon for machine in self.machines]
        return [*self.service_daemons(), *self.control_plane.daemons(), *machines]

    # ---- what a person asks for

    def build(self) -> None:
        """Make all that the lab is made of, as far as it is not in the cache. Nothing is started."""
        qemu.version()
        self.fingerprint()
        self.services()

    def plan(self) -> tuple[artifact.Plan, Sequence[Work]]:
        """What is built and what must be, and the steps that follow until the lab is up. Nothing of it is done."""
        with artifact.planning() as plan:
            kubernetes.binary(), images.archives()  # first, since all of it can be named before anything is there
            image.golden()
            self.services()
        # What is built is no part of a snapshot that was made before it; any other change is found by the fingerprint.
        fits = not plan.missing and self._recorded() == self.fingerprint()
        return plan, ([RESTORE] if fits else FIRST_BOOT)

    def up(self) -> None:
        """Bring the lab up and wait until all of it is ready: from the snapshot if one fits, else by a cold boot.

        Does little when it is up already. Raises ``NotReadyError`` naming what is missing.
        """
        qemu.version()
        fingerprint = self.fingerprint()
        started = time.monotonic()
        with self._lock():
            self._write_access()
            if self._recorded() != fingerprint:
                self._boot(fingerprint)
            elif all(daemon.pid() is not None for daemon in self.daemons()):
                say("the lab is running")
                self._wait_ready(10)
            else:
                self._restore()
            self._grant()
        say(f"the lab is ready after {time.monotonic() - started:.0f} s")

    def down(self) -> None:
        """Stop everything that runs.

        The snapshot stays; what happened since it was taken is gone at the next ``up``.
        """
        with self._lock():
            self._stop()

    def reset(self, build: int = FIRST_BUILD) -> None:
        """Back to the snapshot: kernel A, nothing upgraded, nobody cordoned, and ``build`` of Cilium.

        Whether the lab is up or down. A snapshot that is missing is made: the first by a cold boot, the one with the
        second build from the first.
        """
        qemu.version()
        fingerprint = self.fingerprint()
        with self._lock():
            self._write_access()
            if self._recorded() != fingerprint:
                self._boot(fingerprint)
            else:
                self._restore(build if self._recorded(build) == fingerprint else FIRST_BUILD)
            if self._recorded(build) != fingerprint:
                self._roll_out(build)
                self._save(fingerprint, build)
            self._grant()

    def set_cilium(self, build: int) -> None:
        """Roll out Cilium's build 1 (with the incident) or 2 (its fix); wait until all endpoints and pods are ready."""
        with self._lock():
            self._roll_out(build)

    # ---- how

    def fingerprint(self) -> str:
        """What a snapshot was made from; another one cannot be restored into this lab."""
        parts: list[str | Path] = [image.golden().name, kubernetes.binary().parent.name, manifests.FOLDER]
        parts += [json.dumps(self.machines[0].command(self.processor, self.ports)), str(qemu.version())]
        return digest(parts)

    def _recorded(self, build: int = FIRST_BUILD) -> str | None:
        try:
            return str(json.loads((self.snapshot(build) / "record.json").read_text())["fingerprint"])
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def _write_access(self) -> None:
        """Everything that says how to reach the lab."""
        self.pki.create()
        self.pki.write_kubeconfig(self.kubeconfig, "admin", self.ports)
        self.pki.write_kubeconfig(self.friday_kubeconfig, "friday", self.ports)
        ssh.write_known_hosts(self.ports)
        inventory.write(self.ports, self.friday_kubeconfig)

    def _start_services(self) -> None:
        self.control_plane.folder.mkdir(parents=True, exist_ok=True)
        environment = {"PYTHONPATH": str(paths.SOURCE.parent)}
        for name, command in self.services().items():
            Daemon(name, self.folder).start(command, environment=environment)
        listening = self.ports.egress, self.ports.packages, self.ports.compile_server
        for daemon, port in zip(self.service_daemons(), listening, strict=True):
            daemon.wait_for_port(port)

    def _start(self, snapshot: str | None = None) -> None:
        self._start_services()
        self.control_plane.start()
        for machine in self.machines:
            machine.start(self.processor, self.ports, snapshot)

    def _stop(self) -> None:
        """Stop all parts. The disks need no clean end: what is in them now is not used again."""
        with ThreadPoolExecutor(len(self.machines)) as pool:
            list(pool.map(lambda machine: machine.stop(), self.machines))
        self.control_plane.stop()
        for daemon in (*self.service_daemons(), Daemon("client", self.folder)):  # a client that its caller left behind
            daemon.stop()

    def _boot(self, fingerprint: str) -> None:
        """Make the snapshot that every lab has; the lab is up then."""
        if not self._is_booting(fingerprint):
            self._cold_boot(fingerprint)
        self._finish_boot()
        self._save(fingerprint)

    def _is_booting(self, fingerprint: str) -> bool:
        """Whether an earlier call, which was interrupted or gave up, left machines running that can be used."""
        try:
            booting = self._booting.read_text()
        except FileNotFoundError:
            return False
        return booting == fingerprint and all(daemon.pid() is not None for daemon in self.daemons())

    @property
    def _booting(self) -> Path:
        """Has the fingerprint of the machines from their first boot until their snapshot is saved."""
        return self.folder / "booting"

    def _cold_boot(self, fingerprint: str) -> None:
        """Start three new machines and an empty control plane."""
        self._stop()
        self._booting.unlink(missing_ok=True)
        shutil.rmtree(self.snapshot().parent, ignore_errors=True)  # all of them: the disks are made anew
        self.control_plane.erase_data()
        golden = image.golden()
        for machine in self.machines:
            shutil.rmtree(machine.folder, ignore_errors=True)
            machine.folder.mkdir(parents=True)
            qemu.create_overlay(machine.disk, golden, "qcow2")
            seed.write(machine.seed, machine.node, self.ports, node_files(self.pki, machine.node, self.ports))
        with step("starting the control plane and three virtual machines", 10):
            self._start()
        self._booting.write_text(fingerprint)

    def _finish_boot(self) -> None:
        """Bring new machines to where a snapshot is taken, or continue where an earlier call gave up."""
        network, workloads, _ = FIRST_BOOT
        with step(*network):
            self._apply_network()
            health.wait(self._network_reasons, PATIENCE_SECONDS)
        with step(*workloads):
            self._apply("coredns", "policy")
            health.wait(lambda: health.cluster(self.kubectl), PATIENCE_SECONDS)
            self._apply("shop")
            health.wait(lambda: health.cluster(self.kubectl), PATIENCE_SECONDS)
        self._wait_ready(10)

    def _roll_out(self, build: int) -> None:
        with step(f"rolling out {images.CILIUM[build]}", 150):
            self.kubectl.apply(manifests.render("cilium", manifests.values(self.pki, self.ports, build)))
            health.wait(self._network_reasons, PATIENCE_SECONDS)

    def _apply_network(self) -> None:
        crds = sorted((cilium.binaries() / "crds").glob("*.yaml"))
        self.kubectl.apply("\n---\n".join(path.read_text() for path in crds))
        self.kubectl.apply(manifests.nodes())
        self._apply("cilium")

    def _apply(self, *names: str) -> None:
        values = manifests.values(self.pki, self.ports)
        for name in names:
            self.kubectl.apply(manifests.render(name, values))

    def _grant(self) -> None:
        """Give Friday its rights. No snapshot has them, so that a changed manifest does not need a new one."""
        self.kubectl.apply(manifests.RIGHTS.read_text())

    def wait(self) -> None:
        """Wait until all nodes, pods and endpoints of the running lab are ready.

        Raises ``NotReadyError`` naming what is missing when nothing changes any more, ``ProcessError`` when a part of
        the lab does not run.
        """
        for daemon in self.daemons():
            daemon.check()
        health.wait(lambda: health.cluster(self.kubectl), PATIENCE_SECONDS)
        health.wait(lambda: health.agents(self.ports), PATIENCE_SECONDS)

    def _wait_ready(self, estimate: float) -> None:
        with step("waiting for all nodes, pods and endpoints", estimate):
            self.wait()

    def _network_reasons(self) -> list[str]:
        return health.cluster(self.kubectl) or health.agents(self.ports)

    def _save(self, fingerprint: str, build: int = FIRST_BUILD) -> None:
        """Take a snapshot: all nodes and etcd at the same moment, with nothing running in between."""
        snapshot = self.snapshot(build)
        partial = snapshot.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with step(*FIRST_BOOT[-1]):
            self._each(lambda machine: machine.execute("stop"))
            self.control_plane.stop()
            self.control_plane.save_data(partial / "etcd")
            self._each(lambda machine: _save_machine(machine, _snapshot_name(build)))
            self._booting.unlink(missing_ok=True)
            (partial / "record.json").write_text(json.dumps({"fingerprint": fingerprint}) + "\n")
            partial.rename(snapshot)
            self.control_plane.start()
            self._each(lambda machine: machine.execute("cont"))
            self._set_clocks()
        self._wait_ready(20)

    def _restore(self, build: int = FIRST_BUILD) -> None:
        with step(*RESTORE):
            self._stop()
            self.control_plane.restore_data(self.snapshot(build) / "etcd")
            self._start(_snapshot_name(build))
            self._set_clocks()
        self._wait_ready(25)

    def _set_clocks(self) -> None:
        """A guest's clock stands while its machine is stopped or saved: set it by the host's."""

        def set_clock(machine: qemu.Machine) -> None:
            waiting = Patience(PATIENCE_SECONDS)
            while True:
                try:
                    return ssh.set_clock(machine.node, self.ports)
                except ssh.UnreachableError as error:
                    if waiting.exhausted(str(error)):
                        raise

        self._each(set_clock)

    def _each(self, work: Callable[[qemu.Machine], Any]) -> None:
        """Do ``work`` for all machines at once; the first error passes through."""
        with ThreadPoolExecutor(len(self.machines)) as pool:
            list(pool.map(work, self.machines))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One command at a time changes the lab; the kernel releases the lock when the process dies."""
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another command is using the lab; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _snapshot_name(build: int) -> str:
    """The name of the snapshot with this build of Cilium, in every node's disk and as a folder."""
    return f"cilium-{build}"


def _save_machine(machine: qemu.Machine, name: str) -> None:
    answer = machine.monitor(f"savevm {name}")
    if answer:
        raise qemu.QemuError(f"{machine.node.name}: savevm: {answer}")
