# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node's BPF programs were loaded from, and which of them are live: all that a rehearsal needs of the node.

Cilium keeps the objects that it has loaded in its state folder, which is on a tmpfs: a reboot takes it away. In 1.15
it writes one for each endpoint, with the endpoint's own values in it; a template without them would be refused for
nothing. Later ones put their values into the map ``.rodata.config``, which is read from the kernel.

Most other agents carry their objects in their own program; there they are looked for in every process that holds a BPF
program.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import elf
from .bpf_live import Live, holders
from .kernel_image import module_name
from .system import System, Unreadable

CILIUM_STATE = ("/run/cilium/state", "/var/run/cilium/state")
LARGEST = 32 * 1024**2  # bytes; Cilium's largest has half a MiB
MOST = 512
SYSCTLS = (
    "net.core.bpf_jit_enable",
    "net.core.bpf_jit_harden",
    "net.core.bpf_jit_kallsyms",
    "net.core.bpf_jit_limit",
    "kernel.kptr_restrict",
    "kernel.unprivileged_bpf_disabled",
)
"""Those that a program is loaded under."""

_TEMPLATES = "templates"
_WITHIN = "#"  # behind a program's path: the number of the object in it


def read(system: System, given: Sequence[str]) -> dict[str, Any]:
    """The objects, the live programs, the sysctls; ``unknown`` has what could not be read, with the reason.

    ``objects``: dictionaries with name, path, sha256, size, contents (map -> hexadecimal bytes), and carried: it was
    found in a process, named by nobody.
    ``live``: dictionaries with name, type and tag; None when they can't be asked for. ``modules``: names of those that
    are loaded; ``dkms``: of them, those that DKMS has built.
    """
    unknown: dict[str, str] = {}
    live: Live | None = None
    try:
        live = Live(system)
    except Unreadable as error:
        unknown["live"] = str(error)
    paths = [*_paths(system, given, unknown), *_carried(system)]
    if len(paths) > MOST:
        unknown["objects"] = f"{len(paths)} found; only the first {MOST} are used"
    objects: dict[str, dict[str, Any]] = {}
    for path in paths[:MOST]:
        found = _object(system, path, live, unknown)
        if found:  # several processes may run one program
            objects.setdefault(found["sha256"], found)
    modules, dkms = _modules(system)
    return {
        "objects": list(objects.values()),
        "live": live.programs() if live else None,
        "sysctls": _sysctls(system),
        "modules": modules,
        "dkms": dkms,
        "unknown": unknown,
    }


def _paths(system: System, given: Iterable[str], unknown: dict[str, str]) -> list[str]:
    """All objects: Cilium's, and those that were named as files, folders or patterns, or are in files so named."""
    found = list(_cilium(system))
    for pattern in given:
        names = system.glob(pattern)
        if not names:
            unknown[pattern] = "no such file or folder"
        for name in names:
            inside = [*system.glob(f"{name}/*.o"), *system.glob(f"{name}/*.elf")]
            found += inside if os.path.isdir(system.path(name)) else _within(system, name) or [name]
    return list(dict.fromkeys(found))


def _carried(system: System) -> list[str]:
    """The objects in what the holders of BPF programs run, libraries included; by /proc, as it may be in containers."""
    files: dict[tuple[int, int], str] = {}
    for process in holders(system):
        for path in _code(system, process):
            try:
                status = os.stat(system.path(path))
            except OSError:
                continue  # it has ended, or the file was replaced
            files.setdefault((status.st_dev, status.st_ino), path)
    return [name for path in files.values() for name in _within(system, path)]


def _code(system: System, process: int) -> Iterator[str]:
    """The program of a process, and the libraries that it has loaded (proc(5), maps)."""
    yield f"/proc/{process}/exe"
    try:
        lines = system.read(f"/proc/{process}/maps").splitlines()
    except Unreadable:
        return
    for path in dict.fromkeys(
        line.split(None, 5)[5] for line in lines if ".so" in line and len(line.split(None, 5)) > 5
    ):
        yield f"/proc/{process}/root{path}"


def _within(system: System, path: str) -> list[str]:
    """The objects that a program carries, by their numbers; none when it is an object itself, or can't be read."""
    try:
        with _mapped(system, path) as data:
            carried = () if elf.bpf_object(data) else tuple(elf.embedded(data))
    except OSError:
        return []
    return [f"{path}{_WITHIN}{number}" for number, _ in enumerate(carried, 1)]


@contextlib.contextmanager
def _mapped(system: System, path: str) -> Iterator[bytes]:
    """A file's bytes; one of a hundred megabytes is not read as a whole."""
    with open(system.path(path), "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data  # type: ignore[misc]  # it is searched and cut as bytes are


def _cilium(system: System) -> Iterator[str]:
    """One object of each kind: endpoints of one template differ in their values only."""
    for state in CILIUM_STATE:
        if not system.exists(state):
            continue
        seen = set()
        own = [name for name in system.glob(f"{state}/*/*.o") if os.path.basename(os.path.dirname(name)) != _TEMPLATES]
        for name in own:
            kind = os.path.basename(name)
            folder = os.path.dirname(name)
            if os.path.islink(system.path(name)) or os.path.basename(folder).endswith(("_next", "_stale", "_fail")):
                continue  # the link is to the template; the folders are of attempts
            if (kind, key := _template(system, folder)) and (kind, key) not in seen:
                seen.add((kind, key))
                yield name
        kinds = {kind for kind, _ in seen}
        for name in system.glob(f"{state}/{_TEMPLATES}/*/*.o"):
            if os.path.basename(name) not in kinds:
                yield name
        yield from system.glob(f"{state}/*.o")
        return


def _template(system: System, folder: str) -> str:
    """What an endpoint's object was made from: where the link to its template leads; else the endpoint itself."""
    for name in system.glob(f"{folder}/*"):
        path = system.path(name)
        if os.path.islink(path) and f"/{_TEMPLATES}/" in os.readlink(path):
            return os.readlink(path)
    return folder


def _object(system: System, path: str, live: Live | None, unknown: dict[str, str]) -> dict[str, Any] | None:
    try:
        data = content(system, path)
    except Unreadable as error:
        unknown[path] = str(error)
        return None
    contents: dict[str, str] = {}
    read = elf.bpf_object(data)
    if live and read:
        try:
            contents = _contents(live, path, data, read.sections, unknown)
        except Unreadable as error:
            unknown[f"{path} (read-only data)"] = str(error)
    sha256 = hashlib.sha256(data).hexdigest()
    return {
        "name": _name(system, path),
        "path": path,
        "sha256": sha256,
        "size": len(data),
        "contents": contents,
        "carried": path.startswith("/proc/"),
    }


def _name(system: System, path: str) -> str:
    """What an object is called in a report."""
    process = re.match(r"/proc/(\d+)/(?:exe|root(/.+))#(\d+)$", path)
    if not process:
        return path
    file = process[2]
    if not file:
        try:
            file = os.readlink(system.path(f"/proc/{process[1]}/exe"))
        except OSError:
            file = "a program"  # it has ended
    return f"{file} (process {process[1]}) {_WITHIN}{process[3]}"


def content(system: System, path: str) -> bytes:
    """The bytes of an object. Raises Unreadable."""
    file, _, number = path.rpartition(_WITHIN)
    if not number.isdigit() or system.exists(path):
        file, number = path, ""
    try:
        with _mapped(system, file) as data:
            begin, end = 0, len(data)
            if number:
                begin, end, _ = next(itertools.islice(elf.embedded(data), int(number) - 1, None))
            if end - begin > LARGEST:
                raise Unreadable(f"has {end - begin} bytes, at most {LARGEST} allowed")
            return bytes(data[begin:end])
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error
    except (StopIteration, ValueError):
        raise Unreadable(f"{path}: it no longer contains that object") from None


def _contents(
    live: Live, path: str, data: bytes, sections: Mapping[str, int], unknown: dict[str, str]
) -> dict[str, str]:
    """What the agent has put into the object's read-only data before it loaded it."""
    contents = {}
    for section, size in sections.items():
        if section.startswith(".rodata") and size:
            found = live.contents(section, size, data)
            if found:
                contents[section] = found[0]
            # Cilium's is each endpoint's own, and what differs is addresses and numbers.
            if found[1:] and section != ".rodata.config":
                unknown[f"{path} ({section})"] = f"is live with {len(found)} contents; only one of them is rehearsed"
    return contents


def _modules(system: System) -> tuple[list[str], list[str]]:
    try:
        loaded = sorted(line.split()[0] for line in system.read("/proc/modules").splitlines() if line)
        release = system.read("/proc/sys/kernel/osrelease").strip()
    except Unreadable:
        return [], []  # a kernel without modules
    built = {module_name(path) for path in system.glob(f"/lib/modules/{release}/updates/dkms/*")}
    return loaded, [name for name in loaded if name in built]


def _sysctls(system: System) -> dict[str, str]:
    found = {}
    for name in SYSCTLS:
        try:
            found[name] = system.read("/proc/sys/" + name.replace(".", "/")).strip()
        except Unreadable:
            continue  # a kernel without it
    return found
