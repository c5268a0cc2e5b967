from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rounds import Progress, next_round
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import BEFORE, CORDON, SOAK, VERIFY

POLICY = Policy(verify_timeout=100, soak=100, soak_interval=30)
GOOD = Verdict(Outcome.PASS)
BAD = Verdict(Outcome.FAIL, Finding(Layer.AGENT, "agent", "node1", Severity.FAIL, "is not ready"))
LASTING = Verdict(Outcome.FAIL, Finding(Layer.BPF, "bpf", "node1", Severity.FAIL, "was refused", lasting=True))
ABOVE = Verdict(Outcome.FAIL, BAD.cause, consequences=(LASTING.cause,))
UNKNOWN = Verdict(Outcome.INCONCLUSIVE, Finding(Layer.DNS, "dns", "node1", Severity.UNKNOWN, "could not be asked"))


def play(phase, *looks, policy=POLICY):
    """Go through (time, verdict) looks; the rounds that follow, up to the first that ends it."""
    progress, rounds = Progress(started=0.0), []
    for now, verdict in looks:
        progress, found = next_round(progress, verdict, phase, float(now), policy)
        rounds.append(found)
        if found.action != "again":
            break
    return rounds


def test_before_one_pass_is_enough_and_after_two_in_a_row_are_needed():
    assert [r.action for r in play(BEFORE, (0, GOOD))] == ["pass"]
    assert [r.action for r in play(VERIFY, (0, GOOD), (10, BAD), (20, GOOD), (30, GOOD))] == ["again"] * 3 + ["pass"]


def test_a_failure_that_may_heal_waits_for_the_deadline():
    found = play(VERIFY, (0, BAD), (10, BAD), (20, BAD), (95, BAD), (100, BAD))
    assert [r.action for r in found] == ["again"] * 4 + ["fail"]
    assert (found[-1].outcome, found[-1].reason) == (
        Outcome.FAIL,
        "network agent: is not ready (still so after 100 s)",
    )


@pytest.mark.parametrize("verdict", [LASTING, ABOVE])
def test_a_lasting_failure_ends_it_when_seen_twice_in_a_row(verdict):
    assert [r.action for r in play(VERIFY, (0, verdict), (10, verdict))] == ["again", "fail"]
    assert [r.action for r in play(VERIFY, (0, verdict), (10, BAD), (20, verdict))] == ["again"] * 3


def test_missing_evidence_is_inconclusive_at_the_deadline():
    assert play(VERIFY, (0, UNKNOWN), (100, UNKNOWN))[-1].outcome is Outcome.INCONCLUSIVE
    found = play(VERIFY, (0, UNKNOWN), (101, GOOD))[-1]
    assert (found.action, found.outcome) == ("fail", Outcome.INCONCLUSIVE)


def test_a_long_wait_is_not_made_of_ever_more_looks():
    (found,) = play(VERIFY, (0, BAD), policy=Policy(verify_timeout=36000))
    assert found.wait == 180


def test_the_last_look_is_made_at_the_deadline():
    waits = [r.wait for r in play(VERIFY, (0, BAD), (94, BAD), (100, GOOD))]
    assert waits == [10, 6, 0]


def test_looks_are_as_far_apart_as_is_wanted():
    policy = Policy(verify_timeout=100, soak=100, soak_interval=30, check_interval=3)
    assert [r.wait for r in play(VERIFY, (0, BAD), (3, GOOD), (6, GOOD), policy=policy)] == [3, 3, 0]
    assert [r.wait for r in play(SOAK, (0, BAD), (3, GOOD), policy=policy)] == [3, 30]


def test_a_soak_lasts_its_time_and_ends_with_a_pass():
    found = play(SOAK, (0, GOOD), (30, GOOD), (95, GOOD), (100, GOOD))
    assert [(r.action, r.wait) for r in found] == [("again", 30), ("again", 30), ("again", 5), ("pass", 0)]
    assert play(SOAK, (0, GOOD), policy=Policy(soak=0))[0].action == "pass"


@pytest.mark.parametrize(("verdict", "outcome"), [(BAD, Outcome.FAIL), (UNKNOWN, Outcome.INCONCLUSIVE)])
def test_a_soak_ends_with_what_does_not_pass_twice(verdict, outcome):
    found = play(SOAK, (0, GOOD), (30, verdict), (40, verdict))
    assert [(r.action, r.wait) for r in found] == [("again", 30), ("again", 10), ("fail", 0)]
    assert found[-1].outcome is outcome


def test_a_hiccup_does_not_end_a_soak_and_its_last_look_decides():
    assert [r.action for r in play(SOAK, (0, BAD), (10, GOOD), (20, BAD), (30, GOOD))] == ["again"] * 4
    assert [r.action for r in play(SOAK, (100, BAD), (110, GOOD))] == ["again", "pass"]
    assert [r.action for r in play(SOAK, (100, BAD), (110, BAD))] == ["again", "fail"]


def test_there_are_no_other_phases():
    with pytest.raises(ValueError, match="cordon"):
        play(CORDON, (0, GOOD))
