# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What could be reached from the node, and of it, still can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, Reach
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, note, only


@pytest.mark.parametrize(("kind", "check"), [("ping", "node-network"), ("dns", "dns")])
def test_what_was_reached_is_no_longer(kind, check):
    reach = tuple(
        replace(r, ok=False, error="i/o timeout") if r.kind == kind and not r.name.startswith("node") else r
        for r in WELL.facts["node2"].reach
    )
    found = lab.bad(lab.judge(BEFORE, lab.with_facts(WELL, reach=reach)))
    assert {finding.check for finding in found} == {check}
    assert all("i/o timeout" in finding.message and finding.evidence for finding in found)


def test_one_more_of_a_group_fails():
    reach = tuple(
        replace(r, ok=False) if r.target == WELL.facts["node2"].reach[2].target else r
        for r in WELL.facts["node2"].reach
    )
    assert only(lab.with_facts(WELL, reach=reach), "node-network").after == "1 of 2 answered"
    assert note(lab.with_facts(WELL, reach=reach), "node-network", before=lab.with_facts(BEFORE, reach=reach))


def test_a_group_of_which_nothing_is_left_fails_however_few_are_asked():
    def others(*answers):
        return tuple(Reach("ping", f"10.42.9.{i}", ok, name="pods on other nodes") for i, ok in enumerate(answers))

    before = lab.with_facts(BEFORE, reach=others(True, False))
    assert only(lab.with_facts(WELL, reach=others(False)), "node-network", before=before).after == "0 of 1 answered"
    none = lab.with_facts(BEFORE, reach=others(False))
    assert note(lab.with_facts(WELL, reach=others(False)), "node-network", before=none)


def test_the_peer_reaches_the_node_no_longer():
    node, *pods = WELL.facts["node1"].reach
    failed = replace(node, ok=False, error="timeout")
    finding = only(lab.with_facts(WELL, "node1", reach=(failed, *pods)), "node-network")
    assert finding.message == "ping from a surviving peer to node node2 fails: timeout"


def test_no_peer_is_missing_evidence():
    after = Observation(WELL.snapshot, {"node2": WELL.facts["node2"]})
    verdict = lab.judge(BEFORE, after)
    assert verdict.outcome is Outcome.INCONCLUSIVE and lab.names(verdict) == {"node-network"}


def test_another_peer_is_as_good_and_its_other_probes_do_not_count():
    other = HostFacts("node3", reach=(*WELL.facts["node1"].reach, Reach("ping", "192.168.77.119", False)))
    after = Observation(WELL.snapshot, {"node2": WELL.facts["node2"], "node3": other})
    assert lab.judge(BEFORE, after).outcome is Outcome.PASS


@pytest.mark.parametrize("silent", ["before", "after"])
def test_a_peer_that_did_not_answer_is_missing_evidence(silent):
    before, after = BEFORE, WELL
    if silent == "before":
        before = lab.with_facts(before, "node1", reach=(), unknown={"*": "timed out"})
    else:
        after = lab.with_facts(after, "node1", reach=(), unknown={"*": "timed out"})
    verdict = lab.judge(before, after)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    finding = next(f for f in lab.bad(verdict) if f.check == "node-network")
    assert finding.evidence[0].startswith(
        f"probes of node2 from node1 could not be read {silent} the upgrade: timed out"
    )


def test_a_host_is_looked_at_from_outside_or_it_is_said_why_not():
    def asked(observation, peer):
        return baseline(Policy(), observation, lab.TARGETS[1:2], peer)

    assert not [note for note in asked(HEALTHY, "node1").notes if note.check == "peer"]
    alone = asked(HEALTHY, "")
    assert alone.outcome is Outcome.PASS and any("no other host" in n.message for n in alone.notes if n.check == "peer")
    silent = asked(lab.with_facts(HEALTHY, "node1", unknown={"*": "no route"}), "node1")
    assert silent.outcome is Outcome.INCONCLUSIVE
    assert silent.cause.message == "node1 could not check node2 from outside: no route"
