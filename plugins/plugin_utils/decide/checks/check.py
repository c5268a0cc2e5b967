# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check is: one question about a host or the cluster, as it is now and compared with before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import find_agent
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Snapshot

CILIUM = "cilium"
ALL_FIELDS = "*"  # in HostFacts.unknown: the host did not answer at all


@dataclass(frozen=True)
class Context:
    """What is judged.

    Attributes:
        host, node: the host in question: its name in the inventory (key of ``Observation.facts``) and its node's name.
            Both are empty where the cluster is asked as a whole.
        policy: the variables of the run.
        target_kernel: release that the plan wants to run.
        reboot: a restart of the host was planned between the two observations.
        boot_id: of the boot that this restart led to, once it is known; any other says that there was one more.
        left_by: the run that left the host in the middle, where nobody knows how it was before that run.
        peer: the host that looks at this one from outside; empty: there is none; None: that is not the question.
    """

    host: str
    node: str
    policy: Policy
    target_kernel: str = ""
    reboot: bool = False
    boot_id: str = ""
    left_by: str = ""
    peer: str | None = None


@dataclass(frozen=True)
class Condition:
    """Where a check's question arises.

    Attributes:
        holds: called with what was seen (before and after, or now alone) and the context.
        otherwise: why the check is not asked, told as a note. Empty: nothing is told.
    """

    holds: Callable[[Sequence[Observation], Context], bool]
    otherwise: str = ""


ALWAYS = Condition(lambda seen, context: True)
# Cilium that was there before and is no longer seen is missing evidence, not another cluster.
WITH_CILIUM = Condition(
    lambda seen, context: may_be_cilium(*(each.snapshot for each in seen)), "the cluster's network is not Cilium"
)


class Check:
    """Base of all checks: override :meth:`healthy`, :meth:`compare`, or both.

    Sub-classes are stateless; their findings depend on the arguments alone.

    Attributes:
        layer: the layer its findings belong to.
        name: identifies it in findings, reports and ``Verdict.checks``.
        needs: what has to be known for the answer to mean anything: a list of the snapshot (``pods``), ``agents`` (the
            one of the node in question), ``facts`` (the host was read at all) or ``facts.<field>``. What is not known
            makes the check inconclusive without being asked (``unread``).
        healthy_needs: the same for :meth:`healthy`, where that needs something else.
        of_hosts: :meth:`healthy` is asked of each host; else once, of the cluster.
        applies: where the question arises.
        acceptable: what it finds may be known and harmless: a stop offers the line of ``friday_accept`` for it.
    """

    layer: ClassVar[Layer]
    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    healthy_needs: ClassVar[tuple[str, ...] | None] = None
    of_hosts: ClassVar[bool] = True
    applies: ClassVar[Condition] = ALWAYS
    acceptable: ClassVar[bool] = True

    def healthy(self, now: Observation, context: Context) -> Iterable[Finding]:
        """Yield what is wrong by itself, without a before (``fail``), what is ``unknown``, or worth a note."""
        raise NotImplementedError

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterable[Finding]:
        """Yield what is worse after than before (``fail``), what is ``unknown``, or worth a note."""
        raise NotImplementedError

    @property
    def judges_health(self) -> bool:
        """True when it has an answer without a before."""
        return type(self).healthy is not Check.healthy

    @property
    def compares(self) -> bool:
        """True when it has an answer to before and after."""
        return type(self).compare is not Check.compare

    def missing(self, context: Context, now: Observation, before: Observation | None = None) -> list[str]:
        """Say what of ``needs`` is not known, with the reasons; empty when the check can be asked.

        ``before`` is for a comparison, None for :meth:`healthy`.
        """
        asked = [("", now)] if before is None else [(" before the upgrade", before), (" after the upgrade", now)]
        alone = before is None and self.healthy_needs is not None
        needs = (self.healthy_needs or ()) if alone else self.needs
        return [
            f"{described(need)} could not be read{when}: {reason}"
            for need in needs
            for when, seen in asked
            if (reason := unread(need, seen, context))
        ]

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

    def doubt(self, context: Context, message: str, *evidence: str) -> Finding:
        """A note on the host; a failure where an earlier run may have caused it, and nobody knows."""
        severity = Severity.WARN
        if context.left_by:
            severity = Severity.FAIL
            message += f"; whether this was already so before run {context.left_by} is unknown"
        return self.finding(severity, context.host, message, evidence=evidence)


def may_be_cilium(*snapshots: Snapshot) -> bool:
    """True unless it is known that none of the snapshots has Cilium."""
    return any(snapshot.cni == CILIUM or "cni" in snapshot.unknown for snapshot in snapshots)


def unread(need: str, observation: Observation, context: Context) -> str:
    """Say why ``need`` (see :class:`Check`) is not known in ``observation``; empty when it is known."""
    kind, _, name = need.partition(".")
    if kind == "facts":
        facts = observation.facts.get(context.host)
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
        agent = find_agent(observation.snapshot, context.node)
        return "no agent was found on the node" if agent is None else agent.error
    return ""


def described(need: str) -> str:
    """What a need stands for, as people read it: ``facts.kernel_log`` is "the host's kernel log"."""
    kind, _, name = need.partition(".")
    if kind == "facts":
        return f"the host's {name.replace('_', ' ')}" if name else "the host"
    if need == "agents":
        return "the network agent"
    words = need.split("_")
    return " ".join(word.upper() if word in ("api", "csi") else word for word in words)
