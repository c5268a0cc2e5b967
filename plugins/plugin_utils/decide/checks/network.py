# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer node network: what could be reached from the node, and of it, still can."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import ALL_FIELDS, Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.reach import compare_probes
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation


class NodeNetwork(Check):
    """Pings, TCP connections and HTTP requests that worked still work, from the node and from a peer towards it."""

    layer = Layer.NETWORK
    name = "node-network"
    needs = ("facts.reach", "nodes", "pods")

    def missing(self, before: Observation, after: Observation, context: Context) -> list[str]:
        """Besides what is the host's own: what a peer that was asked did not answer."""
        silent = [
            f"what {name} sees of {context.node} could not be read {when} the upgrade: {facts.unknown[ALL_FIELDS]}"
            for when, seen in (("before", before), ("after", after))
            for name, facts in seen.facts.items()
            if name != context.host and ALL_FIELDS in facts.unknown
        ]
        return super().missing(before, after, context) + silent

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare group by group of probes."""
        yield from compare_probes(self, ("ping", "tcp", "http"), before, after, context)
