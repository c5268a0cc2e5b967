# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last look: when every host is done, is the cluster well, and is each of the hosts still as it was before?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.diagnose import diagnose
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState

CHECK = "last-look"


def wanted(record: RunRecord) -> bool:
    """Whether the hosts are looked at once more: a run that stopped has said what is wrong already."""
    return bool(record.hosts) and all(host.state is HostState.DONE for host in record.hosts.values())


def final(health: Verdict, looks: Mapping[str, Verdict | None]) -> Verdict:
    """The verdict on the whole.

    Args:
        health: the cluster by itself, now.
        looks: for each host that must be as it was, its comparison with that; None when it could not be made, which
            leaves the whole inconclusive.
    """
    findings = dict.fromkeys(_findings(health))  # what is wrong with the cluster is seen from each of the hosts
    checks = dict.fromkeys(health.checks)
    for host, look in looks.items():
        if look is None:
            message = f"{host} could not be compared with how it was: there was no last look at it"
            findings[Finding(Layer.HOST, CHECK, host, Severity.UNKNOWN, message)] = None
        else:
            findings |= dict.fromkeys(_findings(look))
            checks |= dict.fromkeys(look.checks)
    return diagnose(list(findings), list(checks))


def unread(reason: str) -> Verdict:
    """The verdict when the cluster could not be read at all."""
    return diagnose([Finding(Layer.HOST, CHECK, "cluster", Severity.UNKNOWN, reason)], [])


def _findings(verdict: Verdict) -> Iterator[Finding]:
    yield from (verdict.cause,) if verdict.cause else ()
    yield from verdict.consequences
    yield from verdict.notes
