"""Fleets for the tests of decide: small ones by hand, and a large one. Any others: strategies.py."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import (
    FileSystem,
    HostFacts,
    Kernel,
    PackageChange,
    PackageKind,
    Remedies,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    DisruptionBudget,
    Node,
    Pod,
    Requirement,
    Snapshot,
)

OLD, NEW = "6.1.0-18-cloud-amd64", "6.12.5-cloud-amd64"
IMAGE = PackageChange("linux-image-cloud-amd64", "6.1.76-1", "6.12.5-1", kind=PackageKind.KERNEL)
CURL = PackageChange("curl", "7.88.1-10", "7.88.1-11", kind=PackageKind.OTHER, initramfs=False)
REMEDIES = Remedies("repair", "check", "make-room", "install", "remove", "hold", "unhold")
"""Of no package manager that there is: what decide says of commands comes from here."""


@dataclass(frozen=True)
class Fleet:
    """What make_plan takes."""

    targets: tuple[Target, ...]
    snapshot: Snapshot
    facts: dict[str, HostFacts]
    policy: Policy = field(default_factory=Policy)

    def arguments(self) -> tuple[Policy, tuple[Target, ...], Snapshot, dict[str, HostFacts]]:
        return self.policy, self.targets, self.snapshot, self.facts

    def with_policy(self, **changes: Any) -> Fleet:
        return replace(self, policy=replace(self.policy, **changes))

    def with_facts(self, host: str, **changes: Any) -> Fleet:
        return replace(self, facts={**self.facts, host: changed(self.facts[host], **changes)})

    def with_node(self, name: str, **changes: Any) -> Fleet:
        nodes = tuple(replace(node, **changes) if node.name == name else node for node in self.snapshot.nodes)
        return self.with_snapshot(nodes=nodes)

    def with_snapshot(self, **changes: Any) -> Fleet:
        return replace(self, snapshot=replace(self.snapshot, **changes))


def kernels(running: str, candidate: str = "", **candidates: Any) -> tuple[Kernel, ...]:
    """The running kernel, and one that arrives (where it is another)."""
    both = [Kernel(running, f"linux-image-{running}", installed=True, image=f"/boot/vmlinuz-{running}")]
    if candidate not in ("", running):
        package = f"linux-image-{candidate}"
        fields = {"arriving": True, "packages": ((package, "1"),), "headers": False, **candidates}
        both.append(Kernel(candidate, package, **fields))
    return tuple(both)


def changed(base: HostFacts, **changes: Any) -> HostFacts:
    """Facts with changes. ``candidate_kernel`` is the one that the upgrade leads to; empty: nothing is known of any."""
    if "candidate_kernel" in changes or ("kernel" in changes and "kernels" not in changes):
        release = changes.pop("candidate_kernel", next((each.release for each in base.kernels if each.arriving), ""))
        changes["kernels"] = kernels(changes.get("kernel", base.kernel), release) if release else ()
    return replace(base, **changes)


def facts(host: str, **changes: Any) -> HostFacts:
    """A host that a kernel and a package wait for, and that has nothing wrong with it."""
    room = tuple(FileSystem(mount, 40 * 1024**3, 20 * 1024**3) for mount in ("/", "/boot"))
    base = HostFacts(
        host,
        kernel=OLD,
        kernels=kernels(OLD, NEW),
        boot_id=f"boot-{host}",
        boot_loader="grub",
        package_manager="apt",
        remedies=REMEDIES,
        pending=(IMAGE, CURL),
        file_systems=room,
    )
    return changed(base, **changes)


def up_to_date(host: str) -> HostFacts:
    return facts(host, kernel=NEW, candidate_kernel=NEW, pending=())


def fleet(zones: dict[str, str], **policy: Any) -> Fleet:
    """``zones``: node -> zone; every host has the name of its node and something to do."""
    return Fleet(
        tuple(Target(name, name, zone) for name, zone in zones.items()),
        Snapshot(0.0, "https://cluster", nodes=tuple(Node(n, zone=z, ready=True) for n, z in zones.items())),
        {name: facts(name) for name in zones},
        Policy(**policy),
    )


def pod(name: str, node: str, app: str = "web", **changes: Any) -> Pod:
    base = Pod("default", name, uid=name, node=node, phase="Running", ready=True, labels={"app": app})
    base = replace(base, owner_kind="ReplicaSet", owner_name=f"{app}-7d")
    return replace(base, **changes)


def budget(name: str, allowed: int, app: str | None = "web", healthy: int = 3, **changes: Any) -> DisruptionBudget:
    """A budget of ``healthy`` pods, all healthy, that allows ``allowed``; without ``app`` it selects all pods."""
    selector = (Requirement("app", "In", (app,)),) if app else ()
    base = DisruptionBudget("default", name, selector, allowed, healthy, healthy - max(allowed, 1), healthy)
    return replace(base, **changes)


def large_fleet(hosts: int, zones: int = 3, pods_per_host: int = 30) -> Fleet:
    """A fleet of ``hosts`` nodes, with one application and its budget for every 20 pods."""
    base = fleet({f"node{i}": f"zone-{i % zones}" for i in range(hosts)})
    nodes = tuple(
        replace(node, roles=("control-plane",) if i < 5 else (), etcd=i < 5)
        for i, node in enumerate(base.snapshot.nodes)
    )
    apps = max(1, hosts * pods_per_host // 20)
    pods = tuple(
        # 37 has no factor in common with round numbers of hosts: the pods of an application are spread over the fleet.
        pod(f"pod-{i}", f"node{i * 37 % hosts}", f"app{i // 20}", namespace=f"team{i // 20 % 50}")
        for i in range(hosts * pods_per_host)
    )
    budgets = tuple(budget(f"app{i}", 2, f"app{i}", 20, namespace=f"team{i % 50}") for i in range(apps))
    return base.with_snapshot(nodes=nodes, pods=pods, budgets=budgets)
