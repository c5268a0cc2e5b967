# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster of these tests: three nodes in three zones, a web deployment, its disruption budget; all only objects."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from tests.playbooks.machines import Machine
from tests.support.control_plane import Cluster
from tests.support.things import Things, wait_until

NODES = {"node1": "zone-a", "node2": "zone-b", "node3": "zone-c"}
ZONE = "topology.kubernetes.io/zone"
WEB = "/apis/apps/v1/namespaces/apps/deployments/web"
_NAMESPACES = "/api/v1/namespaces"
_WATCHED = (
    _NAMESPACES,
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/configmaps",
    "/apis/coordination.k8s.io/v1/leases",
    "/apis/apps/v1/deployments",
    "/apis/policy/v1/poddisruptionbudgets",
)


class World:
    """Makes the objects, changes them for a while, and tells whether anything of them has changed."""

    def __init__(self, cluster: Cluster) -> None:
        self.api = connect(str(cluster.kubeconfig()), timeout=10)
        self.homes: set[str] = set()
        self.locks: list[str] = []
        self._cluster = cluster
        self.things = Things(self.api, "apps")
        for name, zone in NODES.items():
            self._node(name, zone)
        self._web()

    def home(self, namespace: str) -> None:
        """Make a namespace of Friday's with its rights there: manifests/rights.yaml, edited for this name."""
        if namespace not in self.homes:
            self._cluster.grant(namespace)
            self.homes.add(namespace)

    def stored(self, namespace: str) -> str:
        """Everything that Friday has left in a namespace of its own, as JSON."""
        kinds = (
            f"/api/v1/namespaces/{namespace}/configmaps",
            f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
        )
        return json.dumps([item for path in kinds for item in self.api.items(path)])

    def fingerprint(self) -> dict[str, str]:
        """Resource version of every node, pod, lease, ConfigMap, deployment, budget and namespace.

        Left out is what belongs to the control plane itself (all in kube-system and its like), and the namespaces that
        :meth:`home` made; what is in those is there.
        """
        versions = {}
        for path in _WATCHED:
            for item in self.api.items(path):
                meta = item["metadata"]
                own = path == _NAMESPACES and meta["name"] in self.homes
                if not own and not str(meta.get("namespace") or meta["name"]).startswith("kube-"):
                    versions[f"{path}/{meta.get('namespace', '')}/{meta['name']}"] = meta["resourceVersion"]
        return versions

    @contextlib.contextmanager
    def untouched(self, own_records: bool = False) -> Iterator[None]:
        """Hold the body to changing nothing in the cluster.

        With ``own_records`` Friday may take its lock and write its record, in a namespace that was made for the run;
        the lock has to be free again at the end.
        """
        before, known = self.fingerprint(), set(self.homes)
        yield
        after = self.fingerprint()
        for name in self.homes - known if own_records else ():
            assert lease.current(self.api, name) is None, "the lock is given back"
            after = {key: version for key, version in after.items() if f"/{name}" not in key}
        changed = sorted(key for key in {**before, **after} if before.get(key) != after.get(key))
        assert not changed, f"changed in the cluster: {', '.join(changed)}"

    @contextlib.contextmanager
    def unhealthy(self) -> Iterator[None]:
        """node2 is not ready and has no zone, somebody has cordoned node3, and web lacks a pod."""
        try:
            self._patch("/api/v1/nodes/node2", {"metadata": {"labels": {ZONE: None}}})
            self._ready("node2", "False")
            self._patch("/api/v1/nodes/node3", {"spec": {"unschedulable": True}})
            self._web_status(2)
            yield
        finally:
            self._patch("/api/v1/nodes/node2", {"metadata": {"labels": {ZONE: NODES["node2"]}}})
            self._ready("node2", "True")
            self._patch("/api/v1/nodes/node3", {"spec": {"unschedulable": None, "taints": None}})
            self._web_status(3)

    def lock(self, namespace: str, holder: str, run: str) -> None:
        """Another run that lives holds the lock in ``namespace``, since 90 s."""
        now = time.time()
        metadata = {
            "name": "friday",
            "annotations": {lease.RUN_ANNOTATION: run, lease.STARTED_ANNOTATION: _micro(now - 90)},
        }
        spec = {
            "holderIdentity": f"{holder}:{run}",
            "leaseDurationSeconds": 600,
            "acquireTime": _micro(now - 90),
            "renewTime": _micro(now - 5),
        }
        self.home(namespace)
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        self.locks.append(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/friday")
        self.things.create(self.locks[-1].rpartition("/")[0], body)

    def unlock(self) -> None:
        """Take away the locks of such runs: no other test's may find them."""
        while self.locks:
            with contextlib.suppress(ApiError):
                self.api.request("DELETE", self.locks.pop())

    def abandon(self, namespace: str) -> None:
        """As it looks when nobody has renewed the lock for longer than its time to live, by a clock that is slow."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/friday"
        body = {"spec": {"renewTime": _micro(time.time() - 700), "leaseDurationSeconds": 1}}
        self.api.request("PATCH", path, body=body)
        time.sleep(2.5)  # the API server's own times, which count, are in whole seconds

    def _node(self, name: str, zone: str) -> None:
        metadata = {"name": name, "labels": {ZONE: zone}}
        self.things.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        self.api.request(
            "PATCH",
            f"/api/v1/nodes/{name}/status",
            body={"status": {"nodeInfo": _node_info(Machine(name).boot_id)}},
        )
        self._ready(name, "True")

    def _ready(self, node: str, status: str) -> None:
        condition = {"type": "Ready", "status": status, "reason": "Test", "message": "said the test"}
        self.things.status(f"/api/v1/nodes/{node}", {"conditions": [condition]})

    def _web(self) -> None:
        labels = {"app": "web"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example"}]}}
        spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
        owner: dict[str, Any] = {}
        for kind, path in (("Deployment", WEB), ("ReplicaSet", "/apis/apps/v1/namespaces/apps/replicasets/web-1")):
            collection, _, name = path.rpartition("/")
            metadata = {"name": name, "labels": labels, **owner}
            body = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
            owner = _owned_by(self.things.create(collection, body), kind)
        self._web_status(3)
        for number, node in enumerate(NODES, start=1):
            self.things.pod(f"web-1-{number}", node, labels=labels, **owner)
        self.things.budget("web", labels, 2)
        path = "/apis/policy/v1/namespaces/apps/poddisruptionbudgets/web"
        wait_until(lambda: self.api.get(path)["status"].get("disruptionsAllowed") == 1)

    def _web_status(self, available: int) -> None:
        counts = {"replicas": 3, "readyReplicas": available, "availableReplicas": available, "updatedReplicas": 3}
        self.things.status(WEB, counts)

    def _patch(self, path: str, body: dict[str, Any]) -> None:
        self.api.request("PATCH", path, body=body)


def _owned_by(made: dict[str, Any], kind: str) -> dict[str, Any]:
    meta = made["metadata"]
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}
    return {"ownerReferences": [reference]}


def _node_info(boot_id: str) -> dict[str, str]:
    names = (
        *("architecture", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion"),
        *("machineID", "operatingSystem", "osImage", "systemUUID"),
    )
    return {**dict.fromkeys(names, "test"), "bootID": boot_id}


def _micro(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))
