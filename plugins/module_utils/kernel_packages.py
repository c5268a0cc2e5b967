# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which kernels of a node's own flavour its package sources have, and in which packages."""

from __future__ import annotations

import re
from typing import Any

from .package_manager import PackageManager

_IMAGES = ("linux-binary-", "linux-image-")
# Ubuntu has the modules in packages of their own; Debian from 7.0 on everything, and nothing in the image's.
_PARTS = ("linux-modules-", "linux-modules-extra-", "linux-base-")
# 6.1.0-56-cloud-amd64, 6.12.117+deb13-cloud-amd64, 5.15.0-72-generic: what follows the version is the flavour.
_RELEASE = re.compile(r"^\d+\.\d+(?:\.\d+)?(?:[+~][\w.~]+)?(?:-\d+)?-(?P<flavour>[a-z][\w-]*)$")


def flavour(release: str) -> str:
    """The flavour of a release (``cloud-amd64``); empty when it is none of a distribution's."""
    found = _RELEASE.match(release)
    return found["flavour"] if found else ""


def offered(manager: PackageManager, running: str) -> list[dict[str, Any]]:
    """The kernels of the running one's flavour, the newest first: ``release``, and ``packages`` with name and version.

    Raises:
        Unreadable: the package manager does not say.
    """
    wanted = flavour(running)
    versions = manager.offered((*_IMAGES, *_PARTS))
    releases = {name[len(prefix) :] for name in versions for prefix in _IMAGES if name.startswith(prefix)}
    found = []
    for release in sorted((each for each in releases if wanted and flavour(each) == wanted), key=order, reverse=True):
        names = [f"{prefix}{release}" for prefix in (*_IMAGES, *_PARTS) if f"{prefix}{release}" in versions]
        packages = [{"name": name, "version": versions[name]} for name in names]
        found.append({"release": release, "packages": packages})
    return found


def order(release: str) -> list[int]:
    """Newer releases have greater ones."""
    return [int(number) for number in re.findall(r"\d+", release)]
