# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the lab keeps its files. Nothing is created here except the folders themselves."""

from __future__ import annotations

from pathlib import Path

from lab import cache as _cache
from lab import slots

SOURCE = Path(__file__).resolve().parent
"""The lab's own sources (this folder)."""


def cache() -> Path:
    """The user's cache folder (see ``lab.cache``)."""
    return _cache.folder()


def artifacts() -> Path:
    """What was built once and can be deleted at any time: programs, images, kernels."""
    return _folder(cache() / "artifacts")


def run() -> Path:
    """State of this checkout's lab: pids, logs, sockets, disks, kubeconfig, certificates."""
    return slots.claim(cache(), SOURCE.parent)


def tests() -> Path:
    """What ``make test`` remembers from checkout to checkout."""
    return _folder(cache() / "tests")


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
