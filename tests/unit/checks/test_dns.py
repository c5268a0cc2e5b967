# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names are resolved on the node."""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, WELL


def test_a_group_of_probes_that_is_not_asked_again_is_unknown():
    reach = tuple(r for r in WELL.facts["node2"].reach if r.kind != "dns")
    verdict = lab.judge(BEFORE, lab.with_facts(WELL, reach=reach))
    assert verdict.outcome is Outcome.INCONCLUSIVE and lab.names(verdict) == {"dns"}
