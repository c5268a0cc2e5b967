# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look at a large cluster takes, as ratios in one run: ``python -m tests.cluster.bench`` (`make bench`).

A real API server with nodes and pods that are only objects. Measured against reading the same lists page by page, which
nobody who wants to see them can do without: the snapshot, a look (the snapshot, and what it keeps for the other hosts
of a wave), and what another host of the wave takes to have the same look.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import PAGE, Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.resources import RESOURCES
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import looks
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import RunFiles
from lab.progress import say
from tests.support.control_plane import Cluster

NODES, PODS, WORKLOADS = 1000, 6000, 300
_CONNECTIONS = 12
_TIMES = 3


def main() -> int:
    """Make the objects, measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="friday-bench-") as folder:
        cluster = Cluster(Path(folder, "control-plane"))
        try:
            cluster.start()
            began = time.monotonic()
            fill(cluster.admin)
            say(f"{NODES} nodes and {PODS} pods made in {time.monotonic() - began:.0f} s")
            print("\n".join(measure(cluster.admin, RunFiles(Path(folder, "run")))), flush=True)
        finally:
            cluster.stop()
    return 0


def fill(api: Api) -> None:
    """Make the objects, over several connections."""
    nodes = [(api, "/api/v1/nodes", node(number)) for number in range(NODES)]
    pods = [(api, "/api/v1/namespaces/default/pods", pod(number)) for number in range(PODS)]
    loads = [(api, "/apis/apps/v1/namespaces/default/deployments", deployment(number)) for number in range(WORKLOADS)]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for made in (nodes, loads, pods):
            list(pool.map(lambda each: each[0].request("POST", each[1], body=each[2]), made))


def measure(api: Api, files: RunFiles) -> list[str]:
    """The table."""
    pages, size = best(lambda: raw(api))
    snapshot, seen = best(lambda: read_snapshot(api))
    look, _ = best(lambda: looks.look(files, api))
    other, again = best(lambda: files.load(Snapshot, "looks", "cluster.json"))
    assert again is not None and len(again.pods) == len(seen.pods) == PODS
    lines = [
        "",
        f"{len(seen.nodes)} nodes, {len(seen.pods)} pods, {len(seen.workloads)} workloads, {size} objects read",
    ]
    lines.append(f"{'':<44}{'s':>8}{'times':>8}")
    for name, seconds in (
        (f"the same lists, in pages of {PAGE}", pages),
        ("a snapshot", snapshot),
        ("a look: a snapshot, kept for the whole wave", look),
        ("the same look, for another host of the wave", other),
    ):
        lines.append(f"{name:<44}{seconds:>8.2f}{seconds / pages:>8.2f}")
    return lines


def raw(api: Api) -> int:
    """Read every list of a snapshot as JSON; returns the number of objects."""
    return sum(
        1
        for path in dict.fromkeys(resource.path for resource in RESOURCES if not resource.where)
        for _ in api.items(path)
    )


def best(action: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of some times, in seconds, and the last result: what else runs here only makes it longer."""
    seconds, result = float("inf"), None
    for _ in range(_TIMES):
        began = time.monotonic()
        result = action()
        seconds = min(seconds, time.monotonic() - began)
    return seconds, result


def node(number: int) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": f"node-{number}", "topology.kubernetes.io/zone": f"zone-{number % 3}"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}", "labels": labels}}


def pod(number: int) -> dict[str, Any]:
    """As a Deployment's pods are: two containers, environment, probes, volumes."""
    app = f"app-{number % WORKLOADS}"
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
    container = {
        "image": f"registry.example/team/{app}:v1.2.3",
        "env": [{"name": f"SETTING_{each}", "value": f"value-{each}"} for each in range(6)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{app}-{number}", "labels": {"app": app, "pod-template-hash": "5d78c9"}},
        "spec": {
            "nodeName": f"node-{number % NODES}",
            "containers": [{**container, "name": "main", "readinessProbe": probe}, {**container, "name": "side"}],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }


def deployment(number: int) -> dict[str, Any]:
    labels = {"app": f"app-{number}"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example/app:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}"},
        "spec": {"replicas": PODS // WORKLOADS, "selector": {"matchLabels": labels}, "template": template},
    }


if __name__ == "__main__":
    sys.exit(main())
