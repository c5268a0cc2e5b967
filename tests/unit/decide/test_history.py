# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record and journal: which is believed."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.history import is_behind, knows_more
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord


def a_record(seq: int, outcome: str = "") -> RunRecord:
    return RunRecord("run", seq=seq, outcome=outcome)


def test_more_events_are_more_knowledge_and_the_journal_is_first() -> None:
    recorded, journaled = a_record(5), a_record(5, "pass")
    assert knows_more(recorded, journaled) is journaled
    assert knows_more(a_record(4), journaled) is journaled
    newer = a_record(6)
    assert knows_more(newer, journaled) is newer


def test_one_alone_is_all_that_is_known() -> None:
    record = a_record(5)
    assert knows_more(record, None) is record
    assert knows_more(None, record) is record
    assert knows_more(None, None) is None


@pytest.mark.parametrize(
    ("recorded", "journaled", "behind"),
    [
        (a_record(4), a_record(5), True),
        (a_record(5), a_record(5), False),
        (a_record(5, "inconclusive"), a_record(5, "pass"), True),
        (a_record(6, "inconclusive"), a_record(5, "pass"), False),
    ],
)
def test_a_record_is_behind_when_the_journal_knows_more_or_another_end(
    recorded: RunRecord, journaled: RunRecord, behind: bool
) -> None:
    assert is_behind(recorded, journaled) is behind
