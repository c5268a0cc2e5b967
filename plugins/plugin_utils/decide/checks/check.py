# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check is: one question that is asked of the cluster or of one host, before and after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import find_agent
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import AgentStatus, Observation, Snapshot

CILIUM = "cilium"
ALL_FIELDS = "*"  # in HostFacts.unknown: the host did not answer at all


@dataclass(frozen=True)
class Context:
    """What a comparison is about.

    Attributes:
        host, node: the host under test: its name in the inventory (key of ``Observation.facts``) and its node's name.
        target_kernel: release that the plan wants to run.
        reboot: a restart of the host was planned between the two observations.
        boot_id: of the boot that this restart led to, once it is known; any other says that there was one more.
        policy: the variables of the run.
    """

    host: str
    node: str
    target_kernel: str
    reboot: bool
    policy: Policy
    boot_id: str = ""


class Check(ABC):
    """Base of all checks. Sub-classes are stateless; their findings depend on the arguments alone.

    Attributes:
        layer: the layer its findings belong to.
        name: identifies it in findings, reports and ``Verdict.checks``.
        needs: what has to be known, before and after, for the comparison to mean anything: a list of the snapshot
            (``pods``), ``agents`` (the one of the node under test), ``facts`` (the host was read at all) or
            ``facts.<field>``. What is not known makes the check inconclusive without being run (``unread``).
        cilium_only: the question has no meaning where the cluster's network is not Cilium.
    """

    layer: ClassVar[Layer]
    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    cilium_only: ClassVar[bool] = False

    def skip(self, before: Observation, after: Observation, context: Context) -> str:
        """Say why the question does not arise in this cluster, or return an empty string."""
        # Cilium that was there before and is no longer seen is missing evidence, not another cluster.
        if self.cilium_only and not may_be_cilium(before.snapshot, after.snapshot):
            return "the cluster's network is not Cilium"
        return ""

    def missing(self, before: Observation, after: Observation, context: Context) -> list[str]:
        """Say what of ``needs`` is not known, with the reasons; empty when the comparison can be made."""
        return [
            f"{described(need)} could not be read {when} the upgrade: {reason}"
            for need in self.needs
            for when, seen in (("before", before), ("after", after))
            if (reason := unread(need, seen, context.host, find_agent(seen.snapshot, context.node)))
        ]

    @abstractmethod
    def compare(self, before: Observation, after: Observation, context: Context) -> Iterable[Finding]:
        """Yield what is worse after than before (``fail``), not to be said (``unknown``), or worth a note."""

    def finding(
        self,
        severity: Severity,
        subject: str,
        message: str,
        before: str = "",
        after: str = "",
        *,
        evidence: tuple[str, ...] = (),
        lasting: bool = False,
    ) -> Finding:
        """Make a finding of this check."""
        return Finding(self.layer, self.name, subject, severity, message, before, after, evidence, lasting)


def may_be_cilium(*snapshots: Snapshot) -> bool:
    """True unless it is known that none of the snapshots has Cilium."""
    return any(snapshot.cni == CILIUM or "cni" in snapshot.unknown for snapshot in snapshots)


def unread(need: str, observation: Observation, host: str, agent: AgentStatus | None) -> str:
    """Say why ``need`` (see :class:`Check`) is not known in ``observation``; empty when it is known.

    Args:
        host: whose facts are meant.
        agent: the agent that is meant, None when there is none on the node.
    """
    kind, _, name = need.partition(".")
    if kind == "facts":
        facts = observation.facts.get(host)
        if facts is None:
            return "the host was not read"
        for field in (name, ALL_FIELDS):
            if field in facts.unknown:
                return facts.unknown[field] or "no reason given"
        # A release or boot id is never empty: an empty one was not read, whatever the reader says.
        return "nothing was read" if name and getattr(facts, name) == "" else ""
    if need in observation.snapshot.unknown:
        return observation.snapshot.unknown[need] or "no reason given"
    if need == "agents":
        return "no agent was found on the node" if agent is None else agent.error
    return ""


def described(need: str) -> str:
    """What a need stands for, as people read it: ``facts.kernel_log`` is "the host's kernel log"."""
    kind, _, name = need.partition(".")
    if kind == "facts":
        return f"the host's {name.replace('_', ' ')}" if name else "the host"
    return {"agents": "the network agent", "api_services": "API services"}.get(need, need)
