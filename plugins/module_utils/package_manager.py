# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Friday wants of a package manager, and which one a machine has.

To add one: a subclass of :class:`PackageManager` in a file of its own with one of :class:`KernelPackages`, and its
place in :func:`kinds`. Nothing outside of these two knows a distribution: what they say of packages, kernels and
commands goes with the facts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from .kernel_release import newest_first, parse
from .system import Result, System, Unreadable

KERNEL, HEADERS, OTHER = "kernel", "headers", "other"
"""Kinds of packages: a kernel's image, modules and metapackages; its headers; all else. The model has the same."""


class Change(NamedTuple):
    """A package that would change: ``installed`` is empty for a new one, ``candidate`` for a removal.

    ``downgrade``: the candidate is older than what is installed.
    """

    name: str
    installed: str
    candidate: str
    downgrade: bool = False

    @property
    def removal(self) -> bool:
        return not self.candidate

    def __str__(self) -> str:
        if self.removal:
            return f"{self.name} {self.installed} is removed"
        return f"{self.name} {self.installed or '(new)'} -> {self.candidate}"


class KeptBack(NamedTuple):
    """A package of which a newer version is available that the upgrade does not install, and why."""

    name: str
    reason: str


class Limits(NamedTuple):
    """How long to wait, in seconds: for somebody else's lock, and for the work itself."""

    lock: int
    work: int


class Remedies(NamedTuple):
    """Commands that fix things, as an operator types them; names of packages follow those of the second line.

    Empty: there is no such command. Fields as in ``Remedies`` of plugin_utils/model/host.py.
    """

    repair: str = ""  # completes what is half installed
    check: str = ""  # lists what is half installed
    free_space: str = ""  # makes room
    install: str = ""
    remove: str = ""
    hold: str = ""
    unhold: str = ""


class KernelPackages(ABC):
    """How a distribution names the packages of kernels. Pure: it reads nothing of the machine."""

    prefixes: ClassVar[tuple[str, ...]] = ()
    """What names of packages with images or modules begin with."""

    @abstractmethod
    def kind(self, package: str) -> str:
        """``KERNEL``, ``HEADERS`` or ``OTHER``."""

    @abstractmethod
    def image_release(self, package: str) -> str:
        """The release whose image this package holds; empty for any other package."""

    @abstractmethod
    def images(self, packages: Iterable[str], release: str) -> list[str]:
        """Those of the packages that hold this release's image, the one with the file first."""

    @abstractmethod
    def parts(self, packages: Iterable[str], release: str) -> list[str]:
        """Those of the packages that hold what belongs to this release's image: its modules, mostly."""

    @abstractmethod
    def headers(self, packages: Iterable[str], release: str) -> list[str]:
        """Those of the packages that modules for this release are built with."""

    @abstractmethod
    def metapackages(self, installed: Iterable[str], flavour: str) -> list[str]:
        """Those of the installed packages that pull in new kernels of this flavour, in order."""

    def remakes_menu(self, package: str) -> bool:
        """Whether the boot loader's menu is made anew when this package changes (a kernel's is, in any case)."""
        return package.startswith(("grub", "shim", "systemd-boot", "os-prober", "memtest"))

    @abstractmethod
    def same_build(self, kernel_version: str, package_version: str) -> bool:
        """False when a running kernel (``uname -v``) is another build than its package that is installed now."""

    def holding(self, packages: Iterable[str], release: str) -> list[str]:
        """The packages from which this release's image and modules can be taken, each content once."""
        names = list(packages)
        return [*self.images(names, release), *self.parts(names, release)]


class PackageManager(ABC):
    """One package manager, on one machine. Every method may raise :class:`system.Unreadable` with the reason."""

    name = ""
    kernels: KernelPackages
    remedies = Remedies()

    def __init__(self, system: System) -> None:
        self.system = system

    @staticmethod
    @abstractmethod
    def present(system: System) -> bool:
        """Whether the machine is managed by it."""

    @abstractmethod
    def refresh(self, limits: Limits, scratch: str = "") -> None:
        """Fetch the lists of packages anew; with ``scratch``, a folder, into a copy there that is used from then on."""

    @abstractmethod
    def installed(self) -> dict[str, str]:
        """Version of each installed package."""

    @abstractmethod
    def held(self) -> list[str]:
        """Packages that an administrator has put on hold."""

    @abstractmethod
    def broken(self) -> list[str]:
        """Packages that are not installed in full, each with its state in brackets."""

    @abstractmethod
    def pending(self, packages: Sequence[str] | None) -> list[Change]:
        """What an upgrade would change now: of everything, or of ``packages`` and what these need."""

    def kept_back(self, packages: Sequence[str] | None) -> list[KeptBack]:
        """What the same upgrade leaves as it is although there is a newer version, each with the reason."""
        return []

    def unavailable(self, packages: Sequence[str] | None) -> list[str]:
        """Those of the upgrade's packages whose files their source does not have, each with what was seen."""
        return []

    def kernel_metapackages(self, flavour: str) -> list[str]:
        """The installed packages that pull in new kernels of this flavour, in order."""
        return self.kernels.metapackages(self.installed(), flavour)

    def kind(self, package: str) -> str:
        """``KERNEL``, ``HEADERS`` or ``OTHER``, by what is installed as well as by its name."""
        return self.kernels.kind(package)

    def makes_initramfs(self, change: Change) -> bool:
        """Whether the change of this package makes an initramfs anew."""
        return self.kind(change.name) == KERNEL and not change.removal

    def role(self, package: str) -> str:
        """What the package is to a node that lives by it: ``kubelet``, ``container runtime``, ...; empty for others."""
        return ""

    @abstractmethod
    def download(self, packages: Sequence[str] | None, limits: Limits) -> Result:
        """Fetch what :meth:`upgrade` needs; changes nothing that is installed."""

    @abstractmethod
    def offered(self, prefixes: Sequence[str]) -> dict[str, str]:
        """Newest version that the sources have of each package whose name begins so; what is only installed is not."""

    @abstractmethod
    def fetch(self, packages: Sequence[tuple[str, str]], folder: str, limits: Limits) -> list[str]:
        """Download these packages into ``folder``, verified; returns the files, in the order of their names.

        Each is a name and a version; without one the newest is meant.
        """

    @abstractmethod
    def archive(self, path: str) -> list[str]:
        """The command that writes what is in the file of a package to its standard output, as a tar archive."""

    @abstractmethod
    def upgrade(
        self, packages: Sequence[str] | None, removals: bool, limits: Limits, downgrades: bool = False
    ) -> Result:
        """Do what :meth:`pending` said.

        Without ``removals`` it fails, with nothing changed, rather than remove one; without ``downgrades`` likewise.

        Raises:
            system.StillRunning: it took longer than ``limits.work``.
        """


def kinds() -> list[type[PackageManager]]:
    """Those that Friday knows."""
    from .apt import Apt

    return [Apt]


def find(system: System) -> PackageManager:
    """The package manager of this machine.

    Raises:
        Unreadable: it is none that Friday knows.
    """
    for kind in kinds():
        if kind.present(system):
            return kind(system)
    raise Unreadable(f"no package manager that Friday supports ({', '.join(kind.name for kind in kinds())})")


def offered_kernels(manager: PackageManager, running: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Kernels of the running one's flavour in the package sources, the newest first.

    Returns:
        Each release with the packages (name, version) from which its image and modules can be taken.

    Raises:
        Unreadable: the package manager does not say.
    """
    wanted = parse(running).flavour
    versions = manager.offered(manager.kernels.prefixes)
    releases = {manager.kernels.image_release(name) for name in versions} - {""}
    return [
        (each.name, [(name, versions[name]) for name in manager.kernels.holding(versions, each.name)])
        for each in newest_first(releases)
        if wanted and each.flavour == wanted
    ]


def offered_packages(manager: PackageManager, release: str) -> list[tuple[str, str]]:
    """The packages (name, version) from which a release's image and modules can be taken; none if no source has it.

    Raises:
        Unreadable: the package manager does not say.
    """
    versions = manager.offered(manager.kernels.prefixes)
    if not manager.kernels.images(versions, release):
        return []
    return [(name, versions[name]) for name in manager.kernels.holding(versions, release)]
