# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer host: the machine answers, its packages are in order, and nothing else upgrades it."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import facts_of, listed
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation


class HostAnswers(Check):
    """The host could be read, and no package on it is broken that was not.

    Package lists are not read again in every round; where they were not, that the host answers is all that is asked.
    """

    layer = Layer.HOST
    name = "host-answers"
    needs = ("facts",)
    acceptable = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """That it could be read is the whole question, and ``needs`` asks it."""
        return iter(())

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the lists of broken packages."""
        old, new = facts_of(before, context.host), facts_of(after, context.host)
        broken = [] if "broken" in old.unknown else [package for package in new.broken if package not in old.broken]
        if broken:
            yield self.finding(
                Severity.FAIL,
                context.host,
                f"the upgrade left broken packages: {listed(broken)}",
                after=", ".join(broken),
                lasting=True,
            )


class Competing(Check):
    """Nothing else upgrades or reboots the host: that would move the ground under a comparison."""

    layer = Layer.HOST
    name = "competing"
    needs = ("facts",)  # it fails nothing, so what else upgrades the host need not be known

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Name what else upgrades or reboots the host, as a note."""
        facts, host = facts_of(now, context.host), context.host
        if facts.competing:
            message = (
                f"{', '.join(facts.competing)} may upgrade or reboot {host} during the upgrade: "
                "stop it while Friday is running"
            )
            yield self.finding(Severity.WARN, host, message)
        elif reason := facts.unknown.get("competing", ""):
            message = f"whether anything else upgrades or reboots {host} could not be checked: {reason}"
            yield self.finding(Severity.WARN, host, message, evidence=(reason,))
