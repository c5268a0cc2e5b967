# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd-boot with entries of the Boot Loader Specification (type 1): their order, and which is the default.

Sources: systemd-boot(7), loader.conf(5), the specification (UAPI group, boot loader entries), systemd's ``boot.c``.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Collection
from typing import NamedTuple

from .boot_loader import BootLoader, NextBoot, Undecided, efi_variable
from .system import System
from .version_order import compare_systemd

_COUNTED = re.compile(r"^(?P<id>.+?)\+(?P<left>\d+)(?:-(?P<done>\d+))?(?P<suffix>\.conf)$")
_LINUX = re.compile(r"/(?:vmlinu[zx]-(?P<file>[^/\s]+)|(?P<folder>\d[^/\s]*)/(?:linux|vmlinuz))$")


class Entry(NamedTuple):
    """An entry: ``left`` is the number of boots that it may still be tried for, None when it is not counted."""

    id: str
    release: str
    sort_key: str = ""
    machine: str = ""
    version: str = ""
    left: int | None = None
    done: int = 0


class SystemdBoot(BootLoader):
    """systemd-boot with entries of the Boot Loader Specification (type 1)."""

    name = "systemd-boot"
    folders = ("/boot", "/boot/efi", "/efi")
    entries = tuple(f"{folder}/loader/entries" for folder in folders)

    @staticmethod
    def present(system: System) -> bool:
        return any(system.glob(f"{folder}/*.conf") for folder in SystemdBoot.entries)

    def releases(self) -> list[str]:
        return sorted({entry.release for entry in self._entries() if entry.release})

    def next_boot(self, releases: Collection[str], remade: bool) -> NextBoot:
        entries = self._entries()
        if remade:
            entries = [*(entry for entry in entries if entry.release in releases or not entry.release)]
            known = {entry.release for entry in entries}
            entries += [_like(entries, release) for release in releases if release not in known]
        entries.sort(key=functools.cmp_to_key(_compare))
        entry, rule, fix = self._default(entries)
        if not entry.release:
            raise Undecided(f"systemd-boot would start {entry.id}, which is not a Linux kernel: {rule} ({fix})")
        if entry.release not in releases:
            raise Undecided(f"systemd-boot would start {entry.release}, which is not installed: {rule} ({fix})")
        return NextBoot(entry.release, rule, fix)

    def _default(self, entries: list[Entry]) -> tuple[Entry, str, str]:
        """The entry that is started, by which rule, and what changes that."""
        if not entries:
            raise Undecided("systemd-boot has no entry")
        settings = [
            ("LoaderEntryOneShot", efi_variable(self.system, "LoaderEntryOneShot"), "bootctl set-oneshot ''"),
            ("LoaderEntryDefault", efi_variable(self.system, "LoaderEntryDefault"), "bootctl set-default ''"),
            ("default in loader.conf", self._setting("default"), "remove `default` from loader.conf"),
        ]
        for name, pattern, fix in settings:
            wanted = efi_variable(self.system, "LoaderEntryLastBooted") if pattern == "@saved" else pattern
            for entry in entries:
                if wanted and fnmatch.fnmatchcase(entry.id.lower(), wanted.lower()):
                    return entry, f"systemd-boot is set to start {pattern} ({name})", fix
        fix = "remove the packages of the kernel that it starts (boot another one first), or see `bootctl list`"
        return entries[0], "it is the first in the menu", fix

    def _setting(self, name: str) -> str:
        for folder in self.folders:
            path = f"{folder}/loader/loader.conf"
            if self.system.exists(path):
                return _fields(self.system.read(path)).get(name, "")
        return ""

    def _entries(self) -> list[Entry]:
        return [
            _parse(name.rpartition("/")[2], self.system.read(name))
            for folder in self.entries
            for name in self.system.glob(f"{folder}/*.conf")
        ]


def _fields(text: str) -> dict[str, str]:
    """Lines of a name and a value; the first of each counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if value and not name.startswith("#"):
            found.setdefault(name.strip(), value.strip())
    return found


def _parse(name: str, text: str) -> Entry:
    fields = _fields(text.replace("\t", " "))
    counted = _COUNTED.match(name)
    path = _LINUX.search(fields.get("linux", ""))
    by_path = (path["file"] or path["folder"]) if path else ""
    return Entry(
        id=f"{counted['id']}{counted['suffix']}" if counted else name,
        release=by_path or (fields.get("version", "") if "linux" in fields else ""),
        sort_key=fields.get("sort-key", ""),
        machine=fields.get("machine-id", ""),
        version=fields.get("version", ""),
        left=int(counted["left"]) if counted else None,
        done=int(counted["done"] or 0) if counted else 0,
    )


def _like(entries: list[Entry], release: str) -> Entry:
    """The entry that a new kernel gets: named and sorted as the others are."""
    for entry in entries:
        if entry.release and entry.release in entry.id:
            new = entry.id.replace(entry.release, release)
            return entry._replace(id=new, release=release, version=release, left=None, done=0)
    return Entry(f"{release}.conf", release, version=release)


def _compare(one: Entry, other: Entry) -> int:
    """Which comes first: bad ones last, then by sort key, machine and version, then by name."""
    if difference := (one.left == 0) - (other.left == 0):
        return difference
    if difference := (not one.sort_key) - (not other.sort_key):
        return difference
    if one.sort_key and other.sort_key:
        for first, second in ((one.sort_key, other.sort_key), (one.machine, other.machine)):
            if first != second:
                return -1 if first < second else 1
        if difference := compare_systemd(other.version, one.version):
            return difference
    if difference := compare_systemd(other.id, one.id):
        return difference
    if one.left is None or other.left is None:
        return 0
    return (other.left - one.left) or (one.done - other.done)
