# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node's BPF programs were loaded from, and which of them are live: all that a rehearsal needs of the node.

Cilium keeps the objects that it has loaded in its state folder, which is on a tmpfs: a reboot takes it away. In 1.15
it writes one for each endpoint, with the endpoint's own values in it; a template without them would be refused for
nothing. Later ones put their values into the map ``.rodata.config``, which is read from the kernel.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import bpf
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
_CONFIGURATION = ".rodata.config"
# systemd attaches these to its units by itself, and the kernel has them from no file.
_NOBODYS = ("sd_",)
_UNNAMED_TYPES = ("cgroup_device",)  # device rules of container runtimes, made on the spot


def read(system: System, given: Sequence[str]) -> dict[str, Any]:
    """The objects, the live programs, the sysctls; ``unknown`` has what could not be read, with the reason.

    ``objects``: dictionaries with name (its path), path, sha256, size, and contents (map -> hexadecimal bytes).
    ``live``: dictionaries with name, type and tag; None when they can't be asked for. ``modules``: names of those that
    are loaded; ``dkms``: of them, those that DKMS has built.
    """
    unknown: dict[str, str] = {}
    objects = []
    for path in _paths(system, given, unknown):
        found = _object(system, path, unknown)
        if found:
            objects.append(found)
    live: Any = None
    try:
        live, configurations = _live(system)
        for each in objects:
            each["contents"] = _contents(system, each["path"], configurations)
    except Unreadable as error:
        unknown["live"] = str(error)
    modules, dkms = _modules(system)
    return {
        "objects": objects,
        "live": live,
        "sysctls": _sysctls(system),
        "modules": modules,
        "dkms": dkms,
        "unknown": unknown,
    }


def _paths(system: System, given: Iterable[str], unknown: dict[str, str]) -> list[str]:
    """All object files: Cilium's, and those that were named as files, folders or patterns."""
    found = list(_cilium(system))
    for pattern in given:
        names = system.glob(pattern)
        if not names:
            unknown[pattern] = "there is no such file or folder"
        for name in names:
            inside = [*system.glob(f"{name}/*.o"), *system.glob(f"{name}/*.elf")]
            found += inside if os.path.isdir(system.path(name)) else [name]
    distinct = list(dict.fromkeys(found))
    if len(distinct) > MOST:
        unknown["objects"] = f"there are {len(distinct)}; the first {MOST} are taken"
    return distinct[:MOST]


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


def _object(system: System, path: str, unknown: dict[str, str]) -> dict[str, Any] | None:
    size = system.size(path)
    if size > LARGEST:
        unknown[path] = f"has {size} bytes; an object may have {LARGEST}"
        return None
    try:
        data = content(system, path)
    except Unreadable as error:
        unknown[path] = str(error)
        return None
    return {"name": path, "path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "contents": {}}


def content(system: System, path: str) -> bytes:
    """The bytes of an object. Raises Unreadable."""
    try:
        with open(system.path(path), "rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


def _live(system: System) -> tuple[list[dict[str, str]], dict[str, dict[str, str]]]:
    """Every loaded program that somebody had from a file, and by program's name what its configuration map holds."""
    tool = bpf.tool(system)
    live, maps = [], {}
    for program in bpf.ask(system, [tool, "-j", "prog", "show"]):
        name, kind = program.get("name", ""), program.get("type", "")
        if name.startswith(_NOBODYS) or kind in _UNNAMED_TYPES or not name:
            continue
        live.append({"name": name, "type": kind, "tag": program.get("tag", "")})
        maps[name] = program.get("map_ids", [])
    configured = {
        each["id"]: each for each in bpf.ask(system, [tool, "-j", "map", "show"]) if each.get("name") == _CONFIGURATION
    }
    configurations = {}
    for name, numbers in maps.items():
        for number in numbers:
            if number in configured:
                dump = bpf.ask(system, [tool, "-j", "map", "dump", "id", str(number)])
                configurations[name] = {_CONFIGURATION: "".join(byte[2:].zfill(2) for byte in dump[0]["value"])}
    distinct = {tuple(sorted(each.items())): each for each in live}
    return sorted(distinct.values(), key=lambda each: (each["name"], each["type"], each["tag"])), configurations


def _contents(system: System, path: str, configurations: dict[str, dict[str, str]]) -> dict[str, str]:
    """The configuration of the first live program whose name is in the object, and which has one."""
    if not configurations:
        return {}
    data = content(system, path)
    if _CONFIGURATION.encode() not in data:
        return {}
    for name, contents in configurations.items():
        if b"\0" + name.encode() in data:
            return contents
    return {}


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
