# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer node network: what could be reached from the node, and of it, still can."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.reach import compare_probes
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation


class NodeNetwork(Check):
    """Pings, TCP connections and HTTP requests that worked still work, from the node and from a peer towards it."""

    layer = Layer.NETWORK
    name = "node-network"
    needs = ("facts.reach", "nodes", "pods")

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare group by group of probes."""
        yield from compare_probes(self, ("ping", "tcp", "http"), before, after, context)
