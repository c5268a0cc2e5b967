# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page shows the plans that the code makes."""

from __future__ import annotations

from tests.unit.decide.shapes import PAGE, page


def test_the_page_is_current() -> None:
    assert page() in PAGE.read_text(encoding="utf-8"), "run `make plan-shapes`"
