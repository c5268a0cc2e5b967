# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How kernels are named."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.kernel import (
    image_release,
    metapackages,
    newest_first,
    parse_release,
    same_build,
)


@pytest.mark.parametrize(
    ("name", "version", "flavour"),
    [
        ("6.1.0-50-cloud-amd64", "6.1.0-50", "cloud-amd64"),
        ("6.12.107+deb13-cloud-amd64", "6.12.107+deb13", "cloud-amd64"),
        ("6.12.107+deb13-rt-amd64", "6.12.107+deb13", "rt-amd64"),
        ("6.12.107+deb13-amd64", "6.12.107+deb13", "amd64"),
        ("6.1.0-0.deb11.21-cloud-amd64", "6.1.0-0.deb11.21", "cloud-amd64"),
        ("5.15.0-127-generic", "5.15.0-127", "generic"),
        ("6.8.0-1021-aws", "6.8.0-1021", "aws"),
        ("6.8.0-45-generic-64k", "6.8.0-45", "generic-64k"),
        ("6.6.51+rpt-rpi-v8", "6.6.51+rpt", "rpi-v8"),
        ("5.10.0", "5.10.0", ""),
    ],
)
def test_a_release_is_taken_apart(name: str, version: str, flavour: str) -> None:
    assert parse_release(name) == (name, version, flavour)


@pytest.mark.parametrize(
    ("package", "release"),
    [
        ("linux-image-6.1.0-50-cloud-amd64", "6.1.0-50-cloud-amd64"),
        ("linux-image-6.12.107+deb13-cloud-amd64-unsigned", "6.12.107+deb13-cloud-amd64"),
        ("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4+deb13-cloud-amd64"),
        ("linux-image-unsigned-5.15.0-127-generic", "5.15.0-127-generic"),
        ("linux-image-5.15.0-127-generic:arm64", "5.15.0-127-generic"),
        ("linux-image-6.12.107+deb13-amd64-dbg", ""),
        ("linux-image-cloud-amd64", ""),
        ("linux-modules-7.3.4+deb13-cloud-amd64", ""),
        ("linux-headers-6.1.0-50-cloud-amd64", ""),
    ],
)
def test_the_package_of_an_image(package: str, release: str) -> None:
    assert image_release(package) == release


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
    assert metapackages(installed, "cloud-amd64") == [
        "linux-headers-cloud-amd64",
        "linux-image-cloud-amd64",
        "linux-modules-cloud-amd64",
    ]
    assert metapackages(installed, "amd64") == ["linux-image-amd64"]
    assert metapackages(installed, "") == []


def test_metapackages_of_ubuntu() -> None:
    installed = [
        "linux-generic",
        "linux-image-generic-hwe-24.04",
        "linux-headers-generic",
        "linux-tools-common",
        "linux-aws",
    ]
    assert metapackages(installed, "generic") == [
        "linux-generic",
        "linux-headers-generic",
        "linux-image-generic-hwe-24.04",
    ]


def test_order_of_a_boot_menu() -> None:
    def compare(a: str, b: str) -> int:
        return (a > b) - (a < b)

    names = ["6.1.0-50-cloud-amd64", "6.1.0-56-amd64", "6.1.0-56-cloud-amd64", "6.1.0-56-amd64"]
    assert [release.name for release in newest_first(names, compare)] == [
        "6.1.0-56-cloud-amd64",
        "6.1.0-56-amd64",
        "6.1.0-50-cloud-amd64",
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
    assert same_build(running, package) is same
