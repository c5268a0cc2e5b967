# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernels of Debian's archive: the lab's two, and the oldest and the newest of each suite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from ansible_collections.friday.upgrade.plugins.module_utils.kernel_image import Image, packaged
from ansible_collections.friday.upgrade.plugins.module_utils.kernel_release import parse
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Limits
from ansible_collections.friday.upgrade.plugins.module_utils.system import System
from lab import progress
from lab.artifact import build
from lab.artifacts import kernels

SUITES = (
    ("bullseye", "bullseye-security"),
    ("bookworm", "bookworm-security"),
    ("bookworm-backports",),
    ("trixie", "trixie-security"),
    ("trixie-backports",),
)


@dataclass(frozen=True)
class Kernel:
    """A kernel, unpacked: its release, its package's version, its image, and the options that it was built with."""

    release: str
    version: str
    image: Path
    config: Path
    machine: str = "x86_64"


def pair() -> tuple[Kernel, Kernel]:
    """The lab's two: kernel A, and kernel B that refuses the incident."""
    both = kernels.pair()
    return _unpacked(both.running), _unpacked(both.candidate)


def _unpacked(kernel: kernels.Kernel) -> Kernel:
    def make(target: Path) -> None:
        image = unpack(kernel)
        target.mkdir()
        (target / "vmlinuz").write_bytes(image.data)
        (target / "config").write_bytes(image.config)

    folder = build(f"kernel-{kernel.release}", [kernel.version, "2"], make, 3)
    machine = "aarch64" if kernel.release.endswith("arm64") else "x86_64"
    return Kernel(kernel.release, kernel.version, folder / "vmlinuz", folder / "config", machine)


def unpack(kernel: kernels.Kernel) -> Image:
    """What a rehearsal takes out of a kernel's packages."""
    return packaged(_Downloaded(kernel.debs), kernel.release, [("lab", "")], Limits(0, 0))


class _Downloaded(Apt):
    """A package manager whose packages are here already."""

    def __init__(self, debs: list[Path]) -> None:
        super().__init__(System())
        self._debs = debs

    def fetch(self, packages: object, folder: str, limits: object) -> list[str]:
        return [str(path) for path in self._debs]


def arm64() -> list[Kernel]:
    """Two for arm64: the oldest of the running kernel's suite, and the newest of the candidate's."""
    old = kernels.of_suites("bookworm", "bookworm-security", architecture="arm64")[0]
    return [_unpacked(old), _unpacked(kernels.of_suites("trixie", "trixie-security", architecture="arm64")[-1])]


def every() -> list[Kernel]:
    """The lab's two, the oldest and the newest of each of Debian's suites that this machine's mirror has."""
    found = {kernel.release: kernel for kernel in pair()}
    for suites in SUITES:
        try:
            for kernel in map(_unpacked, kernels.of_suites(*suites)):
                found.setdefault(kernel.release, kernel)
        except RuntimeError as error:
            progress.say(f"{suites[0]}: not to be had here: {str(error).splitlines()[-1]}")
    return sorted(found.values(), key=lambda each: parse(each.release).key)
