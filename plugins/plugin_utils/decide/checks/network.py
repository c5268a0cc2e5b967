# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer node network: what could be reached from the node, and of it, still can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import (
    ALL_FIELDS,
    Check,
    Condition,
    Context,
    unread,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.reach import compare_probes
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation


class NodeNetwork(Check):
    """Pings, TCP connections and HTTP requests that worked still work, from the node and from a peer towards it."""

    layer = Layer.NETWORK
    name = "node-network"
    needs = ("facts.reach", "nodes", "pods")
    healthy_needs = ("facts",)

    def missing(self, context: Context, now: Observation, before: Observation | None = None) -> list[str]:
        """In a comparison also what a peer that was asked did not answer."""
        missing = super().missing(context, now, before)
        if before is None:
            return missing
        return missing + [
            f"probes of {context.node} from {name} could not be read {when} the upgrade: {facts.unknown[ALL_FIELDS]}"
            for when, seen in (("before", before), ("after", now))
            for name, facts in seen.facts.items()
            if name != context.host and ALL_FIELDS in facts.unknown
        ]

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Doubt a probe that fails already: it proves nothing later."""
        for probe in now.facts[context.host].reach:
            if not probe.ok:
                target = f"{probe.kind} from {context.host} to {probe.name or probe.target}"
                reason = probe.error or "no answer"
                yield self.doubt(context, f"{target} already fails ({reason}): it can't be compared later")

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare group by group of probes."""
        yield from compare_probes(self, ("ping", "tcp", "http"), before, after, context)


class Peer(Check):
    """The network of the host is looked at from outside too, by another host."""

    layer = Layer.NETWORK
    name = "peer"
    needs = ()
    applies = Condition(lambda seen, context: context.peer is not None)

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Say why it can't be: no other host is a note, one that did not answer is missing evidence."""
        host, peer = context.host, context.peer
        if not peer:
            message = (
                f"no other host is available to check {host} from outside: "
                "its network is checked from the host itself only"
            )
            yield self.finding(Severity.WARN, host, message)
        elif reason := unread("facts", now, replace(context, host=peer)):
            message = f"{peer} could not check {host} from outside: {reason}"
            yield self.finding(Severity.UNKNOWN, peer, message)
