# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Debian and what is made from it (Ubuntu, Proxmox, Raspberry Pi OS) name a kernel's packages, and its builds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from .package_manager import HEADERS, KERNEL, OTHER, KernelPackages

_IMAGES = ("linux-binary-", "linux-image-", "proxmox-kernel-", "pve-kernel-")
"""What packages with an image begin with; of several for one release the first holds the file.

Debian: linux-image-RELEASE, and linux-binary-RELEASE from 7.0 on (where linux-image-RELEASE stays as a package that
only depends on it). Ubuntu: linux-image-RELEASE when it is signed, linux-image-unsigned-RELEASE otherwise; Debian
writes -unsigned at the end, and Proxmox -signed.
"""

_PARTS = ("linux-modules-", "linux-modules-extra-", "linux-base-")
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

_KERNEL = ("linux-image", "linux-binary", "linux-modules", "proxmox-kernel", "proxmox-default-kernel", "pve-kernel")
_HEADERS = ("linux-headers", "proxmox-headers", "proxmox-default-headers", "pve-headers")


class DebianKernels(KernelPackages):
    """Names of Debian, and of what is made from it."""

    prefixes: ClassVar[tuple[str, ...]] = (*_IMAGES, *_PARTS)

    def kind(self, package: str) -> str:
        """By the beginning of its name."""
        return HEADERS if package.startswith(_HEADERS) else KERNEL if package.startswith(_KERNEL) else OTHER

    def image_release(self, package: str) -> str:
        match = None if _DEBUG.search(package) else _IMAGE.match(package)
        return (match["release"] or match["pve"]) if match else ""

    def images(self, packages: Iterable[str], release: str) -> list[str]:
        found = [name for name in packages if self.image_release(name) == release]
        return sorted(found, key=lambda name: (_prefix(name), _unsigned(name), name))

    def parts(self, packages: Iterable[str], release: str) -> list[str]:
        wanted = [f"{prefix}{release}" for prefix in _PARTS]
        return sorted((name for name in packages if name in wanted), key=wanted.index)

    def headers(self, packages: Iterable[str], release: str) -> list[str]:
        return [name for name in packages if self.kind(name) == HEADERS and name.endswith(f"-headers-{release}")]

    def metapackages(self, installed: Iterable[str], flavour: str) -> list[str]:
        if not flavour:
            return []
        pattern = re.compile(_META_PVE if flavour == "pve" else _META % re.escape(flavour))
        return sorted(name for name in installed if pattern.match(name))

    def holding(self, packages: Iterable[str], release: str) -> list[str]:
        """An image is signed and unsigned: one of both is enough."""
        names = list(packages)
        images: dict[bool, str] = {}
        for name in self.images(names, release):
            images.setdefault(name.startswith(_IMAGES[0]), name)
        return [*images.values(), *self.parts(names, release)]

    def same_build(self, kernel_version: str, package_version: str) -> bool:
        """An update may keep the release: only ``uname -v`` tells the builds apart then.

        Debian writes the package's version (``#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)``), Ubuntu what
        follows the ABI number in it (``#137-Ubuntu SMP ...`` for 5.15.0-127.137). True where the text has neither form.
        """
        debian = re.search(r" Debian (\S+)", kernel_version)
        if debian:
            return debian[1] == package_version
        ubuntu = re.match(r"#(\S+)-Ubuntu", kernel_version)
        upload = re.match(r"[^-]+-\d+\.(\S+)$", package_version)
        return not ubuntu or not upload or ubuntu[1] == upload[1]


def _prefix(name: str) -> int:
    return next(number for number, prefix in enumerate(_IMAGES) if name.startswith(prefix))


def _unsigned(name: str) -> bool:
    return "unsigned" in name or (name.startswith("proxmox-") and not name.endswith("-signed"))
