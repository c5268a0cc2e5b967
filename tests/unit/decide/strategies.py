"""Any fleet, for property-based tests."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import NamedQuorum, Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node, Pod, Requirement, Snapshot
from tests.unit.decide.fleets import CURL, IMAGE, NEW, OLD, Fleet, budget, facts, fleet, pod

APPS = ("web", "db", "dns")
RUN = "20261120-1"

# Few draws make quick tests: what a pod, a node or a host is like comes from a list of the kinds that differ.
_POD_KINDS = st.sampled_from(
    [
        {},
        {},
        {"ready": False},
        {"phase": "Pending", "ready": False},
        {"phase": "Succeeded", "ready": False},
        {"terminating": True},
        {"owner_kind": "DaemonSet"},
        {"owner_kind": "Node"},
        {"owner_kind": ""},
        {"namespace": "other"},
    ]
)
_NODE_KINDS = st.sampled_from(
    [
        {},
        {},
        {},
        {"ready": None},
        {"roles": ("control-plane",)},
        {"roles": ("control-plane",), "etcd": True},
        {"etcd": True},
        {"unschedulable": True, "cordoned_by": RUN},
        {"cordoned_by": RUN},
    ]
)
_FACTS_KINDS = st.sampled_from(
    [
        {},
        {},
        {"pending": (CURL, IMAGE)},
        {"candidate_kernel": OLD, "pending": (CURL,)},
        {"candidate_kernel": OLD, "pending": ()},
        {"candidate_kernel": "", "pending": (), "reboot_required": True},
        {"kernel": NEW, "pending": ()},
        None,
    ]
)
_SELECTORS = st.sampled_from(
    [(), *((Requirement("app", operator, (app,)),) for app in APPS for operator in ("In", "NotIn"))]
)
_SIZES = st.lists(st.sampled_from(["1", "2", "3", "8", "25%", "50%", "100%"]), min_size=1, max_size=3)


@st.composite
def _pods(draw: st.DrawFn, nodes: list[str], most: int) -> tuple[Pod, ...]:
    kinds = st.tuples(st.sampled_from(nodes), st.sampled_from(APPS), _POD_KINDS)
    return tuple(pod(f"pod{i}", *kind[:2], **kind[2]) for i, kind in enumerate(draw(st.lists(kinds, max_size=most))))


@st.composite
def fleets(draw: st.DrawFn, most: int = 9) -> Fleet:
    """Any fleet: zones, control planes, etcd, unread hosts, pods, budgets, leftovers of earlier runs, policies."""
    kinds = st.tuples(
        st.integers(1, 99), st.sampled_from(["zone-a", "zone-b", "zone-10", ""]), _NODE_KINDS, _FACTS_KINDS
    )
    drawn = draw(st.lists(kinds, unique_by=lambda kind: kind[0], max_size=most))
    nodes = [Node(f"node{number}", zone=zone, **{"ready": True, **kind}) for number, zone, kind, _ in drawn]
    hosts = [f"host{number}" for number, *_ in drawn]
    budgets = draw(st.lists(st.tuples(st.integers(0, 3), _SELECTORS), max_size=3))
    policy = Policy(
        canary=draw(st.sampled_from(["", *hosts])),
        only=tuple(draw(st.sampled_from([[], [], hosts[:1], hosts[1:]]))),
        wave_sizes=tuple(draw(_SIZES)),
        packages=draw(st.sampled_from(["all", "kernel"])),
        reboot=draw(st.sampled_from(["needed", "always"])),
        evict_unmanaged=draw(st.booleans()),
    )
    snapshot = Snapshot(
        0.0,
        "https://cluster",
        nodes=tuple(nodes[draw(st.sampled_from([0, 0, 0, 1])) :]),
        pods=draw(_pods([node.name for node in nodes], 3 * most)) if nodes else (),
        budgets=tuple(budget(f"b{i}", allowed, selector=wanted) for i, (allowed, wanted) in enumerate(budgets)),
    )
    seen = {host: facts(host, **kind) for host, (*_, kind) in zip(hosts, drawn, strict=True) if kind is not None}
    targets = tuple(Target(host, node.name, node.zone) for host, node in zip(hosts, nodes, strict=True))
    return Fleet(targets, snapshot, seen, policy)


@st.composite
def crowded_fleets(draw: st.DrawFn) -> Fleet:
    """Hosts of one zone that could all go together, but for the budgets of what runs on them."""
    base = fleet({f"node{number}": "zone-a" for number in range(draw(st.integers(3, 8)))}, wave_sizes=("8",))
    places = st.lists(st.tuples(st.sampled_from([t.node for t in base.targets]), st.sampled_from(APPS)), max_size=12)
    budgets = draw(st.lists(st.tuples(st.integers(0, 3), _SELECTORS), min_size=1, max_size=3))
    return base.with_snapshot(
        # Pending pods may be evicted although more than one budget selects them.
        pods=tuple(pod(f"pod{i}", *place, phase="Pending") for i, place in enumerate(draw(places))),
        budgets=tuple(budget(f"b{i}", allowed, selector=wanted) for i, (allowed, wanted) in enumerate(budgets)),
    )


GARAGE = "garage"


@st.composite
def large_fleets(draw: st.DrawFn) -> Fleet:
    """Fleets of 1 to 300 nodes in 1 to 5 zones, roomy or nearly full, with a control plane of 1, 2, 3 or 5 members.

    One number decides about all places: hundreds of draws would be slow, and shrink to nothing that is read.
    """
    count, zones = draw(st.sampled_from([1, 2, 3, 5, 8, 16, 24, 60, 300])), draw(st.integers(1, 5))
    random = draw(st.randoms(use_true_random=False))
    masters, static = min(count, draw(st.sampled_from([1, 2, 3, 5]))), draw(st.booleans())
    size, down = draw(st.sampled_from([100, 500, 1000])), draw(st.booleans())
    quorum = NamedQuorum("s3", "default", (f"app={GARAGE}",), draw(st.integers(1, 3)))
    base = fleet({f"node{i}": f"zone-{i % zones}" for i in range(count)}, quorums=(quorum,), wave_sizes=("8",))
    nodes, pods = [], []
    for i, node in enumerate(base.snapshot.nodes):
        master = i < masters
        up = not (master and down and i == 0)
        roles, voter = (("control-plane",), None if static else up) if master else ((), None)
        away = {"unschedulable": True} if draw_one(random, 30) else {}
        nodes.append(
            replace(node, etcd=master, roles=roles, voter=voter, allocatable={"cpu": 4000, "pods": 20}, **away)
        )
        if master and static:
            labels = {"component": "etcd"}
            given = {"namespace": "kube-system", "owner_kind": "Node", "owner_name": node.name, "ready": up}
            pods.append(pod(f"etcd-{i}", node.name, labels=labels, **given))
        for j in range(random.randint(0, min(20, 4000 // size))):
            app = random.choice((GARAGE, *(f"app{k}" for k in range(max(2, count)))))
            # One kind for each application, so that a name stands for one workload.
            kind = {"owner_kind": ("ReplicaSet", "StatefulSet", "DaemonSet")[len(app) % 3]}
            pods.append(
                pod(f"p{i}-{j}", node.name, app, requests={"cpu": size}, ready=not draw_one(random, 10), **kind)
            )
    return base.with_snapshot(nodes=tuple(nodes), pods=tuple(pods))


def draw_one(random: Random, of: int) -> bool:
    """True once in so many times."""
    return bool(random.randrange(of) == 0)
