# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the tests of the checks ask: one fault, and the one finding that tells it."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from tests.unit.checks import three_nodes as lab

BEFORE = HEALTHY = lab.healthy()
WELL = lab.upgraded()


def only(after, check, severity=Severity.FAIL, before=BEFORE, **more):
    """After the upgrade: the one failing or unknown finding there is; it has to be of this check."""
    (finding,) = lab.bad(lab.judge(before, after, **more))
    assert (finding.check, finding.severity) == (check, severity)
    return finding


def note(after, check, before=BEFORE, **more):
    """The one note of a check in a verdict that passes."""
    verdict = lab.judge(before, after, **more)
    assert verdict.outcome is Outcome.PASS, verdict
    (finding,) = [finding for finding in verdict.notes if finding.check == check]
    return finding


def baseline_of(observation, **policy):
    """The verdict before anything is touched, on all hosts."""
    return baseline(Policy(**policy), observation, lab.TARGETS)


def unhealthy(observation, check, severity=Severity.FAIL):
    """Before anything is touched: the one failing or unknown finding there is; it has to be of this check."""
    (finding,) = lab.bad(baseline_of(observation))
    assert (finding.check, finding.severity) == (check, severity)
    return finding


def after_a_failed_canary(observation):
    """The cluster on the next run: all hosts and agents read again, node2 still cordoned."""
    agents = [next(a for a in observation.snapshot.agents if a.node == "node2"), *HEALTHY.snapshot.agents]
    unique = {agent.node: agent for agent in reversed(agents)}
    facts = {**HEALTHY.facts, "node2": observation.facts["node2"]}
    return Observation(replace(observation.snapshot, agents=tuple(unique.values())), facts)
