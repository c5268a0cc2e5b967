# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``friday_accept``: checks that an operator has switched off by name. They are asked all the same, and told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Severity, Verdict

VARIABLE = "friday_accept"
_STOPPING = (Severity.FAIL, Severity.UNKNOWN)
_CHECKS = {check.name: check for check in CHECKS}
_MOST = 3  # more checks than these at once are not one known fault


def accepted(findings: Iterable[Finding], names: Collection[str]) -> list[Finding]:
    """The findings, with those of the checks in ``names`` that would stop a run turned into marked notes."""
    return [
        replace(
            finding,
            severity=Severity.WARN,
            message=f"{finding.message} (accepted by {VARIABLE})",
            lasting=False,
            accepted=True,
        )
        if finding.check in names and finding.severity in _STOPPING
        else finding
        for finding in findings
    ]


def found_and_accepted(verdicts: Iterable[Verdict]) -> list[str]:
    """Names of the checks that would have stopped the run, each once."""
    return list(dict.fromkeys(note.check for verdict in verdicts for note in verdict.notes if note.accepted))


def offer(verdict: Verdict, accept: Iterable[str] = ()) -> str:
    """The line of an inventory that accepts all that stops a run in ``verdict``.

    Empty where nothing does, and where accepting makes no sense: a check says itself that what it finds must be fixed,
    and many checks at once are an outage.

    Args:
        accept: what is accepted already.
    """
    found = (verdict.cause, *verdict.consequences)
    return line((finding.check for finding in found if finding), accept)


def line(names: Iterable[str], accept: Iterable[str] = ()) -> str:
    """The same for checks by name."""
    names = dict.fromkeys(names)
    if not names or len(names) > _MOST or any(name not in _CHECKS or not _CHECKS[name].acceptable for name in names):
        return ""
    return f"{VARIABLE}: [{', '.join(dict.fromkeys((*accept, *names)))}]"
