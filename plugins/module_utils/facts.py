# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All facts of one machine, in the shape of ``HostFacts`` (plugin_utils/model/host.py): section by section."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Sequence
from typing import Any

from . import boot_loader, bootable, bpf, kernel_log, package_manager, probes, services, storage
from .kernel_release import parse
from .package_manager import Change, Limits, PackageManager
from .system import System, Unreadable

# Data: the fields of each section, with the value that a field has when it is unknown.
SECTIONS: dict[str, dict[str, Any]] = {
    "system": {
        "distribution": "",
        "distribution_version": "",
        "architecture": "",
        "kernel": "",
        "kernel_version": "",
        "boot_id": "",
        "uptime": 0.0,
    },
    "packages": {
        "package_manager": "",
        "pending": [],
        "kept_back": [],
        "unavailable": [],
        "kernel_metapackages": None,
        "held": [],
        "broken": [],
        "kernels": [],
        "boot_next": "",
        "boot_default": "",
        "boot_fix": "",
        "remedies": {},
        "reboot_required": False,
    },
    "boot": {"boot_loader": ""},
    "storage": {"file_systems": [], "initramfs": 0, "raid": []},
    "bpf": {"bpf": [], "btf": False},
    "kernel_log": {"kernel_log": []},
    "services": {"failed_units": [], "competing": []},
    "reach": {"reach": []},
}
ALWAYS = "system"  # costs nothing, and says which boot the rest belongs to


class _Once:
    """A property that is read once and then remembered, be it a value or a reason why there is none."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def __get__(self, facts: Any, owner: type) -> Any:
        name = self.read.__name__
        if name not in facts.known:
            try:
                facts.known[name] = self.read(facts)
            except Unreadable as error:
                facts.known[name] = error
        if isinstance(facts.known[name], Unreadable):
            raise facts.known[name]
        return facts.known[name]


class Facts:
    """Reads the fields; each method of a field's name returns its value or raises :class:`Unreadable`."""

    def __init__(
        self,
        system: System,
        scope: str = "all",
        since: float = 0.0,
        reach: Sequence[dict[str, Any]] = (),
        refresh: Callable[[PackageManager], None] | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            system: the machine.
            scope: ``all`` packages, or ``kernel``.
            since: seconds after the boot from which on the kernel's log counts.
            reach: probes (see :mod:`probes`).
            refresh: called once before packages are asked for; fetches their lists.
        """
        self.system = system
        self.scope = scope
        self.since = since
        self.probes = reach
        self.refresh = refresh
        self.known: dict[str, Any] = {}

    def gather(self, host: str, sections: Collection[str]) -> dict[str, Any]:
        """Every field of ``HostFacts``; ``unknown`` has the reason for each that was not read."""
        facts: dict[str, Any] = {"host": host}
        unknown: dict[str, str] = {}
        for section, fields in SECTIONS.items():
            for field, empty in fields.items():
                facts[field] = empty
                if section != ALWAYS and section not in sections:
                    unknown[field] = "not requested"
                    continue
                try:
                    facts[field] = getattr(self, field)()
                except Unreadable as error:
                    unknown[field] = str(error)
                except Exception as error:  # one field that surprises must not hide all the others
                    unknown[field] = f"{type(error).__name__}: {error}"
        facts["unknown"] = unknown
        return facts

    # system

    @_Once
    def _os_release(self) -> dict[str, str]:
        return parse_os_release(self.system.read("/etc/os-release"))

    def distribution(self) -> str:
        return self._os_release.get("ID", "linux")  # os-release(5): the default

    def distribution_version(self) -> str:
        return self._os_release.get("VERSION_ID", "")

    def architecture(self) -> str:
        return platform.machine()

    def kernel(self) -> str:
        return self.system.read("/proc/sys/kernel/osrelease").strip()

    def kernel_version(self) -> str:
        return self.system.read("/proc/sys/kernel/version").strip()

    def boot_id(self) -> str:
        return self.system.read("/proc/sys/kernel/random/boot_id").strip()

    def uptime(self) -> float:
        return float(self.system.read("/proc/uptime").split()[0])

    # packages

    @_Once
    def _packages(self) -> PackageManager:
        return package_manager.find(self.system)

    @_Once
    def _installed(self) -> dict[str, str]:
        return self._packages.installed()

    @_Once
    def _pending(self) -> list[Change]:
        if self.refresh:
            self.refresh(self._packages)
        return self._packages.pending(scope_packages(self.scope, self._packages, self.kernel()))

    def package_manager(self) -> str:
        return self._packages.name

    def pending(self) -> list[dict[str, Any]]:
        return [
            {
                **change._asdict(),
                "kind": self._packages.kind(change.name),
                "initramfs": self._packages.makes_initramfs(change),
                "role": self._packages.role(change.name),
            }
            for change in self._pending
        ]

    def kept_back(self) -> list[dict[str, str]]:
        asked = self._asked()
        return [each._asdict() for each in self._packages.kept_back(asked)] if asked != [] else []

    def unavailable(self) -> list[str]:
        asked = self._asked()
        return self._packages.unavailable(asked) if asked != [] else []

    def _asked(self) -> list[str] | None:
        """What the package manager is asked to upgrade; nothing where that can't be known, which ``pending`` says."""
        try:
            _ = self._pending  # its lists are those of now after it
        except Unreadable:
            return []
        return scope_packages(self.scope, self._packages, self.kernel())

    def kernel_metapackages(self) -> list[str]:
        return self._packages.kernel_metapackages(parse(self.kernel()).flavour)

    def held(self) -> list[dict[str, str]]:
        return [{"name": name, "kind": self._packages.kind(name)} for name in self._packages.held()]

    def broken(self) -> list[str]:
        return self._packages.broken()

    def kernels(self) -> list[dict[str, Any]]:
        return bootable.kernels(self.system, self._packages.kernels, self._pending, self._installed, self.kernel())

    def remedies(self) -> dict[str, str]:
        return self._packages.remedies._asdict()

    @_Once
    def _next_boot(self) -> tuple[str, str, str]:
        """The kernel of the next boot, why it is not the newest, and what to do about that.

        Where it is not known what the upgrade changes (kernels are unknown then), that of a boot as things are.
        """
        names, kernel, loader = self._packages.kernels, self.kernel(), self._loader
        here = bootable.installed_releases(self.system, kernel)
        try:
            pending = self._pending
        except Unreadable:
            pending = []
        try:
            found = bootable.boot_after(loader, names, pending, here, kernel)
        except boot_loader.Undecided as reason:
            return "", str(reason), ""
        after = bootable.releases_after(names, pending, here)
        return (found.release, *bootable.not_newest(loader, found, after, kernel))

    def boot_next(self) -> str:
        return self._next_boot[0]

    def boot_default(self) -> str:
        return self._next_boot[1]

    def boot_fix(self) -> str:
        return self._next_boot[2]

    def reboot_required(self) -> bool:
        return bootable.reboot_required(
            self.system, self._packages, self._installed, self.kernel(), self.kernel_version(), self._loader
        )

    # boot, storage, bpf, kernel_log, services, reach

    @_Once
    def _loader(self) -> boot_loader.BootLoader | None:
        return boot_loader.find(self.system)

    def boot_loader(self) -> str:
        return self._loader.name if self._loader else "none"

    def file_systems(self) -> list[dict[str, Any]]:
        return storage.file_systems(self.system)

    def initramfs(self) -> int:
        return storage.largest_initramfs(self.system)

    def raid(self) -> list[dict[str, Any]]:
        return storage.raid(self.system)

    def bpf(self) -> list[dict[str, str]]:
        return bpf.attachments(self.system)

    def btf(self) -> bool:
        return self.system.exists("/sys/kernel/btf/vmlinux")

    def kernel_log(self) -> list[str]:
        return kernel_log.read(self.system, self.since)

    def failed_units(self) -> list[str]:
        return services.failed_units(self.system)

    def competing(self) -> list[str]:
        return services.competing(self.system)

    def reach(self) -> list[dict[str, Any]]:
        return probes.run_all(self.system, self.probes)


def refresher(limits: Limits, scratch: str) -> Callable[[PackageManager], None]:
    """What :class:`Facts` wants as ``refresh``; with ``scratch`` the machine's own lists stay as they are."""
    return lambda manager: manager.refresh(limits, os.path.join(scratch, "friday") if scratch else "")


def parse_os_release(text: str) -> dict[str, str]:
    """os-release(5): NAME=value lines, quoted as for a shell."""
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return {name.strip(): value.strip().strip("\"'") for name, _equals, value in pairs}


def scope_packages(scope: str, manager: PackageManager, kernel: str) -> list[str] | None:
    """What a package manager is asked to upgrade: None for everything, else what brings the running flavour's kernels.

    Those on hold are left out: to name a package to apt-get is to override its hold.
    """
    if scope == "all":
        return None
    held = set(manager.held())
    return [name for name in manager.kernel_metapackages(parse(kernel).flavour) if name not in held]
