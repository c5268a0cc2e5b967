# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer network agent: Cilium's agent on the node says of itself what it said before.

Its own "OK" is weak: it comes before any program is compiled, and stays when the verifier refuses them. The layers
below and above are asked as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import WITH_CILIUM, Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import agent_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation

_DIGITS = re.compile(r"\d+")


class AgentReady(Check):
    """The agent is ready and calls itself fine (in a comparison: if it did)."""

    layer = Layer.AGENT
    name = "agent-ready"
    needs = ("agents",)
    acceptable = False
    applies = WITH_CILIUM

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find an agent that is not ready, or reports another state than Ok."""
        agent, node = agent_of(now.snapshot, context.node), context.node
        if not agent.ready:
            yield self.finding(Severity.FAIL, node, f"the agent on {node} is not ready")
        if agent.state and agent.state.lower() != "ok":
            yield self.finding(Severity.FAIL, node, f"the agent on {node} reports state {agent.state}")

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare readiness and the state that the agent reports; another version is a note."""
        old, new = agent_of(before.snapshot, context.node), agent_of(after.snapshot, context.node)
        subject = f"agent on {context.node}"
        if not new.ready:
            severity = Severity.FAIL if old.ready else Severity.WARN
            was = "ready" if old.ready else "not ready"
            yield self.finding(severity, subject, f"the {subject} is not ready", was, "not ready")
        if new.state != old.state:
            severity = Severity.FAIL if new.state else Severity.UNKNOWN
            message = f"the {subject} reports {_state(new.state)} (before: {_state(old.state)})"
            if new.state.lower() == "ok":
                severity = Severity.INFO
            yield self.finding(severity, subject, message, before=old.state, after=new.state)
        if new.version != old.version:
            message = f"the {subject} runs a different version than before"
            yield self.finding(Severity.INFO, subject, message, before=old.version, after=new.version)


class AgentControllers(Check):
    """No controller of the agent fails that did not (above all ``endpoint-<id>-regeneration-recovery``)."""

    layer = Layer.AGENT
    name = "agent-controllers"
    needs = ("agents",)
    applies = WITH_CILIUM

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Regeneration is the datapath itself; other controllers fail now and then, and try again."""
        node = context.node
        for name, failure in agent_of(now.snapshot, node).failing_controllers.items():
            severity = Severity.FAIL if "regeneration" in name else Severity.WARN
            message = f"controller {name} of the agent on {node} fails: {failure or 'no message'}"
            yield self.finding(severity, node, message, evidence=(failure,) if failure else ())

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare by name without the endpoint's number, which is another after a restart."""
        known = {_DIGITS.sub("#", name) for name in agent_of(before.snapshot, context.node).failing_controllers}
        for name, failure in agent_of(after.snapshot, context.node).failing_controllers.items():
            as_before = _DIGITS.sub("#", name) in known
            yield self.finding(
                Severity.WARN if as_before else Severity.FAIL,
                f"controller {name}",
                f"controller {name} of the agent on {context.node} fails: {failure or 'no message'}"
                + (" (as before)" if as_before else ""),
                after="failing",
                evidence=(failure,) if failure else (),
            )


class AgentRestarts(Check):
    """The agent does not restart by itself.

    A restart of the host counts as one. More with it are a note (an agent gives up at boot when the API is not there
    yet); without it, any is a failure. A new pod starts from zero.
    """

    layer = Layer.AGENT
    name = "agent-restarts"
    needs = ("agents",)
    applies = WITH_CILIUM

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the counts of restarts."""
        old, new = agent_of(before.snapshot, context.node), agent_of(after.snapshot, context.node)
        start = old.restarts if old.pod == new.pod else 0
        more = new.restarts - start - (1 if context.reboot else 0)
        if more > 0:
            yield self.finding(
                Severity.WARN if context.reboot else Severity.FAIL,
                f"agent on {context.node}",
                f"the agent on {context.node} restarted {more} {'time' if more == 1 else 'times'} by itself",
                before=str(start),
                after=str(new.restarts),
            )


class AgentDatapath(Check):
    """The agent routes and replaces kube-proxy as it did: on another kernel it may silently choose another way."""

    layer = Layer.AGENT
    name = "agent-datapath"
    needs = ("agents",)
    applies = WITH_CILIUM

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare routing and kube-proxy replacement; a value that is no longer said is unknown."""
        old, new = agent_of(before.snapshot, context.node), agent_of(after.snapshot, context.node)
        pairs = (
            ("routing", old.routing, new.routing),
            ("kube-proxy replacement", old.kube_proxy_replacement, new.kube_proxy_replacement),
        )
        for what, was, now in pairs:
            if was and was != now:
                yield self.finding(
                    Severity.FAIL if now else Severity.UNKNOWN,
                    f"agent on {context.node}",
                    f"{what} of the agent on {context.node} is {now or 'not reported'} (before: {was})",
                    before=was,
                    after=now,
                )


def _state(reported: str) -> str:
    return f"state {reported}" if reported else "no state"
