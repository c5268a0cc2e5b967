# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One upgrade of packages, from the check against the plan to the proof that the machine can start again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import boot_loader
from .bootable import boot_after, installed_releases, kernel_package, next_kernel, reboot_required
from .facts import scope_packages
from .package_manager import Change, KernelPackages, Limits, PackageManager
from .system import StillRunning, System, tail


class Failed(Exception):
    """The upgrade stopped; the text says why, :class:`Upgrade` where and in which state."""


class Comparison(NamedTuple):
    """What the plan said against what would be done now: sentences that forbid it, and sentences to report."""

    forbidding: list[str]
    other: list[str]


def compare(
    names: KernelPackages, expected: Sequence[Change] | None, pending: Sequence[Change], installed: dict[str, str]
) -> Comparison:
    """Whether what would be done now is what was planned.

    A removal that was not planned, and another kernel than planned, forbid it (the plan's checks were made for that
    kernel). Anything else is reported. What the plan wanted and is installed by now counts as done. Without a plan
    (None) only removals forbid.
    """
    planned = {change.name: change for change in expected or ()}
    now = {change.name: change for change in pending}
    forbidding: list[str] = []
    other: list[str] = []
    for change in pending:
        plan = planned.get(change.name)
        if change.removal and (plan is None or not plan.removal):
            forbidding.append(f"{change}, which was not planned")
        elif change.downgrade and (plan is None or plan.candidate != change.candidate):
            forbidding.append(f"{change}, which is a downgrade that was not planned")
        elif expected is not None and (plan is None or plan.candidate != change.candidate):
            said = "was not planned" if plan is None else f"the plan has {plan.candidate or 'its removal'}"
            (forbidding if names.image_release(change.name) else other).append(f"{change}: {said}")
    for name, plan in planned.items():
        if name not in now and installed.get(name, "") != plan.candidate:
            (forbidding if names.image_release(name) else other).append(
                f"{plan} was planned, but is no longer available"
            )
    return Comparison(forbidding, other)


class Upgrade:
    """One upgrade. :meth:`check` first, then :meth:`perform` if there is something to do, then :meth:`verify`.

    Each raises :class:`Failed`, or :class:`system.Unreadable` where something could not be found out.

    Attributes:
        phase: check, download, install or verify: how far it came.
        changed: whether the machine's packages may differ from before.
        changes: what is to be done, or was done.
        differences: from the plan, as far as they do not forbid it.
        target: release of the kernel that the next boot runs.
        output: last lines of the package manager.
    """

    def __init__(
        self,
        system: System,
        manager: PackageManager,
        scope: str,
        expected: Sequence[Change] | None,
        limits: Limits,
        planned_kernel: str = "",
    ) -> None:
        self.system = system
        self.manager = manager
        self.scope = scope
        self.expected = expected
        self.limits = limits
        self.phase = "check"
        self.changed = False
        self.changes: list[Change] = []
        self.differences: list[str] = []
        self.output: list[str] = []
        self.kernel = system.read("/proc/sys/kernel/osrelease").strip()
        self.target = self.kernel
        self._planned_kernel = planned_kernel
        self._packages: list[str] | None = None

    def check(self) -> None:
        """Find out what is to be done, and whether it may be done; changes nothing."""
        broken = self.manager.broken()
        if broken:
            raise Failed(f"packages were already broken before the upgrade: {', '.join(broken)}")
        installed = self.manager.installed()
        self._packages = scope_packages(self.scope, self.manager, self.kernel)
        self.changes = self.manager.pending(self._packages)
        comparison = compare(self.manager.kernels, self.expected, self.changes, installed)
        self.differences = comparison.other
        if comparison.forbidding:
            raise Failed(f"the upgrade differs from the plan: {'; '.join(comparison.forbidding)}")
        releases = installed_releases(self.system, self.kernel)
        loader = boot_loader.find(self.system)
        self.target = next_kernel(self.manager.kernels, self.changes, releases, self.kernel, loader)
        if self._planned_kernel and self.target != self._planned_kernel:
            raise Failed(f"the next boot would start {self.target} instead of the planned {self._planned_kernel}")

    def download(self) -> None:
        """Fetch what is to be installed; changes nothing that is installed."""
        self.phase = "download"
        result = self.manager.download(self._packages, self.limits)
        self.output = tail(result.out + result.err)
        if result.rc:
            raise Failed(f"the download failed: {result.reason()}")

    def perform(self) -> None:
        """Download, then install."""
        self.download()
        self.phase, self.changed = "install", True
        removals = any(change.removal for change in self.changes)
        downgrades = any(change.downgrade for change in self.changes)
        try:
            result = self.manager.upgrade(self._packages, removals, self.limits, downgrades)
        except StillRunning as running:
            self.output = tail(running.output)
            raise Failed(
                f"the upgrade did not finish within {self.limits.work} s. It continues as process {running.pid}:"
                f" wait until it ends, then check the packages{_with(self.manager.remedies.check)};"
                " do not reboot before"
            ) from None
        self.output = tail(result.out)
        if result.rc:
            raise Failed(f"the upgrade failed: {result.reason()}")

    def verify(self) -> None:
        """Prove that everything arrived in full, and that the next boot finds its kernel."""
        self.phase = "verify"
        installed = self.manager.installed()
        problems = [f"{name} is broken" for name in self.manager.broken()]
        for change in self.changes:
            if installed.get(change.name, "") != change.candidate:
                found, wanted = installed.get(change.name) or "not installed", change.candidate or "gone"
                problems.append(f"{change.name} is {found} instead of {wanted}")
        # A kernel of one's own, and a container's none, are not the package manager's to prove.
        if kernel_package(self.manager.kernels, self.target, (), installed):
            loader = boot_loader.find(self.system)
            problems += boot_loader.incomplete(self.system, loader, self.target)
            problems += self._other_kernel(loader)
        if problems:
            raise Failed(f"the upgrade is not complete, do not reboot: {'; '.join(problems)}")

    def _other_kernel(self, loader: boot_loader.BootLoader | None) -> list[str]:
        """What the menu that is there now starts, if that is not the target."""
        releases = installed_releases(self.system, self.kernel)
        try:
            found = boot_after(loader, self.manager.kernels, (), releases, self.kernel)
        except boot_loader.Undecided as reason:
            return [str(reason)]
        if found.release == self.target:
            return []
        return [f"the next boot would start {found.release} instead of {self.target}: {found.rule}"]

    def reboot_required(self) -> bool:
        version = self.system.read("/proc/sys/kernel/version").strip()
        loader = boot_loader.find(self.system)
        return reboot_required(self.system, self.manager, self.manager.installed(), self.kernel, version, loader)

    def result(self) -> dict[str, Any]:
        """What the module returns, whether it failed or not."""
        return {
            "changes": [change._asdict() for change in self.changes],
            "differences": self.differences,
            "target_kernel": self.target,
            "output": self.output,
        }

    def diff(self) -> dict[str, str]:
        """Versions before and after, as ``--diff`` shows them."""
        lines = {
            "before": [f"{change.name} {change.installed}" for change in self.changes if change.installed],
            "after": [f"{change.name} {change.candidate}" for change in self.changes if change.candidate],
        }
        return {side: "".join(f"{line}\n" for line in found) for side, found in lines.items()}


def _with(command: str) -> str:
    return f" ({command})" if command else ""
