# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan: who goes when, and why.

Invariants, for any fleet (tests/unit/decide/test_waves_properties.py holds them):

- every target is in exactly one wave or skipped with a reason;
- wave 1, the canary, is one host; no later wave is larger than the policy's size for it;
- a wave is of one zone, and a zone is finished before the next one begins. That is why the canary's zone comes first;
- of control-plane nodes and etcd members a wave has one at most, which is within any quorum that can be kept at all;
- a wave is no larger than ``friday_max_unavailable`` and ``friday_max_unavailable_per_zone`` allow;
- no wave of several hosts has all ready pods of a workload, budget or not, unless they are all on one of its hosts;
- what a wave of several hosts evicts finds room on the nodes that stay; a host whose pods do not goes alone;
- no wave of several hosts takes more of a quorum than it can spare;
- a wave of several hosts evicts no more pods of a PodDisruptionBudget than it allows now. A host that exceeds it by
  itself goes alone, and its drain proceeds as far as the budget lets it, pod by pod;
- equal input, in whatever order, makes an equal plan.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.candidate import next_kernel
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import Identity, workload_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import Drain, drains, full_name
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.forecast import Forecast, forecast
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.placement import Homeless, Placement
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.quorum import quorums
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import digest
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, PackageChange
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import (
    Plan,
    PlannedHost,
    SkippedHost,
    Target,
    Wave,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import CORDON, REBOOT, UPGRADE, VERIFY

CONTROL_PLANE_ROLES = ("control-plane", "master", "etcd")

# Seconds, for estimates only, on top of what a step takes itself (model/steps.py). Deadlines of the policy cap them.
EVICTION_SECONDS = 10
PACKAGE_SECONDS = 3
_USUAL_GRACE = 30  # the default of pods; few of them use it up, those with a longer one may

# How many hosts behind the first that does not fit are tried for a place in the wave: packing stays good and planning
# linear in the size of the fleet.
LOOKAHEAD = 64


@dataclass(frozen=True)
class Work:
    """What is to be done on a host: packages by name, and whether it reboots, into which kernel."""

    packages: tuple[PackageChange, ...]
    target_kernel: str
    reboot: bool

    def __bool__(self) -> bool:
        return bool(self.packages) or self.reboot


@dataclass(frozen=True)
class _Candidate:
    """A host that goes into some wave. ``left_by`` is the earlier run that left it cordoned, or empty."""

    host: str
    node: Node
    zone: str
    facts: HostFacts
    work: Work
    left_by: str
    drain: Drain = dataclasses.field(default_factory=Drain)
    forecast: Forecast = dataclasses.field(default_factory=Forecast)

    @property
    def control_plane(self) -> bool:
        return is_control_plane(self.node)


def is_control_plane(node: Node) -> bool:
    """True for a node that runs the control plane or a member of etcd: two of them never go together."""
    return node.etcd or any(role in CONTROL_PLANE_ROLES for role in node.roles)


def left_by(node: Node) -> str:
    """The earlier run that left the node cordoned; empty when none did, or when somebody has uncordoned it since."""
    return node.cordoned_by if node.unschedulable else ""


def work_of(policy: Policy, facts: HostFacts) -> Work:
    """What the policy wants done on a host.

    ``friday_reboot: always`` reboots whatever is upgraded, and not what is up to date: the same command again has to
    leave those hosts alone that are done.
    """
    kernel_only = policy.packages == "kernel"
    pending = sorted(facts.pending, key=lambda change: (change.name, change.installed, change.candidate))
    packages = tuple(change for change in pending if not kernel_only or change.kind.of_kernel)
    target = next_kernel(facts, policy.accept_kernels).release or facts.kernel
    # A rebuilt kernel keeps its release: that packages of it arrive is what tells.
    rebuilt = any(kernel.arriving and kernel.release == facts.kernel for kernel in facts.kernels)
    asked_for = facts.reboot_required and not kernel_only
    reboot = target != facts.kernel or rebuilt or asked_for or (policy.reboot == "always" and bool(packages))
    return Work(packages, target, reboot)


def make_plan(
    policy: Policy,
    targets: Iterable[Target],
    snapshot: Snapshot,
    facts: Mapping[str, HostFacts],
    owed: Collection[str] = (),
) -> Plan:
    """Put the targets into waves.

    Args:
        targets: as :func:`~.targets.resolve_targets` returns them. To refuse faults of the input (unread hosts, unknown
            nodes) is :func:`~.preflight.preflight`'s part; here such a host is skipped.
        facts: by name of the host in the inventory.
        owed: hosts that an earlier run was to reboot and did not, see :func:`~.resume.owes_reboot`.
    """
    fleet = sorted(targets, key=lambda target: natural_key(target.host))
    nodes = {node.name: node for node in snapshot.nodes}
    chosen: list[_Candidate] = []
    skipped: list[SkippedHost] = []
    for target in fleet:
        candidate = _candidate(policy, target, nodes.get(target.node), facts.get(target.host), target.host in owed)
        if isinstance(candidate, str):
            skipped.append(SkippedHost(target.host, target.node, candidate))
        else:
            chosen.append(candidate)
    chosen = _with_drains(policy, snapshot, chosen)
    zones = {target.node: target.zone for target in fleet if target.zone}
    waves = tuple(_waves(policy, chosen, snapshot, len(fleet), {host.host: host.reason for host in skipped}, zones))
    seconds = sum(max(host.seconds for host in wave.hosts) + policy.soak for wave in waves)
    plan = Plan(waves, tuple(skipped), seconds)
    return dataclasses.replace(plan, digest=digest(plan))


def _candidate(
    policy: Policy, target: Target, node: Node | None, facts: HostFacts | None, owed: bool
) -> _Candidate | str:
    """The host as it goes into a wave, or the reason to skip it."""
    if policy.only and target.host not in policy.only:
        return "not in friday_only"
    if node is None:
        return "is not a node of the cluster"
    if facts is None:
        return "could not be read"
    work, run = work_of(policy, facts), left_by(node)
    if owed and run:
        work = dataclasses.replace(work, reboot=True)
    if not work and not run:
        return _up_to_date(policy, facts)
    return _Candidate(target.host, node, target.zone or node.zone, facts, work, run)


def _up_to_date(policy: Policy, facts: HostFacts) -> str:
    kept = f"; kept back: {', '.join(each.line() for each in facts.kept_back)}" if facts.kept_back else ""
    if policy.packages == "kernel" and facts.kernel_metapackages == ():
        return f"nothing brings it newer kernels: no metapackage of its kernel is installed (kernel {facts.kernel})"
    if policy.packages == "kernel" and facts.pending:
        others = _count(len(facts.pending), "other package")
        return f"up to date (kernel {facts.kernel}; {others} skipped, friday_packages: kernel{kept})"
    return f"up to date (kernel {facts.kernel}{_held_kernel(facts)}{_accepted_kernel(facts)}{kept})"


def _held_kernel(facts: HostFacts) -> str:
    held = sorted(package.name for package in facts.held if package.kind.of_kernel)
    return f"; held: {', '.join(held)}" if held else ""


def _accepted_kernel(facts: HostFacts) -> str:
    """A plan is made only where what is not the newest kernel was accepted by name."""
    return f"; accepted (friday_accept_kernels): {facts.boot_default}" if facts.boot_default else ""


def _with_drains(policy: Policy, snapshot: Snapshot, hosts: Sequence[_Candidate]) -> list[_Candidate]:
    """The hosts with what their drains evict. One on which nothing changes is not drained."""
    drained = drains(policy, snapshot, (host.node.name for host in hosts if host.work))
    placement, ready, found = Placement(snapshot), ready_pods(snapshot), []
    for host in hosts:
        drain = drained.get(host.node.name)
        if drain is not None:
            told = forecast(snapshot, placement, ready, host.node.name, drain)
            host = dataclasses.replace(host, drain=drain, forecast=told)
        found.append(host)
    return found


# -- order


def _waves(
    policy: Policy,
    hosts: Sequence[_Candidate],
    snapshot: Snapshot,
    fleet: int,
    skipped: Mapping[str, str],
    zone_of: Mapping[str, str],
) -> Iterable[Wave]:
    if not hosts:
        return
    zones: dict[str, list[_Candidate]] = defaultdict(list)
    for host in hosts:
        zones[host.zone].append(host)
    canary, reason = _choose_canary(policy, hosts, zones, skipped)
    planned = _planned(policy, canary, f"canary: {reason}; {_to_do(canary)}")
    yield Wave(1, "canary", canary.zone, "one host proves the upgrade before any other is touched", (planned,))

    packing, wave = _Packing(policy, snapshot, fleet, zone_of), 1
    for zone in sorted(zones, key=lambda name: _zone_key(policy, name, zones[name], canary)):
        rest = [host for host in zones[zone] if host is not canary]
        packed = packing.pack(sorted(rest, key=lambda host: _host_key(policy, host)))
        for number, (members, why) in enumerate(packed, start=1):
            wave += 1
            name = f"{zone or 'no zone'} {number}/{len(packed)}"
            yield Wave(wave, name, zone, why, tuple(_planned(policy, host, _reason(host)) for host in members))


def _choose_canary(
    policy: Policy, hosts: Sequence[_Candidate], zones: Mapping[str, Sequence[_Candidate]], skipped: Mapping[str, str]
) -> tuple[_Candidate, str]:
    """The canary, and why it is that one."""
    waiting = [host for host in hosts if host.left_by]
    if waiting:
        # Its capacity is missing already, and it shows whether what stopped the earlier run is fixed: soonest of all
        # where nothing is left to do but to verify.
        first = min(waiting, key=lambda host: (bool(host.work), _host_key(policy, host)))
        return first, _why_first(first)
    for host in hosts:
        if host.host == policy.canary:
            return host, "friday_canary"
    best = min(hosts, key=lambda host: _canary_key(host, zones))
    reason = "; ".join(_canary_reasons(best, hosts, zones))
    if policy.canary:
        reason += f" (friday_canary {policy.canary}: {skipped.get(policy.canary, 'no such host')})"
    return best, reason


def _canary_key(host: _Candidate, zones: Mapping[str, Sequence[_Candidate]]) -> Any:
    # What is least missed and tells soonest: an obstacle would end the Friday in a drain, with nothing learnt.
    return (
        host.control_plane,
        bool(host.drain.obstacles),
        len(host.drain.evict),
        len(zones[host.zone]),
        natural_key(host.zone),
        natural_key(host.host),
    )


def _canary_reasons(
    host: _Candidate, hosts: Sequence[_Candidate], zones: Mapping[str, Sequence[_Candidate]]
) -> Iterable[str]:
    if len(hosts) == 1:
        yield "the only host with something to do"
        return
    yield "no worker has anything to do" if host.control_plane else "a worker"
    yield "its drain is blocked, like all others" if host.drain.obstacles else "nothing blocks its drain"
    peers = [other for other in hosts if other.control_plane == host.control_plane]
    fewest = "" if len({len(peer.drain.evict) for peer in peers}) == 1 else "only "
    yield f"{fewest}{_count(len(host.drain.evict), 'pod')} to evict"
    if len({len(members) for members in zones.values()}) > 1 and len(zones[host.zone]) == min(map(len, zones.values())):
        yield f"in the smallest zone, {host.zone or 'no zone'}"


def _zone_key(policy: Policy, zone: str, members: Sequence[_Candidate], canary: _Candidate) -> Any:
    # The canary's zone is begun already. Then what an earlier run left behind; then small zones: less can go wrong.
    return (
        zone != canary.zone,
        not any(host.left_by for host in members),
        not any(host.host == policy.canary for host in members),
        len(members),
        natural_key(zone),
    )


def _host_key(policy: Policy, host: _Candidate) -> Any:
    # Within a zone: what an earlier run left behind, workers, and the control plane last, when most is known.
    return (not host.left_by, host.host != policy.canary, host.control_plane, natural_key(host.host))


# -- packing


class _Packing:
    """Packs the hosts of one zone after the other into waves; sizes grow over all of them."""

    def __init__(self, policy: Policy, snapshot: Snapshot, fleet: int, zone_of: Mapping[str, str]):
        self._caps = Caps(policy, snapshot, zone_of)
        self._quorums = quorums(snapshot, policy.quorums)
        self._placement = Placement(snapshot)
        self._ready = ready_pods(snapshot)
        self._workloads_on: dict[str, list[Identity]] = defaultdict(list)
        for workload, places in self._ready.items():
            for node in places:
                self._workloads_on[node].append(workload)
        self._sizes = [_size(size, fleet) for size in policy.wave_sizes]
        self._allowed = {full_name(budget): max(0, budget.disruptions_allowed) for budget in snapshot.budgets}
        # Without pods or budgets nobody knows what several hosts evict together.
        self._blind = sorted({"pods", "budgets"} & snapshot.unknown.keys())
        self._packed = 0

    def pack(self, hosts: Sequence[_Candidate]) -> list[tuple[list[_Candidate], str]]:
        """The hosts, in order, in waves with the reason of their sizes."""
        waves, rest = [], list(hosts)
        while rest:
            members, why = self._take(rest, *self._limit(rest[0]))
            taken = {host.host for host in members}
            window = len(members) + LOOKAHEAD
            rest = [host for host in rest[:window] if host.host not in taken] + rest[window:]
            waves.append((members, why))
            self._packed += 1
        return waves

    def _limit(self, host: _Candidate) -> tuple[int, str]:
        """The largest number of hosts in a wave of this host's zone, and the variable that says so."""
        size = self._sizes[min(self._packed, len(self._sizes) - 1)]
        return min((size, "friday_wave_sizes"), *self._caps.of(host.zone), key=lambda limit: limit[0])

    def _take(self, rest: Sequence[_Candidate], limit: int, variable: str) -> tuple[list[_Candidate], str]:
        members = [rest[0]]
        load = Counter(rest[0].drain.disruptions)
        refusal = self._goes_alone(rest[0])
        for host in () if refusal else rest[1 : limit + LOOKAHEAD]:
            if len(members) == limit:
                break
            refused = self._refuses(members, load, host)
            refusal = refusal or refused
            if not refused:
                members.append(host)
                load.update(host.drain.disruptions)
        if len(members) == limit:
            return members, f"{_count(limit, 'host')} at a time ({variable})"
        count, zone = _count(len(members), "host"), members[0].zone
        if refusal:
            return members, f"{count} instead of {limit}: {refusal}"
        last = f"the last in {zone}" if zone else "the last without a zone"
        return members, f"{count}, {last} ({variable} allows {limit})"

    def _goes_alone(self, host: _Candidate) -> str:
        """Why nothing can go together with ``host``; empty when something may."""
        if self._blind:
            return f"{' and '.join(self._blind)} could not be read"
        if exceeded := self._exceeded(host.drain.disruptions):
            return exceeded
        # What can run nowhere else waits for its node, whoever goes with it.
        lacking = [each for each in self._homeless([host]) if not each.bound]
        return lacking[0].reason if lacking else ""

    def _homeless(self, hosts: Sequence[_Candidate]) -> list[Homeless]:
        pods = [pod for host in hosts for pod in host.drain.evict if not pod.terminating and not pod.tolerates_cordon]
        return self._placement.homeless(pods, {host.node.name for host in hosts})

    def _refuses(self, members: Sequence[_Candidate], load: Mapping[str, int], host: _Candidate) -> str:
        """Why ``host`` cannot go together with ``members``, which exceed nothing; empty when it can."""
        if host.control_plane and any(member.control_plane for member in members):
            return "one control-plane node at a time"
        load = {name: load.get(name, 0) + count for name, count in host.drain.disruptions.items()}
        together = [*(member for member in members if member.work), host]
        if not host.work:
            return ""
        if reason := self._exceeded(load) or self._last_of_workload(together) or self._quorum_lost(together):
            return reason
        if goes_alone := self._goes_alone(host):
            return goes_alone
        lacking = [each for each in self._homeless(together) if not each.bound]
        return lacking[0].reason if lacking else ""

    def _last_of_workload(self, hosts: Sequence[_Candidate]) -> str:
        """A workload all whose ready pods are on these hosts, on more than one of them; empty when there is none."""
        leaving, last = {host.node.name for host in hosts}, hosts[-1].node.name
        for kind, namespace, name in sorted(self._workloads_on.get(last, ())):
            places = self._ready[kind, namespace, name]
            if len(places) > 1 and places.keys() <= leaving:
                return f"it would take all {places.total()} pods of {kind} {namespace}/{name}"
        return ""

    def _quorum_lost(self, hosts: Sequence[_Candidate]) -> str:
        leaving = {host.node.name for host in hosts}
        return next((message for quorum in self._quorums if (message := quorum.broken(leaving))), "")

    def _exceeded(self, disruptions: Mapping[str, int]) -> str:
        for budget, count in disruptions.items():
            if count > self._allowed[budget]:
                return f"{budget} allows {_count(self._allowed[budget], 'disruption')}"
        return ""


class Caps:
    """How many nodes may be away together: of the cluster, and of each zone."""

    def __init__(self, policy: Policy, snapshot: Snapshot, zone_of: Mapping[str, str]):
        self._policy = policy
        self._nodes: Counter[str] = Counter()
        self._away: Counter[str] = Counter()
        for node in snapshot.nodes:
            zone = zone_of.get(node.name, "") or node.zone
            self._nodes[zone] += 1
            # What an earlier Friday left is one of the hosts itself.
            self._away[zone] += node.ready is not True or (node.unschedulable and not node.cordoned_by)

    def of(self, zone: str) -> tuple[tuple[int, str], tuple[int, str]]:
        """The limits of a wave in ``zone``, one host at least, each with its variable."""
        return (
            (_cap(self._policy.max_unavailable, self._nodes.total(), self._away.total()), "friday_max_unavailable"),
            (
                _cap(self._policy.max_unavailable_per_zone, self._nodes[zone], self._away[zone]),
                "friday_max_unavailable_per_zone",
            ),
        )


def _cap(share: str, nodes: int, away: int) -> int:
    """Shares are rounded up, like maxUnavailable of a PodDisruptionBudget."""
    most = -(-nodes * int(share[:-1]) // 100) if share.endswith("%") else int(share)
    return max(1, most - away)


def ready_pods(snapshot: Snapshot) -> dict[Identity, Counter[str]]:
    """Workload -> node -> its ready pods there, those of DaemonSets too: they go down with their node.

    Jobs are left out: they come to an end, and keep nothing available. Static pods and those of a node's own are one
    each.
    """
    found: dict[Identity, Counter[str]] = defaultdict(Counter)
    for pod in snapshot.pods:
        if pod.ready and pod.node and not pod.terminating and pod.owner_kind not in ("Job", "Node", ""):
            found[workload_of(pod)][pod.node] += 1
    return found


def _size(size: str, fleet: int) -> int:
    """Hosts in a wave: shares are rounded down, like maxUnavailable of a Deployment, but to one host at least."""
    return max(1, fleet * int(size[:-1]) // 100) if size.endswith("%") else int(size)


# -- words and estimates


def _planned(policy: Policy, host: _Candidate, reason: str) -> PlannedHost:
    return PlannedHost(
        host=host.host,
        node=host.node.name,
        zone=host.zone,
        reason=reason,
        kernel=host.facts.kernel,
        target_kernel=host.work.target_kernel,
        reboot=host.work.reboot,
        packages=host.work.packages,
        evictions=tuple(full_name(pod) for pod in host.drain.evict),
        blockers=tuple(obstacle.line() for obstacle in host.drain.obstacles),
        seconds=_estimate(policy, host),
        uid=host.node.uid,
        notes=host.forecast.notes,
        outage=host.forecast.outage,
        remedies=host.facts.remedies,
        kept_back=tuple(each.line() for each in host.facts.kept_back),
    )


def _why_first(host: _Candidate) -> str:
    what = "finish, verify and uncordon" if host.work else "verify and uncordon"
    return f"left cordoned by run {host.left_by}: {what}"


def _reason(host: _Candidate) -> str:
    return f"{_why_first(host)}; {_to_do(host)}" if host.left_by else _to_do(host)


def _to_do(host: _Candidate) -> str:
    work, parts = host.work, []
    if work.target_kernel != host.facts.kernel:
        parts.append(f"kernel {host.facts.kernel} to {work.target_kernel}")
    if work.packages:
        parts.append(_count(len(work.packages), "package"))
    if work.reboot and work.target_kernel == host.facts.kernel:
        parts.append("reboot")
    text = ", ".join(parts) or f"already on kernel {host.facts.kernel}, nothing pending"
    return text + _held_kernel(host.facts) + _accepted_kernel(host.facts)


def _estimate(policy: Policy, host: _Candidate) -> int:
    seconds = min(VERIFY.seconds, policy.verify_timeout)
    if host.work:
        longest = max((pod.grace for pod in host.drain.evict), default=0)
        waits = policy.drain_timeout if host.drain.obstacles else max(0, longest - _USUAL_GRACE)
        seconds += min(CORDON.seconds + EVICTION_SECONDS * len(host.drain.evict) + waits, policy.drain_timeout)
    if host.work.packages:
        seconds += min(UPGRADE.seconds + PACKAGE_SECONDS * len(host.work.packages), policy.upgrade_timeout)
    if host.work.reboot:
        seconds += min(REBOOT.seconds, policy.reboot_timeout)
    return seconds


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def lineup(waves: Sequence[Wave]) -> list[dict[str, Any]]:
    """Hosts in the order of the play, each wave behind its marker; a lone marker when there is nothing to do.

    Each is a dict with ``name``, ``wave`` (its number) and ``marker`` (the name of its wave's).
    """
    line = []
    for wave in waves:
        marker = f"friday-wave-{wave.number}"
        for name in (marker, *(planned.host for planned in wave.hosts)):
            line.append({"name": name, "wave": wave.number, "marker": marker})
    return line or [{"name": "friday-no-wave", "wave": 0, "marker": "friday-no-wave"}]
