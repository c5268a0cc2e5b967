# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cilium's agent says of itself what it said before."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome, Severity
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, note, only, unhealthy


def test_agent_not_ready_and_in_another_state():
    assert only(lab.with_agent(WELL, ready=False), "agent-ready").layer is Layer.AGENT
    assert only(lab.with_agent(WELL, state="Failure"), "agent-ready").after == "Failure"
    only(lab.with_agent(WELL, state=""), "agent-ready", Severity.UNKNOWN)
    assert note(lab.with_agent(WELL, version="1.16.0"), "agent-ready").severity is Severity.INFO


def test_a_failing_controller_is_known_by_its_name_without_the_number():
    failing = {"endpoint-1263-regeneration-recovery": "regeneration recovery failed"}
    finding = only(lab.with_agent(WELL, failing_controllers=failing), "agent-controllers")
    assert finding.evidence == ("regeneration recovery failed",) and not finding.lasting
    before = lab.with_agent(BEFORE, failing_controllers={"endpoint-7-regeneration-recovery": "x"})
    note(lab.with_agent(WELL, failing_controllers=failing), "agent-controllers", before=before)


def test_restarts_count_from_the_restart_of_the_host():
    assert "2 times by itself" in note(lab.with_agent(WELL, restarts=3), "agent-restarts").message
    assert lab.judge(BEFORE, lab.with_agent(WELL, pod="cilium-x", restarts=1)).outcome is Outcome.PASS
    only(lab.with_agent(BEFORE, restarts=1), "agent-restarts", target_kernel=lab.OLD)


@pytest.mark.parametrize("field", ["routing", "kube_proxy_replacement"])
def test_the_datapath_is_chosen_as_before(field):
    only(lab.with_agent(WELL, **{field: "Tunnel"}), "agent-datapath")
    only(lab.with_agent(WELL, **{field: ""}), "agent-datapath", Severity.UNKNOWN)


def test_an_agent_that_could_not_be_asked_is_unknown_with_the_reason():
    verdict = lab.judge(BEFORE, lab.with_agent(WELL, error="exec: timed out after 20 s"))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert lab.names(verdict) == {check.name for check in CHECKS if "agents" in check.needs}
    assert all("exec: timed out after 20 s" in finding.message for finding in lab.bad(verdict))
    assert verdict.cause.check == "bpf-verifier" and "bpf-verifier" not in verdict.checks


@pytest.mark.parametrize(
    ("observation", "check", "text"),
    [
        (lab.with_agent(HEALTHY, ready=False), "agent-ready", "agent on node2"),
        (lab.with_agent(HEALTHY, state="Failure"), "agent-ready", "Failure"),
        (
            lab.with_agent(HEALTHY, failing_controllers={"endpoint-7-regeneration-recovery": "x"}),
            "agent-controllers",
            "fails: x",
        ),
    ],
)
def test_what_keeps_a_friday_from_starting(observation, check, text):
    assert text in unhealthy(observation, check).message
