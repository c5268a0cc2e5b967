# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry, the diagnosis, the incident as a whole, and what holds for every observation."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import checks as registry
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS, Check, bpf
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import WITH_CILIUM
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.endpoints import WITH_CILIUM_ENDPOINTS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.diagnose import diagnose
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import LISTS, Observation, Snapshot
from tests.unit.checks import three_nodes as lab

HERE = Path(__file__).parent
REFERENCE = HERE.parents[2] / "docs/reference/checks.md"
ROW = re.compile(r"^\| `([\w-]+)`( [CP])? \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
OF_ALL = {"compare", "health", "verdicts"}
"""Tests of what is done with all checks."""

BEFORE, WELL, INCIDENT = lab.healthy(), lab.upgraded(), lab.incident()


# -- the registry


def concrete(kind: type[Check]) -> Iterator[type[Check]]:
    for child in kind.__subclasses__():
        yield child
        yield from concrete(child)


def test_every_check_is_registered_once_with_a_name_of_its_own():
    assert {type(check) for check in CHECKS} == set(concrete(Check))
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert [check.layer for check in CHECKS] == sorted(check.layer for check in CHECKS)
    assert registry.__all__ == ["CHECKS"]


def test_every_check_has_an_answer():
    assert [check.name for check in CHECKS if not (check.compares or check.judges_health)] == []
    assert len(lab.COMPARED) >= 26


def test_every_check_has_its_tests_in_the_file_of_its_own_name():
    modules = {type(check).__module__.rpartition(".")[2] for check in CHECKS}
    assert modules == {path.stem.removeprefix("test_") for path in HERE.glob("test_*.py")} - OF_ALL


def test_the_reference_has_every_check_in_its_layer_with_its_needs_and_answers():
    documented = []
    for section in re.split(r"^## ", REFERENCE.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        for name, mark, needs, alone, compared in ROW.findall(text):
            documented.append((title, name, mark.strip(), needs, alone != "–", compared != "–"))
    assert documented == [_documented(check) for check in CHECKS]


def _documented(check: Check) -> tuple[str, str, str, str, bool, bool]:
    marks = {WITH_CILIUM: "C", WITH_CILIUM_ENDPOINTS: "C", bpf.WITH_PROGRAMS: "P"}
    needs = ", ".join(f"`{need}`" for need in check.needs) or "nothing"
    if check.healthy_needs is not None:
        needs += f" ({', '.join(f'`{need}`' for need in check.healthy_needs) or 'none'})"
    title = check.layer.label[:1].upper() + check.layer.label[1:]
    return title, check.name, marks.get(check.applies, ""), needs, check.judges_health, check.compares


def test_every_need_is_something_that_can_be_unknown():
    known = {field.name for field in dataclasses.fields(Snapshot)}
    known |= {"facts"} | {f"facts.{field.name}" for field in dataclasses.fields(HostFacts)}
    for check in CHECKS:
        assert {*check.needs, *(check.healthy_needs or ())} <= known, check.name


# -- the incident


def test_a_good_upgrade_passes_and_says_on_what():
    verdict = lab.judge(BEFORE, WELL)
    assert verdict == Verdict(Outcome.PASS, checks=tuple(check.name for check in lab.COMPARED))


def test_the_incident_is_told_from_its_cause_upwards():
    verdict = lab.judge(BEFORE, INCIDENT)
    assert verdict.outcome is Outcome.FAIL
    assert (verdict.cause.layer, verdict.cause.check, verdict.cause.lasting) == (Layer.BPF, "bpf-verifier", True)
    assert verdict.cause.evidence == (lab.REFUSED,)
    layers = [finding.layer for finding in verdict.consequences]
    assert layers == sorted(layers)
    assert {Layer.BPF, Layer.AGENT, Layer.ENDPOINTS, Layer.CNI, Layer.NETWORK, Layer.DNS, Layer.WORKLOADS} == set(
        layers
    )


def test_the_incident_with_an_agent_that_cannot_be_asked_is_still_the_programs():
    verdict = lab.judge(BEFORE, lab.with_agent(INCIDENT, error="daemon unreachable", refusals=()))
    assert (verdict.outcome, verdict.cause.check) == (Outcome.FAIL, "bpf-host-programs")
    assert "bpf-verifier" in lab.names(verdict)


def test_a_verdict_survives_the_journal():
    verdict = lab.judge(BEFORE, INCIDENT)
    assert from_data(Verdict, to_data(verdict)) == verdict


# -- the diagnosis


def found(layer: Layer, severity: Severity, name: str = "x", evidence: tuple[str, ...] = ()) -> Finding:
    return Finding(layer, name, "s", severity, "m", evidence=evidence)


def test_evidence_first_within_a_layer():
    plain, proven = found(Layer.BPF, Severity.FAIL, "a"), found(Layer.BPF, Severity.FAIL, "b", ("line",))
    above = found(Layer.DNS, Severity.FAIL, "c", ("line",))
    verdict = diagnose([above, plain, proven], ["a", "b", "c"])
    assert (verdict.cause, verdict.consequences) == (proven, (plain, above))


def test_what_is_unknown_below_the_cause_is_listed():
    deeper, cause = found(Layer.KERNEL, Severity.UNKNOWN), found(Layer.DNS, Severity.FAIL)
    verdict = diagnose([cause, deeper], ["x"])
    assert (verdict.outcome, verdict.cause, verdict.consequences) == (Outcome.FAIL, cause, (deeper,))


def test_nothing_asked_is_no_pass():
    assert diagnose([], []).outcome is Outcome.INCONCLUSIVE
    assert diagnose([], ["x"]).outcome is Outcome.PASS


findings = st.lists(
    st.builds(
        found,
        st.sampled_from(Layer),
        st.sampled_from(Severity),
        st.sampled_from("abc"),
        st.sampled_from([(), ("line",)]),
    )
)


@settings(deadline=None)  # a busy machine is no failure
@given(findings)
def test_the_diagnosis_loses_nothing_and_orders_by_layer(some):
    verdict = diagnose(some, ["x"])
    severities = {finding.severity for finding in some}
    wanted = (
        Outcome.FAIL
        if Severity.FAIL in severities
        else Outcome.INCONCLUSIVE
        if Severity.UNKNOWN in severities
        else Outcome.PASS
    )
    assert verdict.outcome is wanted
    told = [*lab.bad(verdict), *verdict.notes]
    assert sorted(map(repr, told)) == sorted(map(repr, some))
    layers = [finding.layer for finding in verdict.consequences]
    assert layers == sorted(layers)
    if verdict.outcome is Outcome.FAIL:
        assert all(f.layer >= verdict.cause.layer for f in verdict.consequences if f.severity is Severity.FAIL)


# -- for every observation

RESOURCES = tuple(name for name in LISTS if name != "budgets")  # budgets are the drain's
FACTS = ("kernel", "boot_id", "kernel_log", "btf", "raid", "bpf", "reach")

# Each makes one thing of an observation bad, as it is seen in real clusters.
FAULTS = {
    "kernel": lambda o: lab.with_facts(o, kernel="6.1.0-1"),
    "log": lambda o: lab.with_facts(o, kernel_log=("BUG: unable to handle page fault",)),
    "btf": lambda o: lab.with_facts(o, btf=False),
    "raid": lambda o: lab.with_facts(o, raid=(dataclasses.replace(o.facts["node2"].raid[0], active=1),)),
    "programs": lambda o: lab.with_facts(o, bpf=o.facts["node2"].bpf[1:]),
    "refused": lambda o: lab.with_agent(o, refusals=(lab.REFUSED,)),
    "agent": lambda o: lab.with_agent(o, ready=False),
    "controller": lambda o: lab.with_agent(o, failing_controllers={"endpoint-1-regeneration-recovery": "failed"}),
    "unasked": lambda o: lab.with_agent(o, error="timed out"),
    "endpoints": lambda o: lab.with_agent(
        o, endpoints=tuple(dataclasses.replace(e, state="not-ready") for e in o.snapshot.agents[0].endpoints)
    ),
    "node": lambda o: lab.with_node(o, "node2", ready=False),
    "workload": lambda o: lab.with_workload(o, "web", available=1),
    "webhook": lambda o: lab.with_snapshot(
        o, webhooks=tuple(dataclasses.replace(w, ready_endpoints=0) for w in o.snapshot.webhooks)
    ),
    "api": lambda o: lab.with_snapshot(
        o, api_services=tuple(dataclasses.replace(a, available=False) for a in o.snapshot.api_services)
    ),
    "reach": lambda o: lab.with_facts(
        o, reach=tuple(dataclasses.replace(r, ok=False, error="timeout") for r in o.facts["node2"].reach)
    ),
}
broken = st.sets(st.sampled_from(sorted(FAULTS)))


def with_faults(observation: Observation, names: set[str]) -> Observation:
    for name in sorted(names):
        observation = FAULTS[name](observation)
    return observation


def without_one(observation: Observation) -> Iterator[tuple[str, Observation]]:
    """The observation without any one thing that it saw: an item of a list, a host, what was read of a host."""
    for resource in RESOURCES:
        items = getattr(observation.snapshot, resource)
        for i, item in enumerate(items):
            less = (*items[:i], *items[i + 1 :])
            yield f"{resource}: {item}", lab.with_snapshot(observation, **{resource: less})
    for agent in observation.snapshot.agents:
        for i in range(len(agent.endpoints)):
            less = (*agent.endpoints[:i], *agent.endpoints[i + 1 :])
            yield f"endpoint {i}", lab.with_agent(observation, agent.node, endpoints=less)
    for host, facts in observation.facts.items():
        rest = {name: other for name, other in observation.facts.items() if name != host}
        yield f"host {host}", Observation(observation.snapshot, rest)
        for field in ("bpf", "raid", "reach"):
            items = getattr(facts, field)
            for i, item in enumerate(items):
                less = (*items[:i], *items[i + 1 :])
                yield f"{host} {field}: {item}", lab.with_facts(observation, host, **{field: less})
    for field in ("kernel", "boot_id"):
        yield f"{field}", lab.with_facts(observation, **{field: ""})


@settings(deadline=None)  # a busy machine is no failure
@given(broken)
def test_equal_observations_pass_however_bad(names):
    same = with_faults(BEFORE, names - {"unasked"})
    kernel = same.facts["node2"].kernel
    assert lab.judge(same, same, target_kernel=kernel).outcome is Outcome.PASS


@settings(deadline=None)  # a busy machine is no failure
@given(broken)
def test_a_fault_never_passes(names):
    assert (lab.judge(BEFORE, with_faults(WELL, names)).outcome is Outcome.PASS) == (not names)


@pytest.mark.parametrize("base", [(), *((name,) for name in sorted(FAULTS)), ("agent", "webhook")], ids="+".join)
def test_taking_anything_away_never_makes_it_a_pass(base):
    after = with_faults(WELL, set(base))
    if base:
        passed = [what for what, less in without_one(after) if lab.judge(BEFORE, less).outcome is Outcome.PASS]
        assert passed == []


def test_taking_anything_away_from_the_incident_leaves_it_a_failure():
    for what, less in without_one(INCIDENT):
        assert lab.judge(BEFORE, less).outcome is Outcome.FAIL, what


UNKNOWN = [f"snapshot {name}" for name in RESOURCES] + [f"facts {name}" for name in FACTS]


def make_unknown(observation: Observation, what: str) -> Observation:
    kind, name = what.split()
    if kind == "snapshot":
        emptied = {name: (), "unknown": {**observation.snapshot.unknown, name: "403 Forbidden"}}
        return lab.with_snapshot(observation, **emptied)
    facts = observation.facts["node2"]
    return lab.with_facts(observation, **{name: type(getattr(facts, name))(), "unknown": {**facts.unknown, name: "x"}})


@pytest.mark.parametrize("side", ["before", "after", "both"])
@pytest.mark.parametrize("what", UNKNOWN)
def test_unknown_never_gives_a_pass(what, side):
    before = make_unknown(BEFORE, what) if side != "after" else BEFORE
    after = make_unknown(WELL, what) if side != "before" else WELL
    verdict = lab.judge(before, after)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert not lab.names(verdict) & set(verdict.checks)


@settings(deadline=None)  # a busy machine is no failure
@given(broken, st.sets(st.sampled_from(UNKNOWN)))
def test_unknown_never_turns_a_failure_into_a_pass(names, unknown):
    after = with_faults(WELL, names)
    for what in sorted(unknown):
        after = make_unknown(after, what)
    assert (lab.judge(BEFORE, after).outcome is Outcome.PASS) == (not names and not unknown)


def test_two_faults_name_the_deeper_one():
    order = ["kernel", "refused", "agent", "endpoints", "node", "webhook", "workload"]
    for deep, high in itertools.combinations(order, 2):
        alone = lab.judge(BEFORE, FAULTS[deep](WELL)).cause
        assert lab.judge(BEFORE, with_faults(WELL, {deep, high})).cause.check == alone.check
