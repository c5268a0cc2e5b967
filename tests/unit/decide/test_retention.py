# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which records may go: never the last ones, and not those that alone know where a host is."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.give_up import lost_hosts
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.retention import surplus
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState

DONE = {"h": HostRecord(HostState.DONE, 1.0)}
DRAINED = {"h": HostRecord(HostState.DRAINED, 1.0)}
PLANNED = {"h": HostRecord(HostState.PLANNED, 1.0)}


def run(number: int) -> str:
    return f"202611{number:02}-161500-3f2a"


def ended(number: int) -> RunRecord:
    return RunRecord(run(number), finished=1.0, hosts=DONE)


def died(number: int) -> RunRecord:
    """One that a later run has closed, or not."""
    return RunRecord(run(number), finished=float(number % 2), hosts=DRAINED)


def names(records: Sequence[RunRecord]) -> list[str]:
    return [record.run for record in records]


def test_the_last_ones_are_kept() -> None:
    records = [ended(number) for number in (4, 3, 2, 1)]
    assert surplus(names(records), records, 3) == (run(1),)
    assert surplus(names(records), records, 1) == (run(3), run(2), run(1))
    assert surplus(names(records), records, 4) == surplus(names(records), records, 20) == surplus((), (), 1) == ()


def test_which_is_the_last_does_not_hang_on_its_name() -> None:
    """The last run's controller may have a clock that is behind."""
    records = [ended(1), died(2), ended(4), died(3)]
    assert surplus(names(records), records, 1) == (run(4), run(3))


def test_one_that_died_with_a_host_under_way_is_kept_longer() -> None:
    records = [ended(5), ended(4), ended(3), died(2), died(1)]
    assert surplus(names(records), records, 2) == (run(3),)
    assert surplus(names(records), records, 1) == (run(4), run(3), run(1)), "but not for ever"


def test_one_that_died_before_it_touched_a_host_is_like_all_others() -> None:
    records = [ended(2), RunRecord(run(1), hosts=PLANNED)]
    assert surplus(names(records), records, 1) == (run(1),)


def test_one_that_cannot_be_read_goes_when_it_is_older_than_all_that_are_kept() -> None:
    records = [ended(4), ended(3), died(2)]
    assert surplus([run(9), *names(records), run(1)], records, 2) == (run(1),)
    assert surplus([run(4), run(9), run(3), run(2), run(1)], records, 2) == (run(1),), "it is not older than all"
    assert surplus([run(2), run(1)], [died(2)], 1) == (run(1),)
    assert surplus([*names(records), run(1)], records, 5) == ()
    assert surplus([run(1)], (), 1) == ()


@given(st.lists(st.tuples(st.integers(1, 28), st.booleans()), unique_by=lambda item: item[0]), st.integers(1, 30))
def test_what_always_holds(kinds: list[tuple[int, bool]], keep: int) -> None:
    records = [died(number) if dead else ended(number) for number, dead in kinds]
    gone = set(surplus(names(records), records, keep))
    left = [record for record in records if record.run not in gone]
    assert min(keep, len(records)) <= len(left) <= 2 * keep
    assert not gone & set(names(records)[:keep])
    assert not gone & {record.run for record in [r for r in records if lost_hosts(r)][:keep]}
