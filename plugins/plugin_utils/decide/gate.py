# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""May the next wave start?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.accept import offer
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.quorum import broken
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Problem, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import NamedQuorum
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState

_RESUME = "fix it (see the report), then rerun the same command to resume"


def gate(
    plan: Plan,
    record: RunRecord,
    wave: int,
    snapshot: Snapshot,
    health: Verdict,
    lost_hosts: Sequence[str],
    found: Snapshot | None = None,
    accept: Sequence[str] = (),
    quorums: Sequence[NamedQuorum] = (),
) -> Problem | None:
    """The first reason to keep wave ``wave`` (counted from 1) closed, or None when it may start.

    Args:
        plan: of this run.
        record: of this run, up to now.
        snapshot: read just now.
        health: verdict on ``snapshot`` as a baseline; whatever is not a pass keeps the wave closed.
        lost_hosts: hosts that Ansible has dropped from the play: it goes on without the unreachable ones.
        found: read before the first wave, with the marks that dead runs had left by then.
        accept: the checks that are accepted already (``friday_accept``).
        quorums: ``friday_quorums``.
    """
    wanted = next((planned for planned in plan.waves if planned.number == wave), None)
    if wanted is None:
        return Problem(f"wave {wave}", "is not in the plan", "run Friday again")
    reasons = (
        *_of_record(plan, record, wave),
        *_lost(lost_hosts),
        *_of_nodes(wanted, snapshot, quorums),
        *_of_strangers(record.run, snapshot, found),
        *_of_health(health, accept),
    )
    return next(iter(reasons), None)


def _of_record(plan: Plan, record: RunRecord, wave: int) -> Iterator[Problem]:
    if record.stop:
        yield Problem("run", f"was stopped: {record.stop}", _RESUME)
    if record.plan_digest and record.plan_digest != plan.digest:
        yield Problem("plan", "does not match the one in the run's record", "run Friday again")
    for host in sorted(record.hosts, key=natural_key):
        known = record.hosts[host]
        if known.state.stopped:
            message = f"is {known.state.value}" + (f": {known.message}" if known.message else "")
            yield Problem(host, message, _RESUME)
    for planned in plan.waves:
        for member in planned.hosts:
            known_member = record.hosts.get(member.host)
            state = known_member.state if known_member else HostState.PLANNED
            if planned.number < wave and state is not HostState.DONE:
                yield Problem(
                    member.host, f"in wave {planned.number} is {state.value} instead of done", "run Friday again"
                )
            if planned.number > wave and state is not HostState.PLANNED:
                message = f"in the later wave {planned.number} is already {state.value}"
                yield Problem(member.host, message, "run Friday again")


def _lost(hosts: Sequence[str]) -> Iterator[Problem]:
    if hosts:
        listed = ", ".join(sorted(hosts, key=natural_key))
        yield Problem(
            listed, "was lost during the run (failed or unreachable)", "make it reachable, then run Friday again"
        )


def _of_nodes(wave: Wave, snapshot: Snapshot, quorums: Sequence[NamedQuorum]) -> Iterator[Problem]:
    if "nodes" in snapshot.unknown:
        yield Problem("nodes", f"could not be read: {snapshot.unknown['nodes']}", "check the API server")
        return
    nodes = {node.name: node for node in snapshot.nodes}
    members = {host.node for host in wave.hosts}
    zones = {nodes[name].zone for name in members if name in nodes} | {wave.zone}
    for name in sorted(members - nodes.keys(), key=natural_key):
        yield Problem(name, "is no longer a node of the cluster", "bring it back, or take it out of the inventory")
    for name in sorted(nodes, key=natural_key):
        yield from _of_node(nodes[name], name in members, zones)
    yield from broken(snapshot, quorums, members)


def _of_node(node: Node, member: bool, zones: set[str]) -> Iterator[Problem]:
    if node.ready is not True and (member or node.zone not in zones):
        # A second zone must not begin to lose nodes while the first one still does.
        place = "" if member else f" in another zone ({node.zone or 'no zone'})"
        yield Problem(node.name, f"is not Ready{place}", "fix it first")
    if node.unschedulable and not node.cordoned_by:
        yield Problem(node.name, "was cordoned by somebody else", f"kubectl uncordon {node.name}, if that is safe")


def _of_strangers(run: str, snapshot: Snapshot, found: Snapshot | None) -> Iterator[Problem]:
    """Another Friday at work: its lock is in another namespace, or it has just taken this one's."""
    left = {node.name: node.cordoned_by for node in (found.nodes if found else ())}
    for node in sorted(snapshot.nodes, key=lambda node: natural_key(node.name)):
        if node.unschedulable and node.cordoned_by not in ("", run, left.get(node.name, "")):
            message = f"was cordoned by another Friday, run {node.cordoned_by}, while this one is running"
            yield Problem(
                node.name, message, "run friday.upgrade.status; all Fridays of a cluster need one friday_namespace"
            )


def _of_health(health: Verdict, accept: Sequence[str]) -> Iterator[Problem]:
    if health.outcome is Outcome.PASS:
        return
    what = "the cluster is not healthy" if health.outcome is Outcome.FAIL else "the cluster's health is unknown"
    if health.cause is None:
        yield Problem("cluster", what, "fix it first")
        return
    more = f" (and {len(health.consequences)} more)" if health.consequences else ""
    message = f"{what}: {health.cause.layer.label}: {health.cause.message}{more}"
    line = offer(health, accept)
    yield Problem(health.cause.subject, message, "fix it first" + (f", or accept it: {line}" if line else ""))
