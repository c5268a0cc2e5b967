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
ENDED = "ended"
"""Outcome of a program that its guest did not survive, or had to be ended in. The loader itself never says so."""

_FRUITLESS = 2  # guests in a row that try nothing: one may be a program's fault, two are the kernel's or this host's
_LOOK_SECONDS = 1.0


class _Machine(NamedTuple):
    """What guests of an architecture are run with: QEMU's program, its package in Debian and Ubuntu, its arguments.

    ``board`` and ``emulated`` are QEMU's arguments for the machine and, without KVM, for its processor. The two serial
    ports are the 8250s ttyS0 and ttyS1 everywhere.
    """

    program: str
    package: str
    board: tuple[str, ...]
    emulated: tuple[str, ...]
    ports: tuple[str, ...] = ()
    kvm: tuple[str, ...] = ()


_MACHINES = {
    "x86_64": _Machine("qemu-system-x86_64", "qemu-system-x86", ("-machine", "q35"), ("-cpu", "qemu64")),
    "aarch64": _Machine(
        "qemu-system-aarch64",
        "qemu-system-arm",
        ("-machine", "virt"),
        ("-cpu", "cortex-a57"),
        ("-device", "pci-serial-2x,chardev1=console,chardev2=report"),  # its own port is a PL011, and one alone
        ("-machine", "gic-version=host"),
    ),
}
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

    ``kernel`` is its image, ``config`` the options that it was built with, both files. ``seconds`` may pass without
    progress before the guest is ended, ``program_seconds`` before the load of a program is; ``begin`` is where to
    begin, by the numbers of an object and of a program in it.
    """

    kernel: Path
    objects: Sequence[Object]
    sysctls: Mapping[str, str]
    machine: str = "x86_64"
    config: Path | None = None
    seconds: float = 180.0
    program_seconds: float = 90.0
    begin: tuple[int, int] = (0, 0)


def run(trial: Trial, loader: Path, processor: Sequence[str]) -> dict[str, Any]:
    """Boot the kernel, have everything loaded, and return the answer (:func:`report.read`).

    ``timings`` in it has the seconds of each part: initramfs, boot (to the loader's first line), load; ``expired`` is
    true when the guest was ended because it had said nothing new for ``trial.seconds``. Nothing is left behind.

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
        code, words, expired = _run_to_end(command, trial.seconds, said)
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
    """As :func:`run`; behind what a guest goes down or hangs on, a new one goes on with what was not tried yet.

    What it was at has the outcome ``ended`` then, with ``late`` and its ``seconds`` when it hung. It goes on as long as
    there is progress: after two guests in a row that tried no program to its end (or one that does not come up), the
    ``error`` of each object that is left says so. ``expired``: some guest had to be ended; the timings are sums, and
    ``complete`` is the first guest's.
    """
    answer = latest = run(trial, loader, processor)
    if answer["expired"] and not answer["release"]:
        answer["error"] = f"its kernel did not come up within {trial.seconds:g} s"
    position, fruitless = trial.begin, [] if latest["tried"] else [_blame(trial, latest)]
    while not latest["complete"] and answer["release"]:
        position = _note_end(trial, answer, latest, position)
        if position[0] >= len(trial.objects):
            break
        if len(fruitless) == _FRUITLESS:
            _give_up(trial, answer, position, f"{' and then '.join(fruitless)}, and tried no program")
            break
        latest = run(trial._replace(begin=position), loader, processor)
        _merge(answer, latest)
        fruitless = [] if latest["tried"] else [*fruitless, _blame(trial, latest)]
        if not latest["release"]:
            _give_up(trial, answer, position, f"{fruitless[-1]} before its kernel had come up")
            break
    return answer


def _blame(trial: Trial, latest: Mapping[str, Any]) -> str:
    """That and on what a guest came to no answer."""
    at = latest["at"] or {}
    what = f" at {_at(latest)}" if at else ""
    return f"the guest hung{what} for {trial.seconds:g} s" if latest["expired"] else f"the guest went down{what}"


def _at(latest: Mapping[str, Any]) -> str:
    """The program that a guest has not come past; or that it was an object that it was reading."""
    at = latest["at"]
    if at["state"] == "listed":
        expected = latest["objects"][at["object"]]["expected"]
        return str(expected[at["number"]]) if at["number"] < len(expected) else "the end of an object"
    return at["program"] or "the reading of an object"


def _note_end(
    trial: Trial, answer: dict[str, Any], latest: Mapping[str, Any], began: tuple[int, int]
) -> tuple[int, int]:
    """Say of what a guest was at that it has not come past it, and return where the next one begins, behind it."""
    at = latest["at"]
    if at is None:
        return began[0] + 1, 0  # it never came to say anything
    number = next(index for index, each in enumerate(trial.objects) if each.name == at["object"])
    name, own = _at(latest), answer["objects"][at["object"]]
    behind = (number, at["number"] + 1)
    if at["state"] == "reading" or (at["state"] == "done" and not at["program"]):
        behind = (number + 1, 0)
    if at["state"] == "done" or name not in own["expected"]:
        if at["state"] == "reading":
            own["error"], own["complete"] = _ended(trial, latest, "being read")["error"], False
            own["late"] |= latest["expired"]
        return max(behind, (began[0], began[1] + 1))
    if all(each["program"] != name for each in own["programs"]):
        own["programs"].append({"program": name, **_ended(trial, latest, "being loaded")})
        own["late"] |= latest["expired"]
    return behind


def _ended(trial: Trial, latest: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The outcome of what took its guest with it."""
    if latest["expired"]:
        error = f"did not finish {what} within {trial.seconds:g} s, so the guest was ended"
        return {"outcome": ENDED, "error": error, "late": True, "seconds": trial.seconds}
    return {"outcome": ENDED, "error": f"the guest went down while it was {what}", "late": False, "seconds": 0.0}


def _merge(answer: dict[str, Any], latest: Mapping[str, Any]) -> None:
    """Add what another guest has said to what is known."""
    for name, found in latest["objects"].items():
        own = answer["objects"].setdefault(name, found)
        if own is found:
            continue
        known = {each["program"] for each in own["programs"]}
        own["programs"] += [each for each in found["programs"] if each["program"] not in known]
        own["splats"] += [text for text in found["splats"] if text not in own["splats"]]
        own["error"], own["expected"] = found["error"], found["expected"] or own["expected"]
        own["late"] |= found["late"]
        tried = {each["program"] for each in own["programs"] if each["outcome"] != ENDED}
        own["complete"] = bool(found["complete"] or own["expected"]) and set(own["expected"]) <= tried
    answer["timings"] = {part: seconds + latest["timings"][part] for part, seconds in answer["timings"].items()}
    answer["expired"] |= latest["expired"]


def _give_up(trial: Trial, answer: dict[str, Any], position: tuple[int, int], why: str) -> None:
    """Say of what was not tried why nobody goes on with it."""
    for number, each in enumerate(trial.objects[position[0] :], position[0]):
        empty = {"error": "", "complete": False, "late": False, "expected": [], "programs": [], "splats": []}
        own = answer["objects"].setdefault(each.name, empty)
        if number > position[0] or position[1] < len(own["expected"]) or not own["expected"]:
            own["error"], own["complete"] = f"given up: {why}", False


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
    manifest["begin"] = dict(zip(("object_number", "program_number"), trial.begin))
    files.append(initramfs.File("/rehearsal/manifest.json", json.dumps(manifest).encode()))
    return files


def _command(trial: Trial, archive: Path, console: Path, said: Path, processor: Sequence[str]) -> list[str]:
    return [
        *(program(trial.machine), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *(*_MACHINES[trial.machine].board, *processor, "-smp", "1", "-m", str(MEMORY_MIB)),
        *_ports(trial.machine, console, said),
        *("-kernel", str(trial.kernel), "-initrd", str(archive), "-append", _ARGUMENTS),
    ]


def _ports(machine: str, console: Path, said: Path) -> list[str]:
    """The first serial port is the kernel's console, the second one the loader's."""
    cards = _MACHINES[machine].ports
    if not cards:
        return ["-serial", f"file:{console}", "-serial", f"file:{said}"]
    files = {"console": str(console).replace(",", ",,"), "report": str(said).replace(",", ",,")}
    return [*(word for name, path in files.items() for word in ("-chardev", f"file,id={name},path={path}")), *cards]


def _run_to_end(command: Sequence[str], seconds: float, report_file: Path) -> tuple[int, str, bool]:
    """Exit code, what it said, and whether it had to be ended, as its report had not grown for so many seconds.

    QEMU never outlives the call, even if that is killed.
    """
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
        size, late = -1, 0.0
        while True:
            now, grown = time.monotonic(), report_file.stat().st_size if report_file.exists() else 0
            if grown != size:
                size, late = grown, now + seconds
            elif now >= late:
                return -1, "", True
            try:
                words, _ = process.communicate(timeout=min(_LOOK_SECONDS, max(late - now, 0)))
                return process.returncode, words.decode(errors="replace"), False
            except subprocess.TimeoutExpired:
                continue
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
    known = _MACHINES.get(machine)
    if known is None:
        raise GuestError(f"virtual machines for {machine} are not supported, only for {', '.join(_MACHINES)}")
    found = shutil.which(known.program)
    if not found:
        raise GuestError(f"{known.program} is not installed (Debian, Ubuntu: package {known.package})")
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
        return _kvm(trial.machine)
    if number < OLDEST_EMULATOR:
        have, wanted = (".".join(map(str, each)) for each in (number, OLDEST_EMULATOR))
        raise GuestError(
            f"KVM does not work here, and QEMU {have} is too old to work without it: its emulation is unreliable with "
            f"newer kernels; install {wanted} or newer, or set friday_rehearsal_host to another host"
        )
    return ["-accel", "tcg", *_MACHINES[trial.machine].emulated]


def _kvm(machine: str) -> list[str]:
    return ["-accel", "kvm", "-cpu", "host", *_MACHINES[machine].kvm]


def _kvm_works(trial: Trial, loader: Path, cache: Path, number: tuple[int, int]) -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or trial.machine != platform.machine():
        return False
    memory = cache / "kvm.json"
    host = f"{platform.release()} qemu {'.'.join(map(str, number))}"
    known = _known(memory)
    if known is None or known.get("host") != host:
        empty = Trial(trial.kernel, (), {}, trial.machine, seconds=PROBE_SECONDS)
        try:
            works = run(empty, loader, _kvm(trial.machine))["complete"]
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
