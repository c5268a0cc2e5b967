# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reasons not to begin that can be seen before anything is touched.

Whether the cluster is healthy is asked elsewhere (health.py), and whether inventory and cluster fit too (targets.py).
A fleet with nothing to do is no problem.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.candidate import next_kernel
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drains
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import Work, work_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Snapshot

MIB = 1024**2
# What a plan is made from, and what a reboot is proven with.
NEEDED_FACTS = ("kernel", "kernels", "boot_default", "boot_id", "pending", "held", "broken", "package_manager")
NEEDED_RESOURCES = ("pods", "budgets")  # nodes: see targets.py
FIRST = "fix this first"
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


def _room(policy: Policy, facts: HostFacts, work: Work) -> Iterator[Problem]:
    if not work.packages:
        return
    if "file_systems" in facts.unknown:
        yield Problem(facts.host, f"free space could not be read: {facts.unknown['file_systems']}", FIRST)
        return
    kernel = any(change.kind.of_kernel for change in work.packages)
    # Without an entry of its own, /boot is a folder of /.
    wanted = {"/": ("friday_min_free_root_mib", policy.min_free_root)}
    if kernel:
        wanted["/boot"] = ("friday_min_free_boot_mib", policy.min_free_boot)
    free = {system.mount: system.free for system in facts.file_systems}
    if "/var" in free:  # where packages are downloaded to
        wanted["/var"] = wanted["/"]
    for mount, (variable, room) in wanted.items():
        left = free.get(mount, free.get("/", 0))
        if left < room:
            message = f"only {left // MIB} MiB free on {mount}, {room // MIB} MiB required ({variable})"
            yield Problem(facts.host, message, _with("make room", facts.remedies.free_space))


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
