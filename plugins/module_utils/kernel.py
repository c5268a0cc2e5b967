# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Debian and Ubuntu name kernels: releases (``uname -r``), flavours, packages, metapackages, builds."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

# 6.1.0-50-cloud-amd64, 6.12.107+deb13-cloud-amd64, 6.1.0-0.deb11.21-amd64, 5.15.0-127-generic, 6.8.0-1021-aws
_RELEASE = re.compile(r"^(?P<version>\d+(?:\.\d+)*[^-]*(?:-\d[^-]*)?)-(?P<flavour>[a-z].*)$")

# The package that holds the image itself. Debian: linux-image-RELEASE, and linux-binary-RELEASE from 7.0 on (where
# linux-image-RELEASE stays as a package that only depends on it). Ubuntu: linux-image-RELEASE when it is signed,
# linux-image-unsigned-RELEASE otherwise; Debian writes -unsigned at the end.
_IMAGE = re.compile(r"^linux-(?:image|binary)-(?:unsigned-)?(?P<release>\d\S*?)(?:-unsigned)?(?::\w+)?$")
_DEBUG = re.compile(r"-dbg(sym)?(:\w+)?$")

# What a metapackage of a flavour is called: linux-image-cloud-amd64, linux-generic, linux-image-generic-hwe-24.04,
# linux-headers-aws, linux-modules-cloud-amd64 and linux-base-cloud-amd64 (Debian from 7.0 on).
_META = (
    r"^linux-(?:(?:image|headers|binary|base|modules|modules-extra|tools|cloud-tools)-)?%s"
    r"(?:-(?:hwe|lts))?(?:-\d+\.\d+)?(?:-edge)?$"
)

Compare = Callable[[str, str], int]


class Release(NamedTuple):
    """A kernel release taken apart. ``flavour`` is empty where the name doesn't tell (a kernel of one's own)."""

    name: str
    version: str
    flavour: str


def parse_release(name: str) -> Release:
    """Take the output of ``uname -r`` apart."""
    match = _RELEASE.match(name)
    return Release(name, match["version"], match["flavour"]) if match else Release(name, name, "")


def image_release(package: str) -> str:
    """The release whose image this package holds; empty for any other package."""
    match = None if _DEBUG.search(package) else _IMAGE.match(package)
    return match["release"] if match else ""


def metapackages(installed: Iterable[str], flavour: str) -> list[str]:
    """Those of the installed packages that pull in new kernels of this flavour, in order."""
    if not flavour:
        return []
    pattern = re.compile(_META % re.escape(flavour))
    return sorted(name for name in installed if pattern.match(name))


def newest_first(releases: Iterable[str], compare: Compare) -> list[Release]:
    """Releases in the order of a boot menu. ``compare(a, b)`` gives the order of two versions as -1, 0 or 1.

    Of two flavours of one version the later in the alphabet comes first, as in grub-mkconfig (``sort -V -r``).
    """

    def order(a: Release, b: Release) -> int:
        return compare(a.version, b.version) or (a.flavour > b.flavour) - (a.flavour < b.flavour)

    return sorted((parse_release(name) for name in set(releases)), key=functools.cmp_to_key(order), reverse=True)


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
