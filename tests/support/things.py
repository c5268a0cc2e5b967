# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects for the tests, with what a kubelet would have said of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError

Json = dict[str, Any]


class Things:
    """Makes objects in one namespace, and nodes; :meth:`remove` takes them away."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace
        self._made: list[str] = []
        self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    def create(self, path: str, body: Json) -> Json:
        """POST an object and remember it."""
        made: Json = self.api.request("POST", path, body=body)
        self._made.append(f"{path}/{made['metadata']['name']}")
        return made

    def status(self, path: str, status: Json) -> Json:
        """Write an object's status."""
        return self.api.request("PATCH", f"{path}/status", body={"status": status})  # type: ignore[no-any-return]

    def node(self, name: str, labels: Json | None = None, spec: Json | None = None, status: Json | None = None) -> Json:
        """A node, Ready unless its status says otherwise; the namespace comes in front of its name."""
        name = f"{self.namespace}-{name}"
        self.create(
            "/api/v1/nodes",
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": labels or {}},
                "spec": spec or {},
            },
        )
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        return self.status(f"/api/v1/nodes/{name}", ready | (status or {}))

    def pod(
        self,
        name: str,
        node: str,
        labels: Json | None = None,
        spec: Json | None = None,
        status: Json | None = None,
        **metadata: Any,
    ) -> Json:
        """A pod that runs on ``node`` and is Ready unless its status says otherwise."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        containers = [{"name": "main", "image": "example"}]
        self.create(
            path,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": labels or {}, **metadata},
                "spec": {"nodeName": node, "containers": containers, **(spec or {})},
            },
        )
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        return self.status(f"{path}/{name}", ready | (status or {}))

    def budget(self, name: str, labels: Json, minimum: int) -> Json:
        """A PodDisruptionBudget with ``minAvailable``, once the controller has seen it."""
        path = f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets"
        spec = {"minAvailable": minimum, "selector": {"matchLabels": labels}}
        self.create(
            path, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
        )
        wait_until(lambda: self.api.get(f"{path}/{name}").get("status", {}).get("observedGeneration") == 1)
        return self.api.get(f"{path}/{name}")  # type: ignore[no-any-return]

    def daemon_set(self, name: str, labels: Json) -> Json:
        """A DaemonSet; nobody makes its pods."""
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example"}]}}
        return self.create(
            f"/apis/apps/v1/namespaces/{self.namespace}/daemonsets",
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": name, "labels": labels},
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            },
        )

    def grant(self, name: str, user: str, rules: list[Any], namespace: str = "") -> None:
        """Give a user the rights, in a namespace or (empty) everywhere."""
        base, version = "/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1"
        role = {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
        self.create(f"{base}/clusterroles", role)
        kind = "RoleBinding" if namespace else "ClusterRoleBinding"
        group = "rbac.authorization.k8s.io"
        self.create(
            f"{base}/namespaces/{namespace}/rolebindings" if namespace else f"{base}/clusterrolebindings",
            {
                "apiVersion": version,
                "kind": kind,
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            },
        )

    def remove(self) -> None:
        """Delete what was made, the last first."""
        for path in reversed(self._made):
            with contextlib.suppress(ApiError):
                self.api.request("DELETE", path, body={"gracePeriodSeconds": 0})


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Look every 50 ms until the condition holds; fails the test when it doesn't in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)
