# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an action shows is readable in AWX, which keeps 1,024 bytes of each event."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import Display, FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console


def test_what_is_long_comes_in_pieces_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(Display(), "display", shown.append)
    problems = [Problem(f"node{number}", "is not Ready " * 9, "repair it") for number in range(20)]
    text = console.problems_list(problems)
    FridayAction.show([text, "and a line"])
    assert max(len(piece.encode()) for piece in shown) <= console.AWX_EVENT_BYTES < len(text.encode())
    assert "\n".join(shown) == f"{text}\nand a line"
