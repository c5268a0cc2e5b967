# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""May a run resume where another one left hosts unfinished? Not under other rules, unless that is meant.

A new plan is always made from what is there now, with a canary of its own for what no host has proven yet. What cannot
be seen from the cluster is that somebody starts the second run with another inventory or policy than the first, mostly
by mistake: another checkout, a forgotten ``--extra-vars``. And an archive that has moved on in between brings the hosts
that are left something else than what the first ones have proven.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, PackageChange
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy, variables
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import REBOOT, RECHECK, UPGRADE, HostState

_REBOOTING = (RECHECK.name, REBOOT.name)  # neither is begun on a host that need not reboot
VARIABLE = "friday_replan"
_LISTED = 5
_OWN = (
    *("replan", "keep_runs", "lease_ttl", "only", "canary", "known_bad_accept", "accept"),
    *(field.name for field in fields(Policy) if field.name.startswith("rehearsal")),
)


def policy_of(policy: Policy) -> dict[str, Any]:
    """The policy as a record keeps it: variables whose values are not the defaults, as somebody would write them."""
    defaults = _written(Policy())
    return {name: value for name, value in _written(policy).items() if value != defaults[name]}


def inventory_of(hosts: Iterable[str]) -> str:
    """A digest of the inventory's hosts: SHA-256 of their sorted names, 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(sorted(hosts)).encode()).hexdigest()[:16]


def members_of(hosts: Iterable[str], targets: Iterable[Target]) -> dict[str, str]:
    """The inventory's hosts as a record keeps them: where those are that take part, nothing for all others.

    Not their addresses, which a dynamic inventory may change with every reboot: that a host is its node's is seen by
    its boot id.
    """
    places = {target.host: f"{target.node} in {target.zone or 'no zone'}" for target in targets}
    return {host: places.get(host, "") for host in hosts}


def packages_of(changes: Iterable[PackageChange]) -> str:
    """A digest of what an upgrade installs: SHA-256 of its sorted changes, 16 hexadecimal digits."""
    lines = sorted(f"{change.name} {change.candidate}" for change in changes)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def changed(policy: Policy, members: Mapping[str, str], left: Iterable[RunRecord]) -> tuple[Problem, ...]:
    """What differs from the runs that are resumed; empty when nothing does, or when it is meant.

    Args:
        members: all of the inventory, see :func:`members_of`.
        left: records of those runs: that have left nodes cordoned, or that died. One of an older version, which knows
            neither, is not compared.
    """
    if policy.replan:
        return ()
    known = [record for record in left if record.inventory]
    return tuple(problem for record in known for problem in _changed(policy, members, record))


def replanned(policy: Policy, plan: Plan, left: Iterable[RunRecord]) -> tuple[Problem, ...]:
    """What the hosts are to get that another run has left, where that is not what they were to get then.

    Only hosts of both plans are compared. One that has failed is not: to repair it may mean another kernel.
    """
    if policy.replan:
        return ()
    return tuple(problem for record in left for problem in _replanned(plan, record))


def marks(snapshot: Snapshot) -> list[str]:
    """The runs that have left nodes cordoned, by their marks."""
    return sorted({node.cordoned_by for node in snapshot.nodes if node.unschedulable and node.cordoned_by})


def died(records: Iterable[RunRecord], at_work: str = "") -> RunRecord | None:
    """The run that the next one resumes: the last one that had hosts, if it died before it was done with them.

    A run that has said itself that it ended is over: what comes after it is another Friday, under rules of its own.

    Args:
        records: the newest first.
        at_work: the run that holds the lock, and lives.
    """
    last = next((record for record in records if record.hosts), None)
    if last is None or last.run == at_work or (last.finished and not last.closed_by):
        return None
    return last if any(known.state is not HostState.DONE for known in last.hosts.values()) else None


def owes_reboot(policy: Policy, known: HostRecord | None, facts: HostFacts) -> bool:
    """True when an earlier run was to reboot the host, did not, and what is pending there now does not tell.

    Args:
        known: the host in the record of the run that has left its node cordoned; None when there is none.
    """
    if known and (known.rebooted or (known.boot_id and known.boot_id != facts.boot_id)):
        return False
    if known and (known.owed or known.step in _REBOOTING or (known.step == UPGRADE.name and policy.reboot == "always")):
        return True
    return facts.reboot_required  # of its kernel too: a rebuilt one has the release of the one that runs


def unrecorded(policy: Policy, run: str, reason: str) -> list[Problem]:
    """A run whose record can't be read can't be compared; a problem, unless that is meant."""
    if policy.replan:
        return []
    message = f"run {run} left hosts unfinished, and its record can't be read: {reason}"
    return [Problem(VARIABLE, message, f"set {VARIABLE}: true to continue under the current policy and inventory")]


def _changed(policy: Policy, members: Mapping[str, str], record: RunRecord) -> Iterator[Problem]:
    fix = f"restore the old one, or set {VARIABLE}: true to continue under the new one"
    if differences := list(_differences(record.policy, policy_of(policy))):
        yield Problem(VARIABLE, f"the policy differs from that of {_which(record)}: {'; '.join(differences)}", fix)
    if differences := list(_moved(record, members)):
        yield Problem(VARIABLE, f"the inventory differs from that of {_which(record)}: {'; '.join(differences)}", fix)


def _which(record: RunRecord) -> str:
    begun = any(known.state not in (HostState.PLANNED, HostState.DONE) for known in record.hosts.values())
    return f"run {record.run}, which {'left hosts unfinished' if begun else 'died before it was done'}"


def _moved(record: RunRecord, members: Mapping[str, str]) -> Iterator[str]:
    """Hosts that the inventory has lost or gained, and those that are another node or in another zone now."""
    if not record.members:  # of an older version, or too many to be kept by name
        if record.inventory != inventory_of(members):
            gone = record.hosts.keys() - members.keys()
            yield f"{_listed(gone)} missing" if gone else "hosts were added or removed"
        return
    if gone := record.members.keys() - members.keys():
        yield f"{_listed(gone)} missing"
    if new := members.keys() - record.members.keys():
        yield f"{_listed(new)} added"
    both = sorted(record.members.keys() & members.keys(), key=natural_key)
    places = [(host, record.members[host], members[host]) for host in both]
    moved = [f"{host} was {old}, is now {now}" for host, old, now in places if old and now and old != now]
    yield from _few(moved)


def _replanned(plan: Plan, record: RunRecord) -> Iterator[Problem]:
    differences = []
    for planned in plan.hosts():
        known = record.hosts.get(planned.host)
        if known and (what := _other(planned, known)):
            differences.append(f"{planned.host} {what}")
    if differences:
        message = f"the plan differs from that of {_which(record)}: {'; '.join(_few(differences))}"
        yield Problem(VARIABLE, message, f"set {VARIABLE}: true to continue with the new plan")


def _other(planned: PlannedHost, known: HostRecord) -> str:
    """What is planned for a host other than it was; empty when it is the same, or has to be another."""
    if known.state is HostState.DONE or (known.state is HostState.FAILED and not known.halted):
        return ""
    if known.target_kernel and known.target_kernel != planned.target_kernel:
        return f"would get kernel {planned.target_kernel} instead of {known.target_kernel}"
    begun = known.state.touched or known.step == UPGRADE.name
    if known.packages and not begun and known.packages != packages_of(planned.packages):
        return f"would get other packages than planned then ({len(planned.packages)} now, see plan.json)"
    return ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_few(sorted(names, key=natural_key)))


def _few(texts: list[str]) -> list[str]:
    return texts[:_LISTED] + ([f"{len(texts) - _LISTED} more"] if texts[_LISTED:] else [])


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    defaults = _written(Policy())
    for name in sorted((then.keys() | now.keys()) - {f"friday_{name}" for name in _OWN}):
        old, new = then.get(name, defaults.get(name)), now.get(name, defaults.get(name))
        if old != new:
            yield f"{name} was {_shown(old)}, is now {_shown(new)}"


def _written(policy: Policy) -> dict[str, Any]:
    """The variables that are compared, as JSON has them: lists for tuples."""
    written = variables(policy)
    own = {f"friday_{name}" for name in _OWN}
    return {k: to_data(v) for k, v in written.items() if k not in own}


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) or "empty" if isinstance(value, list) else str(value) or "empty"
