# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions know no distribution: names of packages and commands come from the host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DECIDE = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "decide"
NAMES = re.compile(r"\b(?:apt|dpkg|rpm|dnf|zypper)\b|\blinux-(?:image|headers|modules|binary)\b")
SAYS_IT_STILL = {"status.py"}
"""Told of a record in the cluster, which has no facts of the host."""


@pytest.mark.parametrize("path", sorted(DECIDE.rglob("*.py")), ids=lambda path: path.name)
def test_no_package_manager_is_named(path: Path) -> None:
    found = NAMES.findall(path.read_text(encoding="utf-8"))
    assert not found or path.name in SAYS_IT_STILL, found
