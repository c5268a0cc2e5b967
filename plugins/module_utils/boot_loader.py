# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Friday wants of a boot loader, and which one a machine has: which kernels it can start, and which it will.

To add one: a subclass of :class:`BootLoader`, and its place in :func:`find`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from .system import System, Unreadable

# The boot loader's own word on UEFI machines (systemd's Boot Loader Interface): 4 bytes of attributes, then UTF-16.
_LOADER_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_GRUB_LINUX = re.compile(r"^\s*linux(?:16|efi)?\s+\S*/vmlinu[zx]-(\S+)", re.MULTILINE)
_GRUB_DEFAULT = re.compile(r"^\s*GRUB_DEFAULT=(?P<quote>[\"']?)(?P<value>.*?)(?P=quote)\s*(?:#.*)?$", re.MULTILINE)
_SAVED_ENTRY = re.compile(r"^saved_entry=(.+)$", re.MULTILINE)
_ENTRY_VERSION = re.compile(r"^version\s+(\S+)", re.MULTILINE)


class BootLoader(ABC):
    """One boot loader, on one machine."""

    name = ""

    def __init__(self, system: System) -> None:
        self.system = system

    @staticmethod
    @abstractmethod
    def present(system: System) -> bool:
        """Whether the machine is started by it, as far as its files tell."""

    @abstractmethod
    def releases(self) -> list[str]:
        """Releases of the kernels that its menu offers.

        Raises:
            system.Unreadable: the menu could not be read.
        """

    @abstractmethod
    def other_default(self) -> str:
        """Why it would start something else than the newest kernel; empty when it starts the newest."""


class Grub(BootLoader):
    """GRUB 2 with a menu made by grub-mkconfig."""

    name = "grub"
    menu = "/boot/grub/grub.cfg"

    @staticmethod
    def present(system: System) -> bool:
        return system.exists(Grub.menu) and bool(system.find("grub-mkconfig") or system.find("update-grub"))

    def releases(self) -> list[str]:
        return sorted(set(_GRUB_LINUX.findall(self.system.read(self.menu))))

    def other_default(self) -> str:
        default = "0"
        for name in ("/etc/default/grub", *self.system.glob("/etc/default/grub.d/*.cfg")):
            if self.system.exists(name):
                values = [match["value"] for match in _GRUB_DEFAULT.finditer(self.system.read(name))]
                default = values[-1] if values else default
        if default == "saved":
            environment = self.system.read("/boot/grub/grubenv") if self.system.exists("/boot/grub/grubenv") else ""
            saved = _SAVED_ENTRY.search(environment)
            default = saved[1] if saved else "0"
        if default in ("", "0"):
            return ""
        return f"GRUB is set to start the entry {default!r} instead of the newest kernel"


class SystemdBoot(BootLoader):
    """systemd-boot with entries of the Boot Loader Specification (type 1)."""

    name = "systemd-boot"
    entries = ("/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries")

    @staticmethod
    def present(system: System) -> bool:
        return any(system.glob(f"{folder}/*.conf") for folder in SystemdBoot.entries)

    def releases(self) -> list[str]:
        found = set()
        for folder in self.entries:
            for name in self.system.glob(f"{folder}/*.conf"):
                found.update(_ENTRY_VERSION.findall(self.system.read(name)))
        return sorted(found)

    def other_default(self) -> str:
        return ""


def find(system: System) -> BootLoader | None:
    """The boot loader that started the machine, or the one whose menu is there; None for none that Friday knows."""
    try:
        told = system.read(_LOADER_INFO).replace("\0", "").lower()
    except Unreadable:
        told = ""
    kinds = [kind for kind in (Grub, SystemdBoot) if kind.present(system)]
    named = [kind for kind in kinds if kind.name in told]
    return next((kind(system) for kind in named + kinds), None)


def incomplete(system: System, loader: BootLoader | None, release: str) -> list[str]:
    """What is missing for the machine to start this kernel: one sentence each, none when all is there.

    Raises:
        system.Unreadable: the boot loader's menu could not be read.
    """
    missing = []
    initrd_made = bool(system.find("update-initramfs") or system.find("dracut") or system.glob("/boot/initrd.img-*"))
    files = [f"/boot/vmlinuz-{release}", f"/lib/modules/{release}/modules.dep"]
    for name in files + ([f"/boot/initrd.img-{release}"] if initrd_made else []):
        if not system.size(name):
            missing.append(f"{name} is {'empty' if system.exists(name) else 'missing'}")
    if loader and release not in loader.releases():
        missing.append(f"the menu of {loader.name} has no entry for {release}")
    return missing
