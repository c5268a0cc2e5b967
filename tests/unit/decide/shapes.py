# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plans of clusters of several shapes, as docs/reference/plan.md shows them (``make plan-shapes``).

Objects as the API server gives them go through the real reader, the real decisions and the real table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import planning
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.resources import RESOURCES
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console
from tests.unit.decide.fleets import facts
from tests.unit.observe.fake_api import FakeApi

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "plan.md"
BEGIN, END = "<!-- made by `make plan-shapes`, until the end mark -->\n", "<!-- end -->\n"
WIDTH, MOST = 110, 28  # characters, lines of a plan
Json = dict[str, Any]


def node(name: str, zone: str = "a", labels: Json | None = None, conditions: tuple[Json, ...] = ()) -> Json:
    given = {"topology.kubernetes.io/zone": zone, **(labels or {})}
    return {
        "metadata": {"name": name, "uid": name, "labels": given},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}, *conditions],
            "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"},
        },
    }


def pod(name: str, on: str, app: str, cpu: str = "100m", kind: str = "ReplicaSet", **spec: Any) -> Json:
    owner = {"kind": kind, "name": f"{app}-7d" if kind == "ReplicaSet" else app, "controller": True}
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": name,
            "labels": {"app": app},
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": on, "containers": [{"resources": {"requests": {"cpu": cpu}}}], **spec},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def etcd(on: str, ready: bool = True) -> Json:
    return {
        "metadata": {
            "namespace": "kube-system",
            "name": f"etcd-{on}",
            "uid": f"etcd-{on}",
            "labels": {"component": "etcd"},
            "annotations": {"kubernetes.io/config.mirror": "x"},
        },
        "spec": {"nodeName": on},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


ROLE = {"node-role.kubernetes.io/control-plane": ""}
K3S = {**ROLE, "node-role.kubernetes.io/etcd": "true"}
VOTER = ({"type": "EtcdIsVoter", "status": "True"},)


def shapes() -> dict[str, tuple[list[Json], list[Json], Policy]]:
    """Title -> nodes, pods, policy."""
    one = [node("k3s-1", labels=K3S, conditions=VOTER)]
    home = [pod("shop-1", "k3s-1", "shop"), pod("dns-1", "k3s-1", "dns")]
    two = [node(f"cp{i}", "ab"[i - 1], ROLE) for i in (1, 2)]
    three = [node(f"cp{i}", "abc"[i - 1], ROLE) for i in (1, 2, 3)]
    zoned = [node(f"w{i:02}", "abc"[i % 3]) for i in range(24)]
    tight = [pod(f"p{i:02}-{j}", f"w{i:02}", f"app{(i + 7 * j) % 24}", "900m") for i in range(24) for j in range(4)]
    flat = [node(f"w{i:02}") for i in range(16)]
    web = [pod(f"web-{i}", f"w{i:02}", "web") for i in range(16)]
    pool = [node("infra-1", labels={"pool": "infra"}), *(node(f"w{i}") for i in (1, 2))]
    prom = [pod("prom-0", "infra-1", "prom", kind="StatefulSet", nodeSelector={"pool": "infra"})]
    large = [node(f"n{i:03}", "abc"[i % 3], {"pool": "auto"}) for i in range(300)]
    many = [pod(f"p{i}", f"n{i % 300:03}", f"app{i // 10}", "300m") for i in range(1500)]
    return {
        "One node, like k3s": (one, home, Policy()),
        "The same, accepted": (one, home, Policy(accept_outage=("k3s-1",))),
        "Two control planes": (two, [etcd("cp1"), etcd("cp2")], Policy()),
        "Three control planes, a member of etcd down": (
            three,
            [etcd("cp1", False), etcd("cp2"), etcd("cp3")],
            Policy(),
        ),
        "24 nodes in three zones, nearly full": (zoned, tight, Policy()),
        "16 nodes in one zone": (flat, web, Policy()),
        "A pool of one": (pool, prom, Policy()),
        "300 nodes": (large, many, Policy()),
    }


def plan_of(nodes: list[Json], pods: list[Json], policy: Policy) -> str:
    """The plan, or what keeps it from being made, as a terminal shows it."""
    lists: Json = {resource.path: [] for resource in RESOURCES} | {"/api/v1/namespaces/kube-system/services": []}
    lists |= {"/version": {"gitVersion": "v1.33.4"}, "/api/v1/nodes": nodes, "/api/v1/pods": pods}
    lists["/apis/apps/v1/daemonsets"] = []
    snapshot = read_snapshot(FakeApi(lists), clock=lambda: 0.0)  # type: ignore[arg-type]
    names = tuple(each["metadata"]["name"] for each in nodes)
    survey = planning.Survey(tuple(Target(name, name) for name in names), {name: facts(name) for name in names})
    made = planning.plan(planning.Inputs(policy, names, survey, snapshot))
    text = console.problems_list(made.problems, WIDTH) if made.problems else console.plan_table(made.plan, WIDTH)
    lines = text.split("\n")
    cut = [f"… {len(lines) - MOST} more lines"] if len(lines) > MOST + 1 else []
    return "\n".join([*(lines[:MOST] if cut else lines), *cut])


def page() -> str:
    """All of them, as the page has them."""
    parts = [f"### {title}\n\n```text\n{plan_of(*shape)}\n```\n" for title, shape in shapes().items()]
    return BEGIN + "\n" + "\n".join(parts) + "\n" + END


def main() -> None:
    """Print them, and write them into the page."""
    made, text = page(), PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + made + rest.partition(END)[2], encoding="utf-8")
    sys.stdout.write(made)


if __name__ == "__main__":
    main()
