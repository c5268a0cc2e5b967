# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reasons not to begin that can be seen before anything is touched.

Whether the cluster is healthy is asked elsewhere (health.py), and whether inventory and cluster fit too (targets.py).
A fleet with nothing to do is no problem.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.candidate import next_kernel
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drains
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import Work, work_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, PackageChange
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Snapshot

MIB = 1024**2
# What a plan is made from, and what a reboot is proven with.
NEEDED_FACTS = (
    "kernel",
    "kernels",
    "boot_next",
    "boot_default",
    "boot_id",
    "pending",
    "held",
    "broken",
    "package_manager",
)
NEEDED_RESOURCES = ("pods", "budgets")  # nodes: see targets.py
FIRST = "fix this first"
MAX_SKEW = 3
"""Minor versions that a kubelet may be older than an API server (Kubernetes' version skew policy, from 1.28 on)."""
DEFAULT_INITRAMFS = 64 * MIB  # room for one where none is there to measure
MIN_INODES, MIN_BOOT_INODES = 20000, 20
"""Files that must be possible: a kernel with its modules and headers is 10,000 and more, in /boot it is a handful."""
_BOOTS = ("/boot", "/boot/efi", "/efi")
LISTED = 5  # names in a message; the rest is counted


def preflight(
    policy: Policy, targets: Iterable[Target], snapshot: Snapshot, facts: Mapping[str, HostFacts]
) -> tuple[Problem, ...]:
    """Find what would make the upgrade fail on a host, or leave it without proof.

    Args:
        targets: all of them; hosts outside of ``friday_only`` are not looked at.
        facts: by name of the host in the inventory.
    """
    fleet = sorted(targets, key=lambda target: natural_key(target.host))
    meant = [target for target in fleet if not policy.only or target.host in policy.only]
    work = {target.node: work_of(policy, facts[target.host]) for target in meant if target.host in facts}
    nodes = {node.name: node for node in snapshot.nodes}
    problems = [*_unread_resources(snapshot), *_unknown_hosts(policy, fleet)]
    for target in meant:
        if target.host not in facts:
            problems.append(Problem(target.host, "was not surveyed", "find out why the survey did not reach it"))
            continue
        seen = facts[target.host]
        problems += _unread(seen, snapshot.cni)
        problems += _other_machine(seen, nodes.get(target.node))
        problems += _packages(policy, seen, work[target.node])
        problems += _changes(policy, seen, work[target.node])
        problems += _kubelet(policy, seen, work[target.node], snapshot)
        problems += _room(policy, seen, work[target.node])
        problems += _boot(policy, seen, work[target.node])
    problems += _same_machine([facts[target.host] for target in meant if target.host in facts])
    problems += _undrainable(policy, snapshot, [node for node, to_do in work.items() if to_do])
    return tuple(problems)


def _unread_resources(snapshot: Snapshot) -> Iterator[Problem]:
    for resource in NEEDED_RESOURCES:
        if resource in snapshot.unknown:
            message = f"could not be read: {snapshot.unknown[resource]}"
            yield Problem(resource, message, "allow Friday to list them: drains depend on it")


def _unknown_hosts(policy: Policy, fleet: Sequence[Target]) -> Iterator[Problem]:
    hosts = [target.host for target in fleet]
    asked = [("friday_canary", policy.canary)] if policy.canary else []
    for variable, host in (*asked, *(("friday_only", host) for host in policy.only)):
        if host not in hosts:
            nodes = {target.node: target.host for target in fleet}
            close = [nodes[host]] if host in nodes else difflib.get_close_matches(host, hosts, n=1)
            fix = f"did you mean {close[0]}?" if close else "name a host of the inventory"
            yield Problem(variable, f"{host} is not one of the hosts to upgrade", fix)


def _unread(facts: HostFacts, cni: str) -> Iterator[Problem]:
    # What the agent had attached before is what it is held against afterwards.
    needed = (*NEEDED_FACTS, "bpf") if cni == "cilium" else NEEDED_FACTS
    reasons: dict[str, list[str]] = defaultdict(list)
    for name in needed:
        reason = facts.unknown.get(name, facts.unknown.get("*", ""))
        if reason:
            reasons[reason].append(name)
    for reason, names in reasons.items():
        yield Problem(facts.host, f"could not be read ({', '.join(names)}): {reason}", FIRST)


def _other_machine(facts: HostFacts, node: Node | None) -> Iterator[Problem]:
    # A node that is not Ready may not have told its boot id since it booted.
    if node and node.ready and node.boot_id and facts.boot_id and node.boot_id != facts.boot_id:
        message = f"is not the machine of node {node.name} (their boot ids differ)"
        yield Problem(facts.host, message, "correct ansible_host or friday_node_name")


def _same_machine(read: Sequence[HostFacts]) -> Iterator[Problem]:
    hosts: dict[str, list[str]] = defaultdict(list)
    for facts in read:
        if facts.boot_id:
            hosts[facts.boot_id].append(facts.host)
    for names in hosts.values():
        if len(names) > 1:
            yield Problem(
                names[0], f"is the same machine as {_listed(names[1:])} (same boot id)", "correct ansible_host"
            )


def _packages(policy: Policy, facts: HostFacts, work: Work) -> Iterator[Problem]:
    if "package_manager" not in facts.unknown and not facts.package_manager:
        yield Problem(facts.host, "has no package manager that Friday supports", "leave it out (friday_only)")
    if facts.broken:
        message = f"has broken packages: {_listed(sorted(facts.broken))}"
        yield Problem(facts.host, message, _with("fix them first", facts.remedies.repair))
    # A hold on anything else is the operator's word, and the package manager keeps it. A held kernel among all packages
    # is kept likewise (and said in the plan): that is how one stays on a kernel that works.
    planned = {change.name for change in work.packages}
    held = sorted(
        package.name
        for package in facts.held
        if package.name in planned or (policy.packages == "kernel" and package.kind.of_kernel)
    )
    if held:
        fix = _with("release the hold", facts.remedies.unhold, held[:LISTED]) + "; or leave the host out (friday_only)"
        if policy.packages == "kernel":
            fix += "; or set friday_packages: all, which upgrades everything except held packages"
        yield Problem(facts.host, f"holds packages that would be upgraded: {_listed(held)}", fix)


def _changes(policy: Policy, facts: HostFacts, work: Work) -> Iterator[Problem]:
    """What the upgrade would do that nobody may have wanted, until it is accepted by name."""
    removed = [change for change in work.packages if not change.candidate and change.name not in policy.accept_removals]
    if removed:
        names = [change.name for change in removed]
        told = [f"{change.name} {change.installed}{_role(change)}" for change in _vital_first(removed)]
        fix = _with("hold what makes it necessary", facts.remedies.hold)
        fix += f"; or accept it: friday_accept_removals: [{', '.join(names)}]"
        yield Problem(facts.host, f"the upgrade would remove {_listed(told)}", fix)
    older = [change for change in work.packages if change.downgrade and change.name not in policy.accept_downgrades]
    if older:
        names = [change.name for change in older]
        told = [
            f"{change.name} from {change.installed} to {change.candidate}{_role(change)}"
            for change in _vital_first(older)
        ]
        fix = f"correct the pin that wants it; or accept it: friday_accept_downgrades: [{', '.join(names)}]"
        yield Problem(facts.host, f"the upgrade would downgrade {_listed(told)}", fix)
    if work.packages and facts.unavailable:
        message = f"its package source does not have the files of {_listed(facts.unavailable)}"
        fix = _with("refresh or repair the mirror; or hold the package", facts.remedies.hold)
        yield Problem(facts.host, message, fix)


def _kubelet(policy: Policy, facts: HostFacts, work: Work, snapshot: Snapshot) -> Iterator[Problem]:
    """A kubelet that no API server supports: newer than the oldest of them, or too old (version skew policy)."""
    new = next((each.candidate for each in work.packages if each.name == "kubelet" and each.candidate), "")
    kubelet, servers = _minor(new), sorted(filter(None, map(_minor, _server_versions(snapshot))))
    if not kubelet or not servers or policy.accept_skew:
        return
    (major, minor), (server_major, server_minor) = kubelet, servers[0]
    oldest = f"{server_major}.{server_minor}"
    if kubelet > servers[0]:
        message = f"its kubelet would become {new}, newer than the oldest API server ({oldest})"
        fix = _with("upgrade the control plane first, or hold it", facts.remedies.hold, ["kubelet"])
    elif major == servers[-1][0] and servers[-1][1] - minor > MAX_SKEW:
        newest = f"{servers[-1][0]}.{servers[-1][1]}"
        behind = f"more than {MAX_SKEW} minor versions older than API server {newest}"
        message = f"its kubelet would become {new}, {behind}"
        fix = "offer it a newer one"
    else:
        return
    yield Problem(facts.host, message, f"{fix}; or set friday_accept_skew: true")


def _server_versions(snapshot: Snapshot) -> list[str]:
    """Versions of the API servers: of the one that answered, and of those that are seen as static pods."""
    static = [
        pod.image.rpartition(":")[2]
        for pod in snapshot.pods
        if pod.owner_kind == "Node" and pod.labels.get("component") == "kube-apiserver" and ":" in pod.image
    ]
    return [snapshot.version, *static]


def _minor(version: str) -> tuple[int, int] | None:
    """Major and minor version, of ``v1.34.1+k3s1`` as of a package's ``1.34.1-1.1``."""
    match = re.match(r"(?:\d+:)?v?(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else None


def _vital_first(changes: Iterable[PackageChange]) -> list[PackageChange]:
    return sorted(changes, key=lambda change: (not change.role, change.name))


def _role(change: PackageChange) -> str:
    return f" ({change.role})" if change.role not in ("", change.name) else ""


def _room(policy: Policy, facts: HostFacts, work: Work) -> Iterator[Problem]:
    if not work.packages:
        return
    if "file_systems" in facts.unknown:
        yield Problem(facts.host, f"free space could not be read: {facts.unknown['file_systems']}", FIRST)
        return
    systems = {system.mount: system for system in facts.file_systems}
    free = {mount: system.free for mount, system in systems.items()}
    # Without an entry of its own, /boot is a folder of /.
    wanted = {"/": (policy.min_free_root, "friday_min_free_root_mib")}
    for mount in free:
        if mount.startswith("/var"):  # where packages are downloaded to
            wanted[mount] = wanted["/"]
    if any(change.kind.of_kernel and change.candidate for change in work.packages):
        wanted["/boot"] = (policy.min_free_boot, "friday_min_free_boot_mib")
        # systemd-boot's kernels lie on the system partition.
        for mount in ("/boot/efi", "/efi"):
            if mount in free and facts.boot_loader == "systemd-boot":
                wanted[mount] = wanted["/boot"]
    elif makers := [change.name for change in work.packages if change.initramfs is not False and change.candidate]:
        # A new one is written beside the old one, and takes its place when it is complete.
        room = facts.initramfs + facts.initramfs // 4 if facts.initramfs else DEFAULT_INITRAMFS
        room = min(room, policy.min_free_boot)
        wanted["/boot"] = (room, f"for the initramfs that {_listed(sorted(makers))} writes")
    for mount, (room, why) in wanted.items():
        left = free.get(mount, free.get("/", 0))
        if left < room:
            message = f"only {left // MIB} MiB free on {mount}, {-(-room // MIB)} MiB required ({why})"
            yield Problem(facts.host, message, _with("make room", facts.remedies.free_space))
    for mount in dict.fromkeys(mount for mount in (*wanted, "/usr") if mount in systems):
        system = systems[mount]
        needed = MIN_BOOT_INODES if mount in _BOOTS else MIN_INODES
        if system.inodes and system.free_inodes < needed:
            message = f"only {system.free_inodes} inodes free on {mount}, {needed} required"
            yield Problem(facts.host, message, _with("delete files there (df -i)", facts.remedies.free_space))


def _boot(policy: Policy, facts: HostFacts, work: Work) -> Iterator[Problem]:
    following = next_kernel(facts, policy.accept_kernels)
    if following.problem:
        yield Problem(facts.host, following.problem, following.fix)
    elif not following.release and not {"kernels", "kernel", "*"} & facts.unknown.keys():
        yield Problem(facts.host, "its kernels could not be read, so the kernel of its next boot is unknown", FIRST)
    if work.target_kernel != facts.kernel and facts.boot_loader in ("", "none") and "boot_loader" not in facts.unknown:
        message = f"has no boot loader that would start kernel {work.target_kernel}"
        yield Problem(facts.host, message, "leave it out (friday_only)")


def _undrainable(policy: Policy, snapshot: Snapshot, nodes: Iterable[str]) -> Iterator[Problem]:
    """Drains that are certain to fail, a problem for each thing that has to change."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for node, drain in drains(policy, snapshot, nodes).items():
        for obstacle in drain.obstacles:
            if obstacle.lasting:
                found[obstacle.cause, obstacle.message, obstacle.fix].append(f"{obstacle.pod} on {node}")
    for (cause, message, fix), pods in sorted(found.items()):
        yield Problem(cause, f"{message}: {_listed(sorted(pods))}", fix)


def _with(words: str, command: str, packages: Sequence[str] = ()) -> str:
    """What to do, with the command of the host's package manager where it has one."""
    return f"{words}: {' '.join((command, *packages))}" if command else words


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
