# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of the lab runs, as two tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lab.cluster import health
from lab.cluster.kubectl import KubectlError
from lab.cluster.lifecycle import Lab

Json = dict[str, Any]


def report(lab: Lab) -> tuple[str, bool]:
    """The tables, and whether everything is up and ready."""
    parts = [(daemon.folder.name + "/" + daemon.name, daemon.pid()) for daemon in lab.daemons()]
    running = all(pid is not None for _, pid in parts)
    rows = [(name, "running" if pid else "stopped", str(pid or "")) for name, pid in parts]
    text = table(("PART", "STATE", "PID"), rows)
    if not running:
        return text, False
    try:
        nodes = lab.kubectl.get("nodes")
        pods = lab.kubectl.get("pods", "--namespace=kube-system", "--selector=k8s-app=cilium")
    except KubectlError as error:
        return f"{text}\n\n{error}", False
    missing = health.cluster(lab.kubectl) + health.agents(lab.ports)
    heading = ("NODE", "ZONE", "READY", "SCHEDULABLE", "KERNEL", "CILIUM", "AGENT")
    text += "\n\n" + table(heading, [node_row(node, pods) for node in nodes])
    text += "\n\n" + ("everything is ready" if not missing else "not ready: " + "; ".join(missing))
    return text, not missing


def node_row(node: Json, pods: Iterable[Json]) -> Sequence[str]:
    """One line of the table of nodes."""
    name, labels = node["metadata"]["name"], node["metadata"]["labels"]
    conditions = {each["type"]: each["status"] for each in node.get("status", {}).get("conditions", [])}
    pod = next((pod for pod in pods if pod["spec"].get("nodeName") == name), None)
    containers = pod["status"].get("containerStatuses", []) if pod else []
    agent = "ready" if containers and containers[0]["ready"] else "not ready"
    return (
        name,
        labels.get("topology.kubernetes.io/zone", ""),
        {"True": "yes", "False": "no"}.get(conditions.get("Ready", ""), "unknown"),
        "no" if node["spec"].get("unschedulable") else "yes",
        node.get("status", {}).get("nodeInfo", {}).get("kernelVersion", ""),
        pod["spec"]["containers"][0]["image"] if pod else "",
        agent if pod else "",
    )


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heading, *rows)]
    return "\n".join(line.rstrip() for line in lines)
