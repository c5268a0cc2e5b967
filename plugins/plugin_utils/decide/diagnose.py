# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From findings to a verdict: the deepest layer that fails is the probable cause, what stands on it the consequence."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Severity,
    Verdict,
)

_NOTHING_ASKED = Finding(
    Layer.HOST, "diagnose", "the comparison", Severity.UNKNOWN, "no check could run: there is no data"
)


def diagnose(findings: Iterable[Finding], checks: Iterable[str]) -> Verdict:
    """Draw the conclusion.

    A failure beats what is unknown, and what is unknown beats a pass. The cause is of the deepest failing layer, and
    there the first finding with evidence; where nothing failed, it is of the deepest unknown one.

    Args:
        findings: in the order in which they were found.
        checks: names of the checks that were asked. Without any there is no pass.

    Returns:
        A verdict whose consequences are all other failing and unknown findings, by layer. Unknown ones can lie deeper
        than the cause: then it may not be the root, and the reader has to see that.
    """
    asked = tuple(checks)
    found = list(findings)
    failing = [finding for finding in found if finding.severity is Severity.FAIL]
    unknown = [finding for finding in found if finding.severity is Severity.UNKNOWN]
    remarks = (finding for finding in found if finding.severity in (Severity.WARN, Severity.INFO))
    notes = tuple(sorted(remarks, key=lambda finding: finding.layer))
    if not failing and not unknown and not asked:
        unknown = [_NOTHING_ASKED]
    if not failing and not unknown:
        return Verdict(Outcome.PASS, notes=notes, checks=asked)
    cause = min(failing or unknown, key=_depth)
    rest = [finding for finding in (*failing, *unknown) if finding is not cause]
    return Verdict(
        Outcome.FAIL if failing else Outcome.INCONCLUSIVE,
        cause=cause,
        consequences=tuple(sorted(rest, key=_depth)),
        notes=notes,
        checks=asked,
    )


def _depth(finding: Finding) -> tuple[int, bool]:
    return (finding.layer, not finding.evidence)
