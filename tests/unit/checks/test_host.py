# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host answers, its packages are in order, nothing else upgrades it."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Outcome
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, baseline_of, only


def test_broken_packages_fail_and_known_ones_do_not():
    assert only(lab.with_facts(WELL, broken=("linux-image-x",)), "host-answers").layer is Layer.HOST
    before = lab.with_facts(BEFORE, broken=("old",))
    assert lab.judge(before, lab.with_facts(WELL, broken=("old",))).outcome is Outcome.PASS


def test_others_that_upgrade_by_themselves_are_a_note():
    for change, text in (
        ({"competing": ("kured", "unattended-upgrades")}, "kured, unattended-upgrades may upgrade or reboot node1"),
        (
            {"unknown": {"competing": "no systemctl"}},
            "whether anything else upgrades or reboots node1 could not be checked",
        ),
    ):
        facts = {**HEALTHY.facts, "node1": replace(HEALTHY.facts["node1"], **change)}
        verdict = baseline_of(Observation(HEALTHY.snapshot, facts))
        (note,) = (note for note in verdict.notes if note.check == "competing")
        assert verdict.outcome is Outcome.PASS and note.message.startswith(text)
