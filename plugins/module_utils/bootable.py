# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which kernels a machine can boot, now and after an upgrade."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .boot_loader import BootLoader, NextBoot, Undecided
from .kernel_release import newest_first, next_boot, parse
from .package_manager import Change, KernelPackages, PackageManager
from .system import System, Unreadable

_IMAGE = "/boot/vmlinuz-"


def installed_releases(system: System, running: str) -> set[str]:
    """Releases of the kernels in /boot, and the running one."""
    names = (name[len(_IMAGE) :] for name in system.glob(f"{_IMAGE}*"))
    return {running, *(name for name in names if not name.endswith((".dpkg-new", ".dpkg-tmp", ".dpkg-old", ".old")))}


def kernels(
    system: System, names: KernelPackages, pending: Sequence[Change], installed: Mapping[str, str], running: str
) -> list[dict[str, Any]]:
    """Every kernel that the machine can boot, or could after ``pending``, in the shape of ``Kernel`` of the model.

    In the order of a boot menu, the newest first; which of them is to be booted is for the controller to decide.
    """
    here = installed_releases(system, running)
    brought, removed = _changed(names, pending)
    arriving = {change.name: change.candidate for change in pending if not change.removal}
    found = []
    for release in (each.name for each in newest_first(here | brought)):
        packages = [(name, arriving[name]) for name in names.holding(arriving, release)]
        image = f"{_IMAGE}{release}"
        found.append(
            {
                "release": release,
                "package": kernel_package(names, release, arriving, installed),
                "installed": release in here,
                "image": image if system.exists(image) else "",
                "arriving": bool(packages),
                "leaving": release in removed,
                "packages": packages,
                "headers": bool(names.headers(arriving, release)) if packages else None,
            }
        )
    return found


def boot_after(
    loader: BootLoader | None, names: KernelPackages, pending: Sequence[Change], releases: Collection[str], running: str
) -> NextBoot:
    """What the next boot starts once ``pending`` is done: the loader's word, and without one the newest kernel.

    Raises:
        boot_loader.Undecided: the loader's files do not say.
        Unreadable: one of its files could not be read.
    """
    brought, removed = _changed(names, pending)
    staying = (set(releases) | brought) - removed or {running}
    if loader is None:
        return NextBoot(next_boot(staying, running).name, "it is the newest", "")
    # What belongs to the loader itself makes its menu anew too.
    remade = brought or removed or any(names.remakes_menu(change.name) for change in pending)
    return loader.next_boot(staying, bool(remade))


def not_newest(loader: BootLoader | None, found: NextBoot, releases: Collection[str], running: str) -> tuple[str, str]:
    """Why the next boot starts another kernel than the newest of its flavour, and what to do; empty where it does not.

    Args:
        found: what it starts.
        releases: the kernels that are there then.
    """
    flavour = parse(found.release).flavour
    own = [name for name in releases if parse(name).flavour == flavour]
    newest = newest_first([*own, found.release])[0].name
    if newest == found.release or loader is None:
        return "", ""
    reason = f"{loader.name} starts {found.release} next and not {newest}: {found.rule}"
    return reason, found.fix.replace("{newest}", newest)


def next_kernel(
    names: KernelPackages,
    pending: Sequence[Change],
    releases: Collection[str],
    running: str,
    loader: BootLoader | None = None,
) -> str:
    """The release that the next boot runs once ``pending`` is done, see :func:`boot_after`.

    Raises:
        Unreadable: it is not known, or it is of another flavour, so that a boot would change the flavour too.
    """
    found, own = parse(boot_after(loader, names, pending, releases, running).release), parse(running)
    if found.flavour != own.flavour:
        raise Unreadable(
            f"the next boot would start {found.name}, but the running kernel {running} has the flavour"
            f" {own.flavour or 'none'}: remove the packages of the other flavour, or boot that kernel first"
        )
    return found.name


def releases_after(names: KernelPackages, pending: Sequence[Change], releases: Collection[str]) -> set[str]:
    """The kernels that are there once ``pending`` is done."""
    brought, removed = _changed(names, pending)
    return (set(releases) | brought) - removed


def _changed(names: KernelPackages, pending: Sequence[Change]) -> tuple[set[str], set[str]]:
    """Releases whose images the upgrade brings, and those whose images it removes."""
    brought = {names.image_release(change.name) for change in pending if not change.removal}
    removed = {names.image_release(change.name) for change in pending if change.removal}
    return brought - {""}, removed - brought - {""}  # an image may replace another one of its release


def kernel_package(names: KernelPackages, release: str, pending: Collection[str], installed: Collection[str]) -> str:
    """The package that brings this release's image, or has brought it; empty for a kernel of one's own."""
    for packages in (pending, installed):
        if found := names.images(packages, release):
            return found[0]
    return ""


def reboot_required(
    system: System,
    manager: PackageManager,
    installed: Mapping[str, str],
    running: str,
    version: str,
    loader: BootLoader | None = None,
) -> bool:
    """Whether the machine runs something else than what is installed: flag file, newer kernel, or newer build of it.

    A newer kernel that its boot loader would not start is no reason: a reboot changes nothing.

    Args:
        running: release of the running kernel.
        version: its build (``uname -v``).
    """
    if system.exists("/run/reboot-required") or system.exists("/var/run/reboot-required"):
        return True
    flavour, here = parse(running).flavour, installed_releases(system, running)
    own = [name for name in here if parse(name).flavour == flavour]
    if next_boot(own, running).name != running:
        try:
            found = boot_after(loader, manager.kernels, (), here, running).release
        except Undecided:
            return True
        if found != running:
            return True
    package = kernel_package(manager.kernels, running, (), installed)
    return bool(package) and not manager.kernels.same_build(version, installed[package])
