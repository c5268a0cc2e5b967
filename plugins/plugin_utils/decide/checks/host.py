# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer host: the machine answers, and its packages are in order."""

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
