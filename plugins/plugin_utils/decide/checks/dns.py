# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer DNS: names are resolved on the node."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.reach import compare_probes
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation


class Dns(Check):
    """The cluster's DNS service and its pods answer the node if they did."""

    layer = Layer.DNS
    name = "dns"
    needs = ("facts.reach", "nodes", "pods")

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare group by group of probes."""
        yield from compare_probes(self, ("dns",), before, after, context)
