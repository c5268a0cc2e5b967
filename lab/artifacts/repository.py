# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The apt repository that the lab's nodes upgrade from: kernel B, some ordinary updates, other kernels to ask about.

All are Debian's own packages.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.artifact import build
from lab.artifacts import debian, kernels

ORDINARY = ("ca-certificates", "tzdata")
"""Small packages with a newer version in the stable suite's updates than in the suite as it was released."""

_SUITES = ("trixie", "trixie-updates", "trixie-security")
_FIELDS = "Package Version Architecture Maintainer Installed-Size Depends Pre-Depends Recommends Suggests"
_FIELDS += " Conflicts Breaks Replaces Provides Section Priority Multi-Arch Description"


def path() -> Path:
    """A folder to be served over HTTP as a flat repository: ``deb [trusted=yes] URL ./`` (about 100 MB).

    ``trusted=yes`` because nothing signs it: each package in it was verified by apt when it was downloaded, and only
    the lab's own nodes can reach the address. A fleet of one's own should never say so.
    """
    debs = [*kernels.pair().candidate.debs, *(deb for kernel in kernels.neighbours() for deb in kernel.debs)]

    def make(target: Path) -> None:
        target.mkdir()
        for deb in debs:
            shutil.copy2(deb, target / deb.name)
        with debian.apt(*_SUITES) as client:
            client.download(ORDINARY, target)
        index(target)

    return build("repository", [*(deb.name for deb in debs), *ORDINARY, _FIELDS], make, 10)


def index(folder: Path) -> None:
    """Write ``Packages`` and ``Release`` for the packages in ``folder``, as a flat repository has them."""
    packages = "\n".join(_stanza(deb) for deb in sorted(folder.glob("*.deb"))).encode()
    (folder / "Packages").write_bytes(packages)
    checksum = f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages"
    header = ["Origin: Friday lab", "Label: Friday lab", "Suite: lab", "Codename: lab", "Architectures: amd64"]
    header.append("Date: Thu, 01 Jan 1970 00:00:00 UTC")
    (folder / "Release").write_text("\n".join([*header, "SHA256:", checksum, ""]))


def _stanza(deb: Path) -> str:
    """The package's entry in ``Packages``: its control fields, its place, size and checksum."""
    content = deb.read_bytes()
    place = [f"Filename: ./{deb.name}", f"Size: {len(content)}", f"SHA256: {hashlib.sha256(content).hexdigest()}"]
    return "\n".join([_control(deb, _FIELDS.split()), *place, ""])


def _control(deb: Path, fields: Sequence[str]) -> str:
    command = ["dpkg-deb", "--field", str(deb), *fields]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip("\n")
