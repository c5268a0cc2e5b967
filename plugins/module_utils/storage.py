# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Room on the file systems that an upgrade writes to, and the state of the RAID arrays."""

from __future__ import annotations

import os
import re
from typing import Any

from .system import System

# Where packages and kernels go. One that lies on the file system of an earlier one is not told again.
MOUNTS = ("/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/var/cache/apt/archives", "/tmp")

_ARRAY = re.compile(r"^(?P<name>md\S*) : (?P<state>\S+(?: \([^)]*\))?)(?: (?P<rest>.*))?$")
_MEMBER = re.compile(r"\S+\[\d+\](?P<flags>(?:\([A-Z]\))*)")
_COUNT = re.compile(r"\[(?P<wanted>\d+)/(?P<active>\d+)\]")
# A scrub ("check") reads only; the array is as safe as ever meanwhile.
_SYNCING = re.compile(r"\b(?:resync|recovery|reshape)\s*=")


def file_systems(system: System) -> list[dict[str, Any]]:
    """Size and room (for those who are not root) of each distinct file system of :data:`MOUNTS`.

    In bytes and in inodes; a file system without a fixed number of inodes (btrfs, vfat) has 0 of them.
    """
    found, seen = [], set()
    for mount in MOUNTS:
        if system.exists(mount):
            path = system.path(mount)
            device = os.stat(path).st_dev
            if device not in seen:
                seen.add(device)
                room = os.statvfs(path)
                found.append(
                    {
                        "mount": mount,
                        "size": room.f_blocks * room.f_frsize,
                        "free": room.f_bavail * room.f_frsize,
                        "inodes": room.f_files,
                        "free_inodes": room.f_favail,
                    }
                )
    return found


def largest_initramfs(system: System) -> int:
    """Size in bytes of the largest initramfs in /boot: a new one is written beside it. 0 when there is none."""
    return max((system.size(name) for name in system.glob("/boot/initr*")), default=0)


def raid(system: System) -> list[dict[str, Any]]:
    """Arrays of /proc/mdstat (md(4)); none when the kernel has no md driver loaded."""
    return parse_mdstat(system.read("/proc/mdstat")) if system.exists("/proc/mdstat") else []


def parse_mdstat(text: str) -> list[dict[str, Any]]:
    """One dictionary with name, state, wanted, active and syncing for each array."""
    arrays: list[dict[str, Any]] = []
    for line in text.splitlines():
        head = _ARRAY.match(line)
        if head:
            members = [match["flags"] for match in _MEMBER.finditer(head["rest"] or "")]
            working = [flags for flags in members if "(F)" not in flags and "(S)" not in flags]
            # Levels without redundancy have no [n/m]: all of their members are needed, and there if it runs.
            active = len(working) if head["state"].startswith("active") else 0
            arrays.append(
                {
                    "name": head["name"],
                    "state": head["state"],
                    "wanted": len(members),
                    "active": active,
                    "syncing": False,
                }
            )
        elif arrays and "super external:" in line and not line.split("super external:")[1].startswith("/"):
            arrays.pop()  # a container of firmware RAID, never active itself; the volumes in it have lines of their own
        elif arrays and line.startswith(" "):
            count = _COUNT.search(line)
            if count:
                arrays[-1].update(wanted=int(count["wanted"]), active=int(count["active"]))
            if _SYNCING.search(line):
                arrays[-1]["syncing"] = True
    return arrays
