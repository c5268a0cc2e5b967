# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the repository as a whole that no linter has."""

from __future__ import annotations

import re
import subprocess

import pytest

from tools.tiers import ROOT


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return listing.stdout.splitlines()


SCENARIOS = {"hold": "give_up", "release": "unlock"}
"""Scenarios that are not called like their role."""


def test_every_role_has_a_molecule_scenario_that_verifies() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    scenarios = [path.parent.parent.name for path in (ROOT / "molecule").glob("*/tests/test_*.py")]
    names = [re.sub(r"^\d+-", "", name) for name in scenarios]  # numbered in the order in which they run
    tested = {SCENARIOS.get(name, name) for name in names}
    assert roles
    assert not roles - tested


def test_locked_requirements_name_no_package_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|^-", text, re.MULTILINE)


def test_plugins_carry_the_licence() -> None:
    """Ansible loads plugins into a GPL program; its conventions want the notice in each."""
    for path in (ROOT / "plugins").rglob("*.py"):
        head = path.read_text(encoding="utf-8").splitlines()[:5]
        assert any("GNU General Public License v3.0+" in line for line in head), path


def test_no_binaries_are_tracked() -> None:
    binary = [name for name in tracked() if (ROOT / name).is_file() and b"\0" in (ROOT / name).read_bytes()[:8192]]
    assert not binary
