# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last look: the cluster by itself, and each host against how it was."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.final import final, unread, wanted
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from tests.unit.checks import three_nodes as lab

BEFORE = lab.healthy()
AFTER = lab.upgraded(BEFORE)
HEALTH = baseline(Policy(), AFTER, [])
WELL = lab.judge(BEFORE, AFTER)


def test_a_pass_needs_the_cluster_and_every_host() -> None:
    verdict = final(HEALTH, {"node2": WELL, "node3": WELL})
    assert verdict.outcome is Outcome.PASS
    assert set(verdict.checks) == {*HEALTH.checks, *WELL.checks}


def test_a_host_that_is_not_as_it_was_is_the_cause_although_the_cluster_is_healthy() -> None:
    verdict = final(HEALTH, {"node2": lab.judge(BEFORE, lab.incident(BEFORE)), "node3": WELL})
    assert HEALTH.outcome is Outcome.PASS
    assert verdict.outcome is Outcome.FAIL
    assert verdict.cause is not None and verdict.cause.layer is Layer.BPF


def test_what_two_hosts_say_of_the_cluster_is_said_once() -> None:
    look = lab.judge(BEFORE, lab.incident(BEFORE))
    once, twice = final(HEALTH, {"node2": look}), final(HEALTH, {"node2": look, "node3": look})
    assert once == twice


def test_a_host_without_a_look_leaves_it_inconclusive() -> None:
    verdict = final(HEALTH, {"node2": WELL, "node3": None})
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.cause is not None and "node3 could not be compared" in verdict.cause.message


def test_a_cluster_that_could_not_be_read_is_inconclusive() -> None:
    verdict = unread("API server: no answer")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.cause is not None and verdict.cause.message == "API server: no answer"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], False),
        ([HostState.DONE, HostState.DONE], True),
        ([HostState.DONE, HostState.FAILED], False),
        ([HostState.DONE, HostState.PLANNED], False),
    ],
)
def test_there_is_a_last_look_when_all_are_done(states: list[HostState], expected: bool) -> None:
    hosts = {f"node{number}": HostRecord(state, 0.0) for number, state in enumerate(states)}
    assert wanted(RunRecord("run", hosts=hosts)) is expected
