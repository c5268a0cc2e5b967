# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Orders of versions, each held against the program whose order it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.friday.upgrade.plugins.module_utils.version_order import (
    compare_dpkg,
    compare_systemd,
    lines_key,
)

RELEASES = (
    "6.12.57+deb13-cloud-amd64",
    "6.12.57+deb13+1-cloud-amd64",
    "6.12.57+deb13-amd64",
    "6.12.57+deb13+1-amd64",
    "6.12.9+bpo-amd64",
    "6.1.0-9-amd64",
    "6.1.0-50-cloud-amd64",
    "6.1.0-0.deb11.21-amd64",
    "6.1.0-50-rt-amd64",
    "6.8.0-99-generic",
    "6.8.0-100-generic",
    "6.8.0-100-lowlatency",
    "5.15.0-1051-aws",
    "6.8.12-4-pve",
    "6.16-rc7-amd64",
    "6.16-amd64",
    "6.16.0",
    "6.16.0.old",
    "7.0~rc1-amd64",
    "7.0-amd64",
)
WORDS = st.lists(
    st.sampled_from(["1", "2", "10", "007", "0", "amd64", "a", "B", "rc", "deb13", ".", "-", "+", "~", "old", ".old"]),
    min_size=1,
    max_size=7,
).map("".join)
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.environ["PATH"]}


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


def sorted_by_sort(lines: list[str]) -> list[str]:
    done = subprocess.run(
        ["sort", "-V"], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    return done.stdout.splitlines()


def test_boot_menus_by_sort() -> None:
    for prefix, suffix in (("/boot/vmlinuz-", " 2"), ("/boot/vmlinuz-", ""), ("", "")):
        lines = [f"{prefix}{release}{suffix}" for release in RELEASES]
        assert sorted(lines, key=lines_key) == sorted_by_sort(lines)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=12))
def test_any_lines_by_sort(words: list[str]) -> None:
    lines = [f"/boot/vmlinuz-{word}" for word in words]
    assert sorted(lines, key=lines_key) == sorted_by_sort(lines)


def by_dpkg(one: str, other: str) -> int:
    asked = [
        not subprocess.run(["dpkg", "--compare-versions", one, how, other], check=False, capture_output=True).returncode
        for how in ("gt", "lt")
    ]
    return asked[0] - asked[1]


def test_releases_by_dpkg() -> None:
    for one, other in combinations(RELEASES, 2):
        assert sign(compare_dpkg(one, other)) == by_dpkg(one, other), (one, other)


@settings(max_examples=60, deadline=None)
@given(WORDS.map(lambda word: f"1{word}"), WORDS.map(lambda word: f"1{word}"))
def test_any_versions_by_dpkg(one: str, other: str) -> None:
    if not one.endswith("-") and not other.endswith("-"):  # dpkg refuses an empty revision
        assert sign(compare_dpkg(one, other)) == by_dpkg(one, other)


@pytest.mark.parametrize(
    ("older", "newer"),
    [("2:1.0-1", "3:0.1-1"), ("1.7.27-1", "1:1.6.33-1"), ("1.0~rc1-1", "1.0-1"), ("1.0-1~deb12u1", "1.0-1")],
)
def test_epochs_and_tildes(older: str, newer: str) -> None:
    assert compare_dpkg(older, newer) < 0 < compare_dpkg(newer, older)
    assert by_dpkg(older, newer) == -1


# From systemd's own description of the order (systemd-analyze(1), compare-versions; UAPI version format).
SYSTEMD = (
    ("122.1", "123~rc1-1"),
    ("123~rc1-1", "123"),
    ("123", "123-a"),
    ("123-a", "123-a.1"),
    ("123-a.1", "123-1"),
    ("123-1", "123-1.1"),
    ("123-1.1", "123^post1"),
    ("123^post1", "123.a-1"),
    ("123.a-1", "123.1-1"),
    ("123.1-1", "123a-1"),
    ("123a-1", "124-1"),
    ("6.12.57+deb13-cloud-amd64", "6.12.57+deb13+1-cloud-amd64"),
    ("6.8.0-99-generic", "6.8.0-100-generic"),
)


@pytest.mark.parametrize(("older", "newer"), SYSTEMD)
def test_systemds_order(older: str, newer: str) -> None:
    assert compare_systemd(older, newer) < 0 < compare_systemd(newer, older)
    assert compare_systemd(older, older) == 0


@pytest.mark.parametrize("pair", list(combinations(RELEASES, 2)))
def test_systemds_order_by_systemd(pair: tuple[str, str]) -> None:
    """By the program where the machine has it; by the antisymmetry of the order where not."""
    one, other = pair
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "compare-versions", *pair], check=False, capture_output=True)
        assert sign(compare_systemd(one, other)) == {11: 1, 12: -1, 0: 0}[done.returncode]
    assert sign(compare_systemd(one, other)) == -sign(compare_systemd(other, one))
