# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gate of a wave, where the run is stopped while it looks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.action import gate
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import halt
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import OUTLINE_FILE, PLAN_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Pause
from tests.unit.checks import three_nodes as lab
from tests.unit.run.test_earlier_run import FIRST, NEXT, a_session


def test_what_was_seen_before_the_lock_was_waited_for_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, looks = a_session(tmp_path, NEXT), []
    plan = replace(session.files.plan(), digest="d")
    session.files.save(plan, PLAN_FILE)
    session.files.save(plan.outline(), OUTLINE_FILE)

    def settled(*_: Any) -> Any:
        looks.append(waits.pop(0))
        return FIRST.snapshot, baseline(Policy(), FIRST, lab.TARGETS)

    waits = [True, False]
    monkeypatch.setattr(gate.wait_until_settled, "settled", settled)
    monkeypatch.setattr(Pause, "await_lock", lambda _self: 60.0 if looks and looks[-1] else 0.0)
    assert gate.ActionModule._closed(object(), session, 1, []) is None  # type: ignore[arg-type]
    assert looks == [True, False]


@pytest.mark.parametrize("stop", ["", "halt", "lost"])
def test_what_stops_the_run_while_it_waits_keeps_the_wave_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    session = a_session(tmp_path, NEXT)
    plan = replace(session.files.plan(), digest="d")  # as its record has it
    session.files.save(plan, PLAN_FILE)
    session.files.save(plan.outline(), OUTLINE_FILE)
    session = replace(session, recorded=True)

    def settled(*_: Any) -> Any:
        if stop == "halt":
            halt.ask(Path(session.folder), "it was interrupted")
        if stop == "lost":
            (Path(session.folder) / "lost").write_text("somebody has it")
        return FIRST.snapshot, baseline(Policy(), FIRST, lab.TARGETS)

    monkeypatch.setattr(gate.wait_until_settled, "settled", settled)
    closed = gate.ActionModule._closed(object(), session, 1, [])  # type: ignore[arg-type]
    if not stop:
        assert closed is None
    else:
        assert closed is not None
        assert closed.subject == {"halt": "run", "lost": "lock"}[stop]
