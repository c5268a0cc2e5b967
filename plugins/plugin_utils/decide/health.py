# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the cluster healthy enough to start? Everything that is not, at once, before anything is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.accept import accepted, line
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.diagnose import diagnose
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Outcome,
    Problem,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation

_THE_CLUSTER = "the cluster"


def baseline(
    policy: Policy,
    observation: Observation,
    targets: Sequence[Target],
    peer: str | None = None,
    *,
    left_by: str = "",
    checks: Iterable[Check] = CHECKS,
) -> Verdict:
    """Ask every check that has an answer without a before, of the cluster and of each host.

    A cordon that an earlier Friday left on a host that did not get through is tolerated, with a note: the same command
    goes on after the fix. Nothing else about that host is: it has to be healthy again like all others. A probe of the
    network that fails proves nothing later, which is a note as well.

    Args:
        observation: the cluster, every target's facts and every target's agent.
        targets: the hosts that the run may touch.
        peer: the host that looks at the one of ``targets`` from outside; empty when there is none, None when that is
            not the question.
        left_by: the run that has left the host of ``targets`` in the middle, where nobody knows how it was before that.
            What would else be a note, since it may always have been so, is a failure then.

    Returns:
        A verdict with every finding, not the first one alone.
    """
    hosts = [Context(each.host, each.node, policy, left_by=left_by, peer=peer) for each in targets]
    cluster = Context("", "", policy, left_by=left_by)
    findings: list[Finding] = []
    asked: dict[str, None] = {}
    for check in checks:
        if not check.judges_health:
            continue
        contexts = hosts if check.of_hosts else [cluster]
        applicable = [context for context in contexts if check.applies.holds((observation,), context)]
        if contexts and not applicable and check.applies.otherwise:
            message = f"{check.name} skipped: {check.applies.otherwise}"
            findings.append(check.finding(Severity.INFO, _THE_CLUSTER, message))
        for context in applicable:
            if missing := check.missing(context, observation):
                findings.append(_unknown(check, context, missing))
            else:
                asked.setdefault(check.name)
                findings.extend(check.healthy(observation, context))
    return diagnose(accepted(findings, policy.accept), asked)


def _unknown(check: Check, context: Context, missing: list[str]) -> Finding:
    subject = context.host or _THE_CLUSTER
    message = f"{check.name} on {subject}: no data ({missing[0]})"
    return check.finding(Severity.UNKNOWN, subject, message, evidence=tuple(missing))


def refusals(verdict: Verdict, accept: Collection[str] = ()) -> list[Problem]:
    """What keeps the cluster from being a baseline, a problem for each finding; none for a pass.

    Args:
        accept: the checks that are accepted already (``friday_accept``).
    """
    if verdict.outcome is Outcome.PASS:
        return []
    found: dict[object, list[Finding]] = {}
    for finding in (verdict.cause, *verdict.consequences):
        # What could not be read keeps many checks from being asked: the same reason is one problem.
        if finding:
            unknown = finding.severity is Severity.UNKNOWN
            found.setdefault((finding.subject, finding.evidence) if unknown else finding, []).append(finding)
    return [_refusal(findings, accept) for findings in found.values()]


def _refusal(findings: Sequence[Finding], accept: Collection[str]) -> Problem:
    fix = "fix this first: the cluster must be healthy before an upgrade starts"
    if line_to_add := line((finding.check for finding in findings), accept):
        fix += f"; or accept it, if it is known and harmless: {line_to_add}"
    first = findings[0]
    return Problem(first.subject, f"{first.layer.label}: {first.message}", fix)
