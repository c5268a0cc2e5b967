# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernels that the package sources have: of the node's own flavour, the newest first, wherever their image is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import kernel_packages
from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from tests.unit.modules.fakes import FakeSystem

NAMES = """linux-image-6.12.90+deb13-cloud-amd64
linux-image-6.12.117+deb13-cloud-amd64
linux-image-6.12.117+deb13-amd64
linux-image-6.12.117+deb13-cloud-amd64-unsigned
linux-image-6.12.117+deb13-cloud-amd64-dbg
linux-image-cloud-amd64
linux-image-6.1.0-56-cloud-amd64
linux-binary-7.3.4+deb13-cloud-amd64
linux-modules-7.3.4+deb13-cloud-amd64
linux-base
linux-base-7.3.4+deb13-cloud-amd64
linux-image-7.3.4+deb13-cloud-amd64
"""
MADISON = """linux-base-7.3.4+deb13-cloud-amd64 | 7.3.4-1~bpo13+1 | mirror trixie-backports/main amd64 Packages
linux-binary-7.3.4+deb13-cloud-amd64 | 7.3.4-1~bpo13+1 | mirror trixie-backports/main amd64 Packages
linux-image-6.12.117+deb13-amd64 | 6.12.117-1 | mirror trixie-security/main amd64 Packages
linux-image-6.12.117+deb13-cloud-amd64 | 6.12.117-1 | mirror trixie-security/main amd64 Packages
linux-image-6.12.90+deb13-cloud-amd64 | 6.12.90-2 | mirror trixie-updates/main amd64 Packages
linux-image-6.12.90+deb13-cloud-amd64 | 6.12.90-1 | mirror trixie/main amd64 Packages
linux-modules-7.3.4+deb13-cloud-amd64 | 7.3.4-1~bpo13+1 | mirror trixie-backports/main amd64 Packages
"""


def sources() -> dict[str, object]:
    def pkgnames(argv: list[str]) -> str:
        return "\n".join(name for name in NAMES.split() if name.startswith(argv[-1]))

    return {"apt-cache pkgnames": pkgnames, "apt-cache madison": MADISON}


@pytest.mark.parametrize(
    ("release", "flavour"),
    [
        ("6.1.0-56-cloud-amd64", "cloud-amd64"),
        ("6.12.117+deb13-cloud-amd64", "cloud-amd64"),
        ("6.12.74+deb12-rt-amd64", "rt-amd64"),
        ("5.15.0-72-generic", "generic"),
        ("6.8.0-1012-aws", "aws"),
        ("6.12.3", ""),
        ("cloud-amd64", ""),
    ],
)
def test_flavours(release: str, flavour: str) -> None:
    assert kernel_packages.flavour(release) == flavour


def test_kernels_that_the_sources_have(tmp_path: Path) -> None:
    """The one that is installed and in no source any more is none of them."""
    system = FakeSystem(tmp_path)
    system.answers = sources()
    found = kernel_packages.offered(Apt(system), "6.1.0-56-cloud-amd64")
    assert [each["release"] for each in found] == [
        "7.3.4+deb13-cloud-amd64",
        "6.12.117+deb13-cloud-amd64",
        "6.12.90+deb13-cloud-amd64",
    ]
    assert found[0]["packages"] == [
        {"name": "linux-binary-7.3.4+deb13-cloud-amd64", "version": "7.3.4-1~bpo13+1"},
        {"name": "linux-modules-7.3.4+deb13-cloud-amd64", "version": "7.3.4-1~bpo13+1"},
        {"name": "linux-base-7.3.4+deb13-cloud-amd64", "version": "7.3.4-1~bpo13+1"},
    ]
    assert found[2]["packages"][0]["version"] == "6.12.90-2", "the newest of its builds"
    assert " linux-base " not in next(call for call in system.calls if "madison" in call)


def test_a_kernel_of_ones_own_has_no_flavour(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    system.answers = sources()
    assert kernel_packages.offered(Apt(system), "6.12.3") == []
