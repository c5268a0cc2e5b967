# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which BPF programs are loaded, who holds them, and the read-only data that they were loaded with.

A program's code is half of it: its read-only data decides which branches the verifier looks at. One byte of it has
taken a program from 12 to 38,123 instructions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import bpf
from .system import System

NAME = 15
"""Characters that the kernel keeps of a name (BPF_OBJ_NAME_LEN - 1); of a program with BTF, bpftool has it all."""

_MOST_CONTENTS = 8
# What the kernel shows in the place of a file's name: link with an underscore, the others without.
_HANDLES = ("anon_inode:bpf-prog", "anon_inode:bpf_link", "anon_inode:bpf-map")
# systemd attaches these to its units by itself, and the kernel has them from no file.
_NOBODYS = ("sd_",)
_UNNAMED_TYPES = ("cgroup_device",)  # device rules of container runtimes, made on the spot


class _Map(NamedTuple):
    number: int
    name: str
    size: int  # of its one value, in bytes


class Live:
    """What bpftool(8) says of the programs that somebody had from a file. Raises Unreadable: it says nothing."""

    def __init__(self, system: System) -> None:
        self._system, self._tool = system, bpf.tool(system)
        self._programs = [each for each in self._ask("prog", "show") if _is_from_a_file(each)]
        self._data = {each["id"]: _Map(each["id"], each["name"], each["bytes_value"]) for each in self._frozen()}
        self._dumps: dict[int, str] = {}

    def programs(self) -> list[dict[str, str]]:
        """Each once, with name, type and tag."""
        fields = {(each["name"], each.get("type", ""), each.get("tag", "")) for each in self._programs}
        return [{"name": name, "type": kind, "tag": tag} for name, kind, tag in sorted(fields)]

    def contents(self, section: str, size: int, data: bytes) -> list[str]:
        """What live programs have where an object has ``section``, as hexadecimal digits, each once.

        ``data`` is the object: a program belongs to it when its name is in there. Objects of one agent share names of
        programs, and sections may happen to have one size: a map that is an object's own has no program of another's.
        """
        own = {name for name in self._names() if b"\0" + name.encode() in data}
        fitting = {
            number: names
            for number, names in self._users().items()
            if self._data[number].size == size and _is_called(self._data[number].name, section) and names & own
        }
        numbers = [number for number, names in fitting.items() if names <= own] or list(fitting)
        found: list[str] = []
        for number in numbers:
            if self._dump(number) not in found:
                found.append(self._dump(number))
            if len(found) >= _MOST_CONTENTS:
                break
        return found

    def _names(self) -> set[str]:
        return {each["name"] for each in self._programs}

    def _users(self) -> dict[int, set[str]]:
        """The names of the programs that have each section of read-only data, by its number."""
        found: dict[int, set[str]] = {}
        for program in self._programs:
            for number in program.get("map_ids") or ():
                if number in self._data:
                    found.setdefault(number, set()).add(program["name"])
        return found

    def _frozen(self) -> Iterator[dict[str, Any]]:
        """Maps that nobody can write to any more, with one value: sections of read-only data."""
        for each in self._ask("map", "show"):
            if ".rodata" in each.get("name", "") and each.get("frozen", 1) and each.get("bytes_value"):
                yield each

    def _dump(self, number: int) -> str:
        if number not in self._dumps:
            (entry,) = self._ask("map", "dump", "id", str(number))
            self._dumps[number] = "".join(byte[2:].zfill(2) for byte in entry["value"])
        return self._dumps[number]

    def _ask(self, *words: str) -> Any:
        return bpf.ask(self._system, [self._tool, "-j", *words])


def holders(system: System) -> list[int]:
    """Processes that hold BPF programs, links or maps, by their descriptors; not every bpftool can name them."""
    found = []
    for folder in system.glob("/proc/[0-9]*/fd"):
        path = system.path(folder)
        try:
            descriptors = os.listdir(path)
        except OSError:
            continue  # it has ended
        if any(_holds(os.path.join(path, name)) for name in descriptors):
            found.append(int(folder.split("/")[2]))
    return found


def _holds(descriptor: str) -> bool:
    try:
        return os.readlink(descriptor).startswith(_HANDLES)
    except OSError:
        return False  # it was closed


def _is_from_a_file(program: dict[str, Any]) -> bool:
    name = program.get("name", "")
    return bool(name) and not name.startswith(_NOBODYS) and program.get("type", "") not in _UNNAMED_TYPES


def _is_called(name: str, section: str) -> bool:
    """Whether a section's map is called so: by cilium/ebpf after the section, by libbpf after the object as well."""
    return name == section[:NAME] or (section == ".rodata" and name.endswith(section))
