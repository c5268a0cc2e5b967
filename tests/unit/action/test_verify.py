# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks and soaks take their time on a clock that nobody sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.action import verify
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rounds import Progress
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import SOAK, VERIFY
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Pause
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


def test_a_soak_begins_with_the_last_look_of_the_verification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "boottime", lambda: 50.0)
    session = Session("20261122-161500-3f2a", str(tmp_path), Policy())
    session.files.save(Progress(started=5.0, looked=42.0), "hosts", "n1", "progress-verify.json")
    assert verify._began(session, "n1", SOAK) == 42.0
    assert verify._began(session, "n1", VERIFY) == 50.0


@pytest.mark.parametrize("phase", ["before", "verify", "soak"])
def test_what_was_seen_before_the_lock_was_waited_for_is_not_judged(
    tmp_path: Path, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the time count in which nobody looked."""
    monkeypatch.setattr(keeper, "boottime", lambda: 1000.0)
    session = Session("20261122-161500-3f2a", str(tmp_path), Policy())
    session.files.save(Progress(started=100.0, looked=400.0), "hosts", "n1", f"progress-{phase}.json")
    monkeypatch.setattr(Pause, "await_lock", lambda _self: 550.0)
    action = verify.ActionModule.__new__(verify.ActionModule)
    action.session = lambda _vars: session
    result = action.act({"phase": phase, "host": {}, "peer": {}, "peer_name": ""}, {"inventory_hostname": "n1"})
    assert result["again"] and not result.get("failed")
    known = session.files.load(Progress, "hosts", "n1", f"progress-{phase}.json")
    assert known is not None
    assert (known.started, known.looked) == (650.0, 400.0)
