# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Friday wants of a package manager, and which one a machine has.

To add one: a subclass of :class:`PackageManager` in a file of its own, and its place in :func:`find`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from .system import Result, System


class Change(NamedTuple):
    """A package that would change: ``installed`` is empty for a new one, ``candidate`` for a removal."""

    name: str
    installed: str
    candidate: str

    @property
    def removal(self) -> bool:
        return not self.candidate

    def __str__(self) -> str:
        if self.removal:
            return f"{self.name} {self.installed} is removed"
        return f"{self.name} {self.installed or '(new)'} -> {self.candidate}"


class Limits(NamedTuple):
    """How long to wait, in seconds: for somebody else's lock, and for the work itself."""

    lock: int
    work: int


class PackageManager(ABC):
    """One package manager, on one machine. Every method may raise :class:`system.Unreadable` with the reason."""

    name = ""

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
    def upgrade(self, packages: Sequence[str] | None, removals: bool, limits: Limits) -> Result:
        """Do what :meth:`pending` said. Without ``removals`` it fails, with nothing changed, rather than remove one.

        Raises:
            system.StillRunning: it took longer than ``limits.work``.
        """


def find(system: System) -> PackageManager | None:
    """The package manager of this machine, or None when it is none that Friday knows."""
    from .apt import Apt

    return next((kind(system) for kind in (Apt,) if kind.present(system)), None)
