# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge one look at a host: by itself before it is touched, against how it was afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.compare import compare
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.survey import read_answer
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import PlannedHost, Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState


@dataclass(frozen=True)
class Known:
    """What is known of a host besides the look itself.

    Attributes:
        planned: its part in the plan.
        target: it, as the inventory resolves it.
        before: how this run found it; None in the look that finds that out.
        earlier: how the first run found it that did not get it through; None when there is no such run, or nothing is
            known of it here.
        boots: boot ids that this run has brought it to, in order.
        left_by: the earlier run that had left its node cordoned; empty when none had.
    """

    planned: PlannedHost
    target: Target
    before: Observation | None = None
    earlier: Observation | None = None
    boots: tuple[str, ...] = ()
    left_by: str = ""


def facts_of(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, HostFacts]:
    """What hosts answered (name -> registered result); one that could not be asked says so in its ``unknown``.

    A host that was skipped was not asked, and is left out.
    """
    facts = {}
    for name, result in answers.items():
        if name and not result.get("skipped"):
            answer, problem = read_answer(name, result)
            facts[name] = answer or HostFacts(host=name, unknown={"*": problem.message if problem else "no answer"})
    return facts


def boots_of(host: str, events: Iterable[Event]) -> tuple[str, ...]:
    """The boots that a run has brought ``host`` to, by its events."""
    return tuple(
        str(event.data.get("boot_id", ""))
        for event in events
        if event.host == host and event.kind is EventKind.STATE and event.data.get("state") == HostState.REBOOTED.value
    )


def judge_before(policy: Policy, seen: Observation, known: Known, peer: str) -> Verdict:
    """Whether the host is well before it is touched. ``peer`` looked at it from outside; empty: nobody did.

    Where it was left by a run of which nothing is known here, there is nothing else to compare it with.
    """
    left_by = "" if known.earlier else known.left_by
    return baseline(policy, seen, [known.target], peer, left_by=left_by)


def judge_after(policy: Policy, seen: Observation, known: Known) -> Verdict:
    """Whether the host, and the cluster around it, is as it was.

    Raises:
        LookupError: it was not looked at before it was touched.
    """
    host, found, boots = known.planned.host, known.before, known.boots
    if found is None:
        raise LookupError(f"{host} was not checked before it was touched: there is nothing to compare it with")
    if known.earlier and known.earlier.facts[host].boot_id != found.facts[host].boot_id:
        boots = boots or (found.facts[host].boot_id,)  # the earlier run has rebooted it, or who repaired it
    return compare(
        known.earlier or found,
        seen,
        host,
        known.planned.target_kernel,
        policy,
        node=known.planned.node,
        reboot=bool(boots),
        boot_id=boots[-1] if boots else "",
    )
