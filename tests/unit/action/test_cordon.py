# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is recorded of a cordon: after a kill in the reboot, it is what another machine compares with."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.action import cordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.act.cordon import Change
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, HostRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from tests.unit.action.test_unread import FakeSession, act


def test_a_cordon_is_recorded_with_what_the_node_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession()
    change = Change(True, True, "node2 cordoned", kernel="6.1", boot_id="one")
    monkeypatch.setattr(cordon.cordon, "cordon", lambda *_: change)
    assert act(cordon, session, monkeypatch, [], state="cordoned")["changed"]
    assert [event.kind for event in session.told] == [EventKind.STEP, EventKind.STATE]
    known = fold(session.told).hosts["node2"]
    assert known == HostRecord(HostState.CORDONED, 0.0, "cordon", "6.1", "one")
