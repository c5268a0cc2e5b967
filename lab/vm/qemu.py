# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual machines by QEMU: their command lines, their control sockets (QMP), and whether KVM works here."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import socket
import string
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import paths
from lab.process import Daemon
from lab.topology import HOST, Node, Ports

PROGRAM = "qemu-system-x86_64"
OLDEST = (10, 0)
"""For emulation: under QEMU 7.2's, guests with Linux 6.12 crashed at random (measured: 3 of 8 boots); 10.0 is clean."""

MEMORY_MIB = 2048
MULTICAST_GROUP = "230.77.0.1"
PROBE_SECONDS = 15.0


class QemuError(RuntimeError):
    """QEMU is missing, too old, or refused a command."""


def version() -> tuple[int, int]:
    """QEMU's version (major, minor). Raises ``QemuError`` if it is missing."""
    try:
        text = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError as error:
        raise QemuError(f"{PROGRAM} is not installed; `make setup` installs it") from error
    found = re.search(r"version (\d+)\.(\d+)", text)
    if not found:
        raise QemuError(f"{PROGRAM} --version printed {text!r}")
    return int(found[1]), int(found[2])


def accelerator(kernel: Path) -> list[str]:
    """QEMU's arguments for the fastest processor that works here: KVM if a kernel boots under it, else emulation.

    ``/dev/kvm`` may be there and yet hang a stock guest, so ``kernel`` is booted once, with a time limit. The answer
    is kept in the cache for this host's kernel and this QEMU.

    Raises ``QemuError`` when it has to be emulation, and QEMU is too old for that.
    """
    number = version()
    if _kvm_works(kernel, number):
        return ["-accel", "kvm", "-cpu", "host"]
    if number < OLDEST:
        have, wanted = (".".join(map(str, each)) for each in (number, OLDEST))
        raise QemuError(
            f"KVM does not work here and QEMU {have} is too old to work without it: its emulation is unreliable with "
            f"newer kernels; install {wanted} or newer (on Debian 12: from bookworm-backports)"
        )
    return ["-accel", "tcg,thread=multi", "-cpu", "qemu64"]


def _kvm_works(kernel: Path, number: tuple[int, int]) -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    record = paths.cache() / "accelerator.json"
    host = f"{platform.release()} qemu {'.'.join(map(str, number))}"
    try:
        known = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    if known.get("host") != host:
        known = {"host": host, "kvm": _boots(kernel, ["-accel", "kvm", "-cpu", "host"])}
        record.write_text(json.dumps(known) + "\n")
    return bool(known["kvm"])


def _boots(kernel: Path, processor: list[str]) -> bool:
    """Whether ``kernel`` gets, within the limit, to where it finds no root file system (there is none) and reboots."""
    with tempfile.TemporaryDirectory(prefix="friday-probe-") as name:
        console = Path(name) / "console.log"
        command = [
            *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", *processor),
            *("-m", "256", "-no-reboot", "-serial", f"file:{console}", "-kernel", str(kernel)),
            *("-append", "console=ttyS0 panic=-1"),
        ]
        try:
            subprocess.run(command, timeout=PROBE_SECONDS, capture_output=True, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return False
        return console.exists() and "Unable to mount root fs" in console.read_text(errors="replace")


def create_overlay(target: Path, backing: Path, backing_format: str) -> None:
    """Make an empty qcow2 file over ``backing``, which must not change from then on."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", backing_format, "-b", str(backing), str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise QemuError(f"could not create an overlay over {backing}: {done.stderr.strip()}")


def hardware(processor: list[str], disk: Path | str, archives: Iterable[Path | str], console: Path | str) -> list[str]:
    """A machine with one processor, ``disk`` as vda, raw read-only ``archives`` as vdb and on, and a serial console."""
    command = [
        *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", *processor),
        *("-smp", "1", "-m", str(MEMORY_MIB), "-rtc", "base=utc"),
        *("-chardev", f"file,id=console,append=on,path={console}", "-serial", "chardev:console"),
        *("-device", "virtio-rng-pci"),
        *("-drive", f"if=none,id=vda,format=qcow2,cache=unsafe,discard=unmap,file={disk}"),
        *("-device", "virtio-blk-pci,drive=vda,bootindex=1"),
    ]
    for letter, archive in zip(string.ascii_lowercase[1:], archives, strict=False):
        command += ["-drive", f"if=none,id=vd{letter},format=raw,readonly=on,file={archive}"]
        command += ["-device", f"virtio-blk-pci,drive=vd{letter}"]
    return command


def preparation_command(
    disk: Path, kernel: Path, initrd: Path, archives: Iterable[Path], console: Path
) -> list[str | Path]:
    """Boot ``disk`` by ``kernel`` directly, without a network, into ``lab-prepare.service``; ends when that is done."""
    arguments = "root=/dev/vda1 rw console=ttyS0 quiet mitigations=off net.ifnames=0 panic=-1 lab.prepare"
    return [
        *hardware(accelerator(kernel), disk, archives, console),
        *("-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append", arguments),
    ]


@dataclass(frozen=True)
class Machine:
    """The VM of one node. Its folder holds disk.qcow2, seed.tar, console.log, qmp.sock and QEMU's log and pid."""

    node: Node
    folder: Path

    @property
    def daemon(self) -> Daemon:
        return Daemon("qemu", self.folder)

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def seed(self) -> Path:
        return self.folder / "seed.tar"

    def command(self, processor: list[str], ports: Ports, snapshot: str | None = None) -> list[str]:
        """QEMU's command line, relative to the machine's folder (so that a long home does not break sockets)."""
        forwarded = {ports.ssh(self.node): 22, ports.connect(self.node): 1080}
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{port}-:{inside}" for port, inside in forwarded.items())
        command = [
            *hardware(processor, "disk.qcow2", ["seed.tar"], "console.log"),
            *("-name", f"friday-{self.node.name}", "-qmp", "unix:qmp.sock,server=on,wait=off"),
            *("-netdev", f"user,id=eth0,net=10.0.2.0/24,host={HOST},{forwards}"),
            *("-device", f"virtio-net-pci,netdev=eth0,romfile=,mac={self.node.mac(0)}"),
            *("-netdev", f"socket,id=eth1,mcast={MULTICAST_GROUP}:{ports.multicast},localaddr=127.0.0.1"),
            *("-device", f"virtio-net-pci,netdev=eth1,romfile=,mac={self.node.mac(1)}"),
        ]
        return command + (["-loadvm", snapshot] if snapshot else [])

    def start(self, processor: list[str], ports: Ports, snapshot: str | None = None) -> None:
        """Start it, from ``snapshot`` if given. Does nothing when it runs."""
        self.daemon.start(self.command(processor, ports, snapshot))

    def stop(self) -> None:
        """Switch it off at once, as by pulling the plug: the lab never keeps a node's disk beyond a run."""
        self.daemon.stop(signal.SIGTERM)

    def monitor(self, command: str, timeout: float = 120.0) -> str:
        """Run a command of QEMU's human monitor (``savevm NAME``, ``info snapshots``) and return what it prints."""
        answer = self.execute("human-monitor-command", {"command-line": command}, timeout)
        return str(answer).strip()

    def execute(self, command: str, arguments: dict[str, Any] | None = None, timeout: float = 120.0) -> Any:
        """Run one QMP command and return its result. Raises ``QemuError`` when it is refused or nobody answers."""
        try:
            with _connect(self.folder / "qmp.sock", timeout) as connection, connection.makefile("rw") as stream:
                stream.readline()  # the greeting
                _ask(stream, "qmp_capabilities", None)
                return _ask(stream, command, arguments)
        except OSError as error:
            where = self.folder / "qmp.sock"
            raise QemuError(f"{self.node.name}: no answer to {command} on {where}: {error}") from error


def _connect(path: Path, timeout: float) -> socket.socket:
    """Connect to a Unix socket by its folder's descriptor, since the address itself is limited to 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection


def _ask(stream: Any, command: str, arguments: dict[str, Any] | None) -> Any:
    stream.write(json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})}) + "\n")
    stream.flush()
    while line := stream.readline():
        answer = json.loads(line)
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise QemuError(f"{command}: {answer['error'].get('desc', answer['error'])}")
    raise QemuError(f"{command}: QEMU closed the connection")
