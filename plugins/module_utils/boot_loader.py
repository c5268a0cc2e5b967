# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Friday wants of a boot loader, and which one a machine has: which kernels it can start, and which it will.

To add one: a subclass of :class:`BootLoader` in a file of its own, and its place in :func:`find`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import NamedTuple

from .system import System, Unreadable

# The loader's own variables on UEFI machines (systemd's Boot Loader Interface): 4 bytes of attributes, then UTF-16.
_EFI = "/sys/firmware/efi/efivars/{}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


class Undecided(Unreadable):
    """All was read, and what the next boot starts is still not known; the text says why, and what to do."""


class NextBoot(NamedTuple):
    """What the next boot starts: the kernel's release, by which of the loader's rules, and what changes that rule.

    ``rule`` is what follows "since": ``GRUB_DEFAULT is 'saved', and ...``. ``fix`` leads to the newest kernel; in it
    ``{newest}`` stands for that kernel's release.
    """

    release: str
    rule: str
    fix: str


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
    def next_boot(self, releases: Collection[str], remade: bool) -> NextBoot:
        """What the next boot starts, by the loader's own files and rules.

        Args:
            releases: kernels that are in /boot then.
            remade: whether its menu is made anew before, from those kernels; else it is the one that is there.

        Raises:
            Undecided: it can't be known; the text is the reason.
            system.Unreadable: a file could not be read.
        """


def find(system: System) -> BootLoader | None:
    """The boot loader that started the machine, or the one whose menu is there; None for none that Friday knows."""
    from .grub import Grub
    from .systemd_boot import SystemdBoot

    told = efi_variable(system, "LoaderInfo").lower()
    kinds: list[type[BootLoader]] = [kind for kind in (Grub, SystemdBoot) if kind.present(system)]
    named = [kind for kind in kinds if kind.name in told]
    return next((kind(system) for kind in named + kinds), None)


def efi_variable(system: System, name: str) -> str:
    """Text of a variable of the boot loader; empty where it is not set, or the machine has none."""
    try:
        return system.read(_EFI.format(name)).replace("\0", "").lstrip("\1\2\3\4\5\6\7").strip()
    except Unreadable:
        return ""


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
