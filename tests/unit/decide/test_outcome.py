from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.outcome import advice, outcome, states_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import make_plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Problem,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import PackageChange, PackageKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from tests.unit.decide.fleets import IMAGE, NEW, OLD, fleet, up_to_date

FLEET = fleet({"node1": "zone-a", "node2": "zone-b", "node3": "zone-c"}).with_facts(
    "node1", pending=(IMAGE, PackageChange(f"linux-image-{NEW}", "", "6.12.5-1", kind=PackageKind.KERNEL))
)
PLAN = make_plan(*FLEET.arguments())
REFUSED = Verdict(Outcome.FAIL, Finding(Layer.BPF, "refusals", "program x", Severity.FAIL, "was refused", lasting=True))
UNKNOWN = Verdict(Outcome.INCONCLUSIVE, Finding(Layer.DNS, "dns", "node1", Severity.UNKNOWN, "no answer"))


def record(*states, **changes):
    hosts = {
        f"node{i}": HostRecord(HostState(state), 0.0, step="verify", kernel=NEW, message="BPF was refused")
        for i, state in enumerate(states, start=1)
    }
    return RunRecord("run", finished=1.0, hosts=hosts, **changes)


def test_all_done_is_a_pass():
    assert outcome(PLAN, record("done", "done", "done")) == ("pass", "3 hosts done, 0 skipped")
    assert outcome(PLAN, record("done", "done", "done"), final=Verdict(Outcome.PASS))[0] == "pass"


@pytest.mark.parametrize("state", [state for state in HostState if state is not HostState.DONE])
def test_one_that_is_not_done_is_no_pass(state):
    assert outcome(PLAN, record("done", "done", state))[0] in ("fail", "inconclusive")
    assert outcome(PLAN, record("done", "done"))[0] == "inconclusive"


def test_the_final_comparison_counts():
    assert outcome(PLAN, record("done", "done", "done"), final=REFUSED) == (
        "fail",
        "all 3 hosts done, but the last look failed: BPF: was refused",
    )
    assert outcome(PLAN, record("done", "done", "done"), final=UNKNOWN)[0] == "inconclusive"


def test_a_failed_host_names_step_and_message():
    assert outcome(PLAN, record("failed", "planned", "planned", stop="x")) == (
        "fail",
        "node1 failed in step verify: BPF was refused; 0 of 3 hosts done, 2 not touched",
    )


def test_a_run_that_stopped_for_missing_evidence_alone_is_inconclusive():
    known = record("failed", "planned", "planned")
    assert outcome(PLAN, known, verdicts={"node1": UNKNOWN})[0] == "inconclusive"
    assert outcome(PLAN, known, verdicts={"node1": REFUSED})[0] == "fail"
    assert outcome(PLAN, record("failed", "failed", "planned"), verdicts={"node1": UNKNOWN})[0] == "fail"


def test_stops_and_problems():
    assert outcome(PLAN, record("done", "planned", "planned", stop="lock: was lost"))[0] == "fail"
    assert outcome(Plan(()), RunRecord("run"), [Problem("a", "b")]) == (
        "fail",
        "1 problem to solve first; nothing was touched",
    )


def test_nothing_to_do_and_only_a_plan():
    idle = fleet({"node1": "zone-a"})
    idle.facts["node1"] = up_to_date("node1")
    assert outcome(make_plan(*idle.arguments()), RunRecord("run")) == (
        "nothing-to-do",
        "1 host up to date",
    )
    assert outcome(PLAN, RunRecord("run"), plan_only=True) == ("pass", "3 hosts in 3 waves; nothing was changed")


def test_states_are_in_the_order_of_the_plan():
    assert list(states_of(PLAN, RunRecord("run", hosts={"node9": HostRecord(HostState.DONE, 0.0)})).items()) == [
        ("node1", HostState.PLANNED),
        ("node2", HostState.PLANNED),
        ("node3", HostState.PLANNED),
        ("node9", HostState.DONE),
    ]


def test_advice_after_a_refusal_by_the_verifier():
    steps = advice(PLAN, record("failed", "planned", "planned", stop="x"), {"node1": REFUSED})
    assert steps == (
        f"Update the network agent to a version whose BPF programs load on kernel {NEW}, on all nodes.",
        f"Or stay on kernel {OLD}: boot node1 into it from the boot loader's menu, "
        f"`remove linux-image-{NEW}` there (its metapackage goes too: reinstall that later), "
        "`hold linux-image-cloud-amd64` on every host (and friday_packages: all).",
        "Leave node1 cordoned until then: the next run verifies and uncordons it. To take it out of Friday's hands, "
        "`kubectl uncordon node1` and `kubectl annotate node node1 friday.upgrade/cordoned-by-`.",
        "Then rerun the same command: it resumes with node1, then continues with the remaining 2 hosts.",
    )


def test_advice_has_the_very_line_that_accepts_what_stopped_the_run():
    line = "accept it: `friday_accept: [kernel-raid, dns]`"
    for state, verdict in (("failed", UNKNOWN), ("held", replace(UNKNOWN, outcome=Outcome.FAIL))):
        steps = advice(PLAN, record(state, "planned"), {"node1": verdict}, accept=("kernel-raid",))
        assert sum(line in step for step in steps) == 1, steps
    assert not any("friday_accept" in step for step in advice(PLAN, record("failed"), {"node1": REFUSED}))


def test_a_pass_says_what_was_accepted():
    note = replace(UNKNOWN.cause, severity=Severity.WARN, accepted=True)
    passed = Verdict(Outcome.PASS, notes=(note, replace(note, subject="node2")), checks=("dns",))
    done = record("done", "done", "done")
    assert outcome(PLAN, done, verdicts={"node1": passed}, final=passed) == (
        "pass",
        "3 hosts done, 0 skipped; accepted: dns",
    )


def test_advice_for_the_other_ways_to_stop():
    assert "Nothing was changed on node1" in advice(PLAN, record("held", "planned", "planned"))[0]
    assert "Fix what stopped node1 in step verify" in advice(PLAN, record("failed"))[0]
    assert "node2 was left cordoned (drained)" in advice(PLAN, record("done", "drained", "planned"))[0]
    assert advice(PLAN, record("done", "done", "done")) == ()
    assert advice(PLAN, RunRecord("run")) == ()


@pytest.mark.parametrize("layer", list(Layer))
def test_every_layer_has_an_advice(layer):
    verdict = Verdict(Outcome.FAIL, Finding(layer, "check", "thing", Severity.FAIL, "is worse"))
    steps = advice(PLAN, record("failed", "planned", "planned"), {"node1": verdict})
    assert "is worse" in steps[0] or layer is Layer.BPF
    assert any("stay on kernel" in step for step in steps) is (layer <= Layer.NETWORK)
