# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which kernels a machine can boot, now and after an upgrade."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

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


def next_kernel(names: KernelPackages, pending: Sequence[Change], releases: Collection[str], running: str) -> str:
    """The release that the next boot runs once ``pending`` is done: the newest, of the running kernel's own flavour.

    Raises:
        Unreadable: the newest one is of another flavour, so that a boot would change the flavour too.
    """
    brought, removed = _changed(names, pending)
    newest, own = next_boot((set(releases) | brought) - removed, running), parse(running)
    if newest.flavour != own.flavour:
        raise Unreadable(
            f"the next boot would start {newest.name}, but the running kernel {running} has the flavour"
            f" {own.flavour or 'none'}: remove the packages of the other flavour, or boot that kernel first"
        )
    return newest.name


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
    system: System, manager: PackageManager, installed: Mapping[str, str], running: str, version: str
) -> bool:
    """Whether the machine runs something else than what is installed: flag file, newer kernel, or newer build of it.

    Args:
        running: release of the running kernel.
        version: its build (``uname -v``).
    """
    if system.exists("/run/reboot-required") or system.exists("/var/run/reboot-required"):
        return True
    flavour = parse(running).flavour
    own = [name for name in installed_releases(system, running) if parse(name).flavour == flavour]
    if next_boot(own, running).name != running:
        return True
    package = kernel_package(manager.kernels, running, (), installed)
    return bool(package) and not manager.kernels.same_build(version, installed[package])
