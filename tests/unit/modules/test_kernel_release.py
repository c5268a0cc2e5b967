# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases of real kernels, taken apart and in order."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.kernel_release import newest_first, parse


@pytest.mark.parametrize(
    ("name", "version", "flavour"),
    [
        # Debian: stable, security, backports of both forms, flavours, release candidates of experimental
        ("6.1.0-50-cloud-amd64", "6.1.0-50", "cloud-amd64"),
        ("6.12.107+deb13-cloud-amd64", "6.12.107+deb13", "cloud-amd64"),
        ("6.12.107+deb13-rt-amd64", "6.12.107+deb13", "rt-amd64"),
        ("6.12.107+deb13-amd64", "6.12.107+deb13", "amd64"),
        ("6.12.107+deb13-arm64-16k", "6.12.107+deb13", "arm64-16k"),
        ("6.1.0-0.deb11.21-cloud-amd64", "6.1.0-0.deb11.21", "cloud-amd64"),
        ("6.1.0-0.deb11.21-amd64", "6.1.0-0.deb11.21", "amd64"),
        ("6.12.9+bpo-amd64", "6.12.9+bpo", "amd64"),
        ("6.16-rc7-cloud-amd64", "6.16-rc7", "cloud-amd64"),
        ("6.13-amd64", "6.13", "amd64"),
        ("6.1.0-50-686-pae", "6.1.0-50", "686-pae"),
        ("6.12.107+deb13-686", "6.12.107+deb13", "686"),
        ("6.13-686-pae", "6.13", "686-pae"),
        ("6.1.0-50-4kc-malta", "6.1.0-50", "4kc-malta"),
        # Ubuntu, and its builds of upstream's
        ("5.15.0-127-generic", "5.15.0-127", "generic"),
        ("6.8.0-45-lowlatency", "6.8.0-45", "lowlatency"),
        ("6.8.0-1021-aws", "6.8.0-1021", "aws"),
        ("6.8.0-1015-azure-fde", "6.8.0-1015", "azure-fde"),
        ("6.5.0-1025-oem", "6.5.0-1025", "oem"),
        ("5.15.0-1065-kvm", "5.15.0-1065", "kvm"),
        ("6.8.0-45-generic-64k", "6.8.0-45", "generic-64k"),
        ("6.9.0-060900rc5-generic", "6.9.0-060900rc5", "generic"),
        # Proxmox, Raspberry Pi OS, Armbian
        ("6.8.12-4-pve", "6.8.12-4", "pve"),
        ("6.6.31+rpt-rpi-v8", "6.6.31+rpt", "rpi-v8"),
        ("6.12.25+rpt-rpi-2712", "6.12.25+rpt", "rpi-2712"),
        ("6.1.0-rpi7-rpi-v8", "6.1.0-rpi7", "rpi-v8"),
        ("6.1.21-v8+", "6.1.21", "v8+"),
        ("6.6.31-current-rockchip64", "6.6.31", "current-rockchip64"),
        # RPM distributions, and others
        ("6.8.5-301.fc40.x86_64", "6.8.5-301.fc40.x86_64", ""),
        ("6.8.5-301.fc40.x86_64+debug", "6.8.5-301.fc40.x86_64", "debug"),
        ("5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64", ""),
        ("5.14.0-427.13.1.el9_4.x86_64+rt", "5.14.0-427.13.1.el9_4.x86_64", "rt"),
        ("6.4.0-150600.23.7-default", "6.4.0-150600.23.7", "default"),
        ("6.6.32-0-lts", "6.6.32-0", "lts"),
        ("6.12.74+deb13+1-amd64", "6.12.74+deb13+1", "amd64"),
        ("6.12.74+deb13+1-cloud-amd64", "6.12.74+deb13+1", "cloud-amd64"),
        ("6.16.12+deb14+1", "6.16.12+deb14+1", ""),
        ("6.1.75+", "6.1.75+", ""),
        ("5.10.0", "5.10.0", ""),
        ("6.12.3", "6.12.3", ""),
        ("cloud-amd64", "cloud-amd64", ""),
        ("", "", ""),
    ],
)
def test_a_release_is_taken_apart(name: str, version: str, flavour: str) -> None:
    assert parse(name)[:] == (name, version, flavour)


@pytest.mark.parametrize(
    "ascending",
    [
        "5.10.0-0.deb10.30-amd64 5.10.0-30-amd64 6.1.0-0.deb11.9-amd64 6.1.0-0.deb11.21-amd64 6.1.0-9-amd64",
        "6.12.9+bpo-amd64 6.12.43+deb12-amd64 6.12.107+deb13-amd64 6.16-rc7-amd64 6.16-amd64 6.16.3-amd64",
        "6.12.73+deb13-amd64 6.12.74+deb13-amd64 6.12.74+deb13+1-amd64 6.12.74+deb13+2-amd64 6.12.85+deb13-amd64",
        "5.15.0-127-generic 6.8.0-9-generic 6.8.0-45-generic 6.8.0-100-generic 6.8.0-1021-aws",
        "6.9.0-060900rc5-generic 6.9.0-060900rc10-generic 6.9.0-060900-generic 6.9.3-060903-generic",
        "6.8.8-4-pve 6.8.12-4-pve 6.8.12-11-pve",
        "6.1.0-rpi4-rpi-v8 6.1.0-rpi7-rpi-v8 6.6.20+rpt-rpi-v8 6.6.31+rpt-rpi-v8",
        "4.18.0-553.el8_10.x86_64 4.18.0-553.5.1.el8_10.x86_64 5.14.0-427.el9.x86_64 5.14.0-427.13.1.el9_4.x86_64",
        "nonsense 5.10.0 5.10.0-1-amd64",
    ],
)
def test_which_is_newer(ascending: str) -> None:
    keys = [parse(name).key for name in ascending.split()]
    assert all(a < b for a, b in itertools.pairwise(keys)), keys


def test_order_of_a_boot_menu() -> None:
    names = ["6.1.0-50-cloud-amd64", "6.1.0-56-amd64", "6.1.0-56-cloud-amd64", "6.1.0-56-amd64"]
    assert [release.name for release in newest_first(names)] == [
        "6.1.0-56-cloud-amd64",
        "6.1.0-56-amd64",
        "6.1.0-50-cloud-amd64",
    ]
