# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages of kernels: which hold an image, which bring new ones, and which builds are the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from ansible_collections.friday.upgrade.plugins.module_utils.debian_kernels import DebianKernels
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import (
    HEADERS,
    KERNEL,
    OTHER,
    offered_kernels,
    offered_packages,
)
from tests.unit.modules.fakes import FakeSystem

DEBIAN = DebianKernels()

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


class Sources(Apt):
    """Package sources that have these versions of packages."""

    def __init__(self, versions: dict[str, str]) -> None:
        self.versions = versions

    def offered(self, prefixes: Sequence[str]) -> dict[str, str]:
        return {name: version for name, version in self.versions.items() if name.startswith(tuple(prefixes))}


def from_versions(versions: dict[str, str], running: str) -> list[tuple[str, list[tuple[str, str]]]]:
    return offered_kernels(Sources(versions), running)


def from_sources(system: FakeSystem, running: str) -> list[tuple[str, list[tuple[str, str]]]]:
    return offered_kernels(Apt(system), running)


@pytest.mark.parametrize(
    ("package", "release"),
    [
        ("linux-image-6.1.0-50-cloud-amd64", "6.1.0-50-cloud-amd64"),
        ("linux-image-6.12.107+deb13-cloud-amd64-unsigned", "6.12.107+deb13-cloud-amd64"),
        ("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4+deb13-cloud-amd64"),
        ("linux-image-unsigned-5.15.0-127-generic", "5.15.0-127-generic"),
        ("linux-image-5.15.0-127-generic:arm64", "5.15.0-127-generic"),
        ("linux-image-6.1.0-0.deb11.21-amd64", "6.1.0-0.deb11.21-amd64"),
        ("linux-image-6.12.9+bpo-cloud-amd64", "6.12.9+bpo-cloud-amd64"),
        ("linux-image-6.6.31+rpt-rpi-v8", "6.6.31+rpt-rpi-v8"),
        ("proxmox-kernel-6.8.12-4-pve-signed", "6.8.12-4-pve"),
        ("proxmox-kernel-6.8.12-4-pve", "6.8.12-4-pve"),
        ("pve-kernel-5.15.158-2-pve", "5.15.158-2-pve"),
        ("proxmox-kernel-6.8", ""),
        ("proxmox-default-kernel", ""),
        ("linux-image-current-rockchip64", ""),
        ("linux-image-generic-hwe-24.04", ""),
        ("linux-image-6.12.107+deb13-amd64-dbg", ""),
        ("linux-image-cloud-amd64", ""),
        ("linux-modules-7.3.4+deb13-cloud-amd64", ""),
        ("linux-headers-6.1.0-50-cloud-amd64", ""),
    ],
)
def test_the_package_of_an_image(package: str, release: str) -> None:
    assert DEBIAN.image_release(package) == release


def test_metapackages_are_those_of_the_own_flavour() -> None:
    installed = [
        "linux-image-cloud-amd64",
        "linux-headers-cloud-amd64",
        "linux-modules-cloud-amd64",
        "linux-image-amd64",
        "linux-image-rt-amd64",
        "linux-image-6.1.0-50-cloud-amd64",
        "linux-perf",
        "linux-base",
    ]
    assert DEBIAN.metapackages(installed, "cloud-amd64") == [
        "linux-headers-cloud-amd64",
        "linux-image-cloud-amd64",
        "linux-modules-cloud-amd64",
    ]
    assert DEBIAN.metapackages(installed, "amd64") == ["linux-image-amd64"]
    assert DEBIAN.metapackages(installed, "") == []


def test_metapackages_of_ubuntu() -> None:
    installed = [
        "linux-generic",
        "linux-image-generic-hwe-24.04",
        "linux-headers-generic",
        "linux-tools-common",
        "linux-aws",
    ]
    assert DEBIAN.metapackages(installed, "generic") == [
        "linux-generic",
        "linux-headers-generic",
        "linux-image-generic-hwe-24.04",
    ]


@pytest.mark.parametrize(
    ("running", "package", "same"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)", "6.1.176-1", True),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-08-22)", "6.1.192-2", False),
        ("#137-Ubuntu SMP Fri Nov 8 15:21:01 UTC 2026", "5.15.0-127.137", True),
        ("#137-Ubuntu SMP Fri Nov 8 15:21:01 UTC 2026", "5.15.0-127.138", False),
        ("#45~22.04.1-Ubuntu SMP PREEMPT_DYNAMIC Wed Sep 11", "6.8.0-45.45~22.04.1", True),
        ("#1 SMP a kernel of one's own", "6.1.176-1", True),
    ],
)
def test_two_builds_of_one_release(running: str, package: str, same: bool) -> None:
    assert DEBIAN.same_build(running, package) is same


def test_kernels_that_the_sources_have(tmp_path: Path) -> None:
    """The one that is installed and in no source any more is none of them."""
    system = FakeSystem(tmp_path)
    system.answers = sources()
    found = from_sources(system, "6.1.0-56-cloud-amd64")
    assert [release for release, _ in found] == [
        "7.3.4+deb13-cloud-amd64",
        "6.12.117+deb13-cloud-amd64",
        "6.12.90+deb13-cloud-amd64",
    ]
    assert found[0][1] == [
        (f"linux-{kind}-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1") for kind in ("binary", "modules", "base")
    ]
    assert found[2][1][0][1] == "6.12.90-2", "the newest of its builds"
    assert " linux-base " not in next(call for call in system.calls if "madison" in call)


def test_a_kernel_of_ones_own_has_no_flavour(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    system.answers = sources()
    assert from_sources(system, "6.12.3") == []


def test_backports_have_a_flavour_too() -> None:
    """Their releases have dots and letters in the build; with two parsers one of them knew no flavour of theirs."""
    releases = ("6.1.0-0.deb11.21-amd64", "6.1.0-0.deb11.9-amd64", "5.10.0-30-amd64", "6.1.0-0.deb11.21-cloud-amd64")
    versions = {f"linux-image-{release}": "1" for release in releases}
    found = from_versions(versions, "6.1.0-0.deb11.17-amd64")
    assert [release for release, _ in found] == [releases[0], releases[1], releases[2]]


def test_signed_and_unsigned_are_one_image() -> None:
    release = "6.12.107+deb13-amd64"
    names = [f"linux-image-{release}-unsigned", f"linux-image-{release}", "linux-image-amd64"]
    assert DEBIAN.images(names, release) == [names[1], names[0]]
    assert from_versions(dict.fromkeys(names, "1"), release) == [(release, [(names[1], "1")])]
    pve = ["proxmox-kernel-6.8.12-4-pve", "proxmox-kernel-6.8.12-4-pve-signed"]
    assert from_versions(dict.fromkeys(pve, "1"), "6.8.8-1-pve") == [("6.8.12-4-pve", [(pve[1], "1")])]
    ubuntu = ["linux-image-unsigned-6.8.0-45-generic", "linux-modules-6.8.0-45-generic"]
    assert from_versions(dict.fromkeys(ubuntu, "1"), "6.8.0-44-generic")[0][1] == [(ubuntu[0], "1"), (ubuntu[1], "1")]


def test_metapackages_of_others() -> None:
    installed = ["proxmox-default-kernel", "proxmox-kernel-6.8", "proxmox-kernel-6.8.12-4-pve-signed", "pve-firmware"]
    assert DEBIAN.metapackages(installed, "pve") == ["proxmox-default-kernel", "proxmox-kernel-6.8"]
    assert DEBIAN.metapackages(["linux-image-rpi-v8", "linux-image-rpi-2712"], "rpi-v8") == ["linux-image-rpi-v8"]
    ubuntu = ["linux-virtual", "linux-image-kvm", "linux-azure", "linux-image-oem-24.04", "linux-lowlatency-hwe-22.04"]
    for flavour, name in (("kvm", ubuntu[1]), ("azure", ubuntu[2]), ("oem", ubuntu[3]), ("lowlatency", ubuntu[4])):
        assert DEBIAN.metapackages(ubuntu, flavour) == [name]


@pytest.mark.parametrize(
    ("package", "kind"),
    [
        ("linux-image-amd64", KERNEL),
        ("linux-binary-6.1", KERNEL),
        ("linux-modules-extra-6.8", KERNEL),
        ("proxmox-default-kernel", KERNEL),
        ("proxmox-kernel-6.8.12-4-pve-signed", KERNEL),
        ("linux-headers-6.1", HEADERS),
        ("proxmox-headers-6.8", HEADERS),
        ("linux-firmware", OTHER),
        ("linux-libc-dev", OTHER),
        ("util-linux", OTHER),
        ("pve-manager", OTHER),
    ],
)
def test_what_a_kernel_package_is(package: str, kind: str) -> None:
    assert DEBIAN.kind(package) == kind


def test_headers_are_those_of_the_release() -> None:
    names = [f"linux-headers-{end}" for end in ("6.1.0-50-amd64", "6.1.0-50-cloud-amd64", "amd64")]
    assert DEBIAN.headers(names, "6.1.0-50-amd64") == names[:1]
    assert DEBIAN.headers(["proxmox-headers-6.8.12-4-pve"], "6.8.12-4-pve") == ["proxmox-headers-6.8.12-4-pve"]


def test_the_packages_of_one_release(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    system.answers = sources()
    assert offered_packages(Apt(system), "6.12.117+deb13-amd64") == [("linux-image-6.12.117+deb13-amd64", "6.12.117-1")]
    assert len(offered_packages(Apt(system), "7.3.4+deb13-cloud-amd64")) == 3
    assert offered_packages(Apt(system), "6.16.3+deb13-cloud-amd64") == []
