# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guest: a kernel and an initramfs in QEMU, without disk and network, until it has said everything or is ended."""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import initramfs, report

OLDEST_EMULATOR = (10, 0)
"""Under the emulation of QEMU 7.2, kernels from 6.12 on crash at random (3 of 8 boots); 10.0 is clean."""

MEMORY_MIB = 1024
PROBE_SECONDS = 15.0
_PROGRAMS = {"x86_64": "qemu-system-x86_64"}
_PANIC_NOW = "panic=-1 oops=panic"  # with -no-reboot, QEMU ends when the kernel wants to reboot
# Without ACPI, whose tables are a program of their own to be interpreted, a boot takes half a second less.
_ARGUMENTS = f"console=ttyS0 loglevel=4 rdinit=/init acpi=off {_PANIC_NOW}"


class GuestError(Exception):
    """No guest can be run here at all; the message says what is missing."""


class Object(NamedTuple):
    """An object to be tried: what it is called in the answer, its file, and the contents of maps by their names."""

    name: str
    file: Path
    contents: Mapping[str, bytes]


class Trial(NamedTuple):
    """What is tried: the objects on a kernel, under the node's sysctls.

    ``kernel`` is its image, ``config`` the options that it was built with, both files. Times are in seconds.
    """

    kernel: Path
    objects: Sequence[Object]
    sysctls: Mapping[str, str]
    machine: str = "x86_64"
    config: Path | None = None
    seconds: float = 180.0
    program_seconds: float = 90.0


def run(trial: Trial, loader: Path, processor: Sequence[str]) -> dict[str, Any]:
    """Boot the kernel, have everything loaded, and return the answer (:func:`report.read`).

    ``timings`` in it has the seconds of each part: initramfs, boot (to the loader's first line), load; ``expired`` is
    true when the guest was ended because it was not done within ``trial.seconds``. Nothing is left behind.

    Raises:
        GuestError: QEMU is missing, or refuses to start.
        OSError: an object can't be read, or there is no room for the initramfs.
    """
    with tempfile.TemporaryDirectory(prefix="friday-rehearsal-") as name:
        folder = Path(name)
        began = time.monotonic()
        archive = folder / "initramfs"
        with archive.open("wb") as file:
            initramfs.write(file, _files(trial, loader))
        packed = time.monotonic()
        console, said = folder / "console", folder / "report"
        command = _command(trial, archive, console, said, processor)
        code, words, expired = _run_to_end(command, trial.seconds)
        answer = report.read(_text(said), _text(console))
        if code and not expired and not answer["release"]:
            raise GuestError(f"{command[0]} exited with code {code}: {words.strip()[-400:] or 'no output'}")
        ended = time.monotonic()
        answer["expired"] = expired
        answer["console"] = _text(console)[-2000:] if not answer["complete"] else ""
        answer["timings"] = {
            "initramfs": round(packed - began, 3),
            "guest": round(ended - packed, 3),
            "in_guest": round(answer.pop("guest_seconds"), 3),
        }
        return answer


def run_through(trial: Trial, loader: Path, processor: Sequence[str]) -> dict[str, Any]:
    """As :func:`run`; behind an object that takes the kernel down, or too long, a new guest goes on with the others.

    ``expired`` is then that of the first guest that was ended, and the timings are sums.
    """
    answer = run(trial, loader, processor)
    rest = list(trial.objects)
    latest = answer
    while not latest["complete"] and latest["last"] and rest:
        names = [each.name for each in rest]
        rest = rest[names.index(latest["last"]) + 1 :]
        if not rest:
            break
        latest = run(trial._replace(objects=rest), loader, processor)
        answer["objects"].update(latest["objects"])
        answer["timings"] = {part: seconds + latest["timings"][part] for part, seconds in answer["timings"].items()}
    return answer


def _files(trial: Trial, loader: Path) -> list[initramfs.File]:
    files, objects = [initramfs.File("/init", loader, 0o755)], []
    for number, each in enumerate(trial.objects):
        path = f"/rehearsal/objects/{number}.o"
        files.append(initramfs.File(path, each.file))
        contents = {name: base64.b64encode(content).decode() for name, content in each.contents.items()}
        objects.append({"name": each.name, "file": path, "contents": contents})
    if trial.config:
        files.append(initramfs.File("/rehearsal/config", trial.config))
    manifest = {"objects": objects, "sysctls": dict(trial.sysctls), "program_seconds": trial.program_seconds}
    files.append(initramfs.File("/rehearsal/manifest.json", json.dumps(manifest).encode()))
    return files


def _command(trial: Trial, archive: Path, console: Path, said: Path, processor: Sequence[str]) -> list[str]:
    return [
        *(program(trial.machine), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35", *processor, "-smp", "1", "-m", str(MEMORY_MIB)),
        *("-serial", f"file:{console}", "-serial", f"file:{said}"),
        *("-kernel", str(trial.kernel), "-initrd", str(archive), "-append", _ARGUMENTS),
    ]


def _run_to_end(command: Sequence[str], seconds: float) -> tuple[int, str, bool]:
    """Exit code, what it said, and whether it had to be ended. QEMU never outlives the call, even if that is killed."""
    mortal = [shutil.which("setpriv") or "", "--pdeathsig=KILL"]  # setpriv(1) of util-linux
    try:
        process = subprocess.Popen(
            [*(mortal if mortal[0] else ()), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise GuestError(f"{command[0]} can't be started: {error.strerror}") from error
    try:
        words, _ = process.communicate(timeout=seconds)
        return process.returncode, words.decode(errors="replace"), False
    except subprocess.TimeoutExpired:
        return -1, "", True
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()


def at_once(asked: int = 0, processors: int | None = None, memory_mib: int | None = None) -> int:
    """Number of guests to run at a time: as asked for, else by this host's processors and memory.

    One more than its processors, so that none idles while the last guest runs alone: five kernels on two processors
    take 2.2 to 2.5 times as long as one; with a guest for each processor 3.2, with all five at once 2.7 times
    (``make bench``). As many as there is memory for.
    """
    if asked:
        return asked
    if processors is None:
        processors = len(os.sched_getaffinity(0))
    if memory_mib is None:
        memory_mib = _free_mib()
    return max(1, min(processors + 1, memory_mib // MEMORY_MIB))


def _free_mib() -> int:
    """Memory that can be had without swapping, see proc(5)."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(Path("/proc/meminfo")), re.MULTILINE)
    return int(found[1]) // 1024 if found else 0


def program(machine: str) -> str:
    """QEMU for guests of this machine. Raises GuestError when there is none."""
    name = _PROGRAMS.get(machine)
    if name is None:
        raise GuestError(f"virtual machines for {machine} are not supported, only for {', '.join(_PROGRAMS)}")
    found = shutil.which(name)
    if not found:
        raise GuestError(f"{name} is not installed (Debian, Ubuntu: package qemu-system-x86)")
    return found


def processor(trial: Trial, loader: Path, cache: Path) -> list[str]:
    """QEMU's arguments for the fastest processor on which a guest comes to its end here: KVM, else emulation.

    ``/dev/kvm`` may be there and yet hang a stock kernel, so that an empty guest is run once, within a time limit. The
    answer is kept in ``cache`` for this host's kernel and this QEMU.

    Raises:
        GuestError: no QEMU, or one that is too old to emulate reliably.
    """
    number = _version(program(trial.machine))
    if _kvm_works(trial, loader, cache, number):
        return ["-accel", "kvm", "-cpu", "host"]
    if number < OLDEST_EMULATOR:
        have, wanted = (".".join(map(str, each)) for each in (number, OLDEST_EMULATOR))
        raise GuestError(
            f"KVM does not work here, and QEMU {have} is too old to work without it: its emulation is unreliable with "
            f"newer kernels; install {wanted} or newer, or set friday_rehearsal_host to another host"
        )
    return ["-accel", "tcg", "-cpu", "qemu64"]


def _kvm_works(trial: Trial, loader: Path, cache: Path, number: tuple[int, int]) -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or trial.machine != platform.machine():
        return False
    memory = cache / "kvm.json"
    host = f"{platform.release()} qemu {'.'.join(map(str, number))}"
    known = _known(memory)
    if known is None or known.get("host") != host:
        empty = Trial(trial.kernel, (), {}, trial.machine, seconds=PROBE_SECONDS)
        try:
            works = run(empty, loader, ["-accel", "kvm", "-cpu", "host"])["complete"]
        except GuestError:
            works = False
        known = {"host": host, "kvm": works}
        cache.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(known), encoding="utf-8")
    return bool(known["kvm"])


def _known(memory: Path) -> dict[str, Any] | None:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
        return known if isinstance(known, dict) else None
    except (OSError, ValueError):
        return None


def _version(name: str) -> tuple[int, int]:
    try:
        text = subprocess.run([name, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise GuestError(f"{name} --version: {error}") from error
    found = re.search(r"version (\d+)\.(\d+)", text)
    if not found:
        raise GuestError(f"{name} --version printed {text[:100]!r}")
    return int(found[1]), int(found[2])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
