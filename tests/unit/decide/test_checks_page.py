# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/reference/checks.md and the checks have the same names."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")


def named_in(column: str) -> set[str]:
    """Names in the first column of the tables whose header begins with ``column``."""
    tables = re.findall(rf"^\| {column} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    cells = [row.split("|")[1] for table in tables for row in table.splitlines()]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_check_has_a_row_and_every_row_a_check() -> None:
    assert named_in("check") == {check.name for check in CHECKS}


def test_the_text_names_no_check_that_does_not_exist() -> None:
    known = {check.name for check in CHECKS}
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", PAGE)) <= known
