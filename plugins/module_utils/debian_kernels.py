# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Debian and what is made from it (Ubuntu, Proxmox, Raspberry Pi OS) name a kernel's packages, and its builds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from . import kernel_release

IMAGES = ("linux-binary-", "linux-image-", "proxmox-kernel-", "pve-kernel-")
"""What packages with an image begin with; of several for one release the first holds the file.

Debian: linux-image-RELEASE, and linux-binary-RELEASE from 7.0 on (where linux-image-RELEASE stays as a package that
only depends on it). Ubuntu: linux-image-RELEASE when it is signed, linux-image-unsigned-RELEASE otherwise; Debian
writes -unsigned at the end, and Proxmox -signed.
"""

PARTS = ("linux-modules-", "linux-modules-extra-", "linux-base-")
"""Ubuntu has the modules in packages of their own; Debian from 7.0 on everything, and nothing in the image's."""

_IMAGE = re.compile(
    r"^(?:linux-(?:image|binary)-(?:unsigned-)?(?P<release>\d\S*?)(?:-unsigned)?"
    r"|(?:proxmox|pve)-kernel-(?P<pve>\d\S*-pve)(?:-signed)?)(?::\w+)?$"
)
_DEBUG = re.compile(r"-dbg(sym)?(:\w+)?$")

# What a metapackage of a flavour is called: linux-image-cloud-amd64, linux-generic, linux-image-generic-hwe-24.04,
# linux-headers-aws, linux-modules-cloud-amd64 and linux-base-cloud-amd64 (Debian from 7.0 on).
_META = (
    r"^linux-(?:(?:image|headers|binary|base|modules|modules-extra|tools|cloud-tools)-)?%s"
    r"(?:-(?:hwe|lts))?(?:-\d+\.\d+)?(?:-edge)?$"
)
# Proxmox has one flavour: proxmox-default-kernel, proxmox-kernel-6.8, pve-kernel-5.15.
_META_PVE = r"^(?:proxmox-default-(?:kernel|headers)|(?:proxmox|pve)-(?:kernel|headers)-\d+\.\d+)$"


def image_release(package: str) -> str:
    """The release whose image this package holds; empty for any other package."""
    match = None if _DEBUG.search(package) else _IMAGE.match(package)
    return (match["release"] or match["pve"]) if match else ""


def image_packages(names: Iterable[str], release: str) -> list[str]:
    """Those of the packages that hold this release's image, the one with the file first."""
    found = [name for name in names if image_release(name) == release]
    return sorted(found, key=lambda name: (_prefix(name), "unsigned" in name, not name.endswith("-signed"), name))


def _prefix(name: str) -> int:
    return next(number for number, prefix in enumerate(IMAGES) if name.startswith(prefix))


def parts(names: Iterable[str], release: str) -> list[str]:
    """Those of the packages that hold what belongs to this release's image: its modules, mostly."""
    wanted = [f"{prefix}{release}" for prefix in PARTS]
    return sorted((name for name in names if name in wanted), key=wanted.index)


def metapackages(installed: Iterable[str], flavour: str) -> list[str]:
    """Those of the installed packages that pull in new kernels of this flavour, in order."""
    if not flavour:
        return []
    pattern = re.compile(_META_PVE if flavour == "pve" else _META % re.escape(flavour))
    return sorted(name for name in installed if pattern.match(name))


def offered(versions: Mapping[str, str], running: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The kernels of the running one's flavour, the newest first: each release with its packages (name, version).

    Args:
        versions: newest version that the sources have of each package.
        running: the release that runs.
    """
    wanted = kernel_release.parse(running).flavour
    releases = {image_release(name) for name in versions} - {""}
    found = []
    for each in kernel_release.newest_first(releases):
        if wanted and each.flavour == wanted:
            names = [*_signed(image_packages(versions, each.name)), *parts(versions, each.name)]
            found.append((each.name, [(name, versions[name]) for name in names]))
    return found


def _signed(images: list[str]) -> list[str]:
    """Without packages that hold the same image once more: one of its signed and unsigned forms is enough."""
    kinds: dict[int, str] = {}
    for name in images:
        kinds.setdefault(min(_prefix(name), 1), name)
    return list(kinds.values())


def same_build(kernel_version: str, package_version: str) -> bool:
    """False when the running kernel is another build than the package of its release that is installed now.

    An update may keep the release: only ``uname -v`` tells the builds apart then. Debian writes the package's version
    (``#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)``), Ubuntu what follows the ABI number in it
    (``#137-Ubuntu SMP ...`` for 5.15.0-127.137). True where the text is of neither form.
    """
    debian = re.search(r" Debian (\S+)", kernel_version)
    if debian:
        return debian[1] == package_version
    ubuntu = re.match(r"#(\S+)-Ubuntu", kernel_version)
    upload = re.match(r"[^-]+-\d+\.(\S+)$", package_version)
    return not ubuntu or not upload or ubuntu[1] == upload[1]
