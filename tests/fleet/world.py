# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster of a fleet: its nodes and pods in a real API server, who keeps them up to date, and the way to it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from tests.fleet.machines import Machine
from tests.support.things import Things, wait_until

ZONES = {"n1": "a", "n2": "b", "n3": "c", "n4": "a", "n5": "b", "n6": "c", "n7": "a"}
"""Seven hosts in three zones: a canary and three waves of two."""

_LABELS = {"app": "web"}
_ZONE = "topology.kubernetes.io/zone"
_LOOK = 0.1  # seconds
_ROUND = 0.25  # seconds, of the kubelets


class Kubelets(threading.Thread):
    """Stands in for the kubelets, the scheduler and the controller of the web pods.

    A node says what its machine has booted; an evicted pod goes and another starts on the node with the fewest.
    ``busy``: names of nodes whose pods take their time, so that none of them is let go.
    """

    def __init__(self, api: Api, things: Things, machines: Mapping[str, Machine], owner: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.busy: set[str] = set()
        self.evicted: Counter[str] = Counter()  # pods that have left, by node
        self.evicted_again: Counter[str] = Counter()  # those that left a node which had been drained already
        self._drained: set[str] = set()
        self._api, self._things, self._machines, self._owner = api, things, machines, owner
        self._ended = threading.Event()
        self._number = 0
        self._told: dict[str, tuple[str, str]] = {}

    def run(self) -> None:
        while not self._ended.wait(_ROUND):
            for machine in self._machines.values():
                self.report(machine)
            with contextlib.suppress(ApiError):  # somebody was faster; there is a next look
                self._let_go()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def start_pod(self, node: str) -> None:
        """A web pod on ``node``."""
        self._number += 1
        self._things.pod(f"web-{self._number}", node, labels=_LABELS, **self._owner)

    def report(self, machine: Machine) -> None:
        """What runs on the machine is written to its node."""
        seen = (machine.boot_id, machine.kernel)
        if self._told.get(machine.name) == seen or not all(seen):
            return
        names = ("architecture", "containerRuntimeVersion", "kubeProxyVersion", "kubeletVersion", "machineID")
        info = dict.fromkeys((*names, "operatingSystem", "osImage", "systemUUID"), "test")
        self._things.status(
            f"/api/v1/nodes/{machine.name}",
            {"nodeInfo": {**info, "bootID": seen[0], "kernelVersion": seen[1]}},
        )
        self._told[machine.name] = seen

    def _let_go(self) -> None:
        path = f"/api/v1/namespaces/{self._things.namespace}/pods"
        pods = list(self._api.items(path))
        full = {pod["spec"]["nodeName"] for pod in pods}
        closed = {node["metadata"]["name"] for node in self._nodes() if node["spec"].get("unschedulable")}
        self._drained |= closed - full
        for pod in pods:
            node = pod["spec"]["nodeName"]
            if pod["metadata"].get("deletionTimestamp") and node not in self.busy:
                self._api.request("DELETE", f"{path}/{pod['metadata']['name']}", body={"gracePeriodSeconds": 0})
                self.evicted[node] += 1
                self.evicted_again[node] += int(node in self._drained)
                self.start_pod(self._place(pods))

    def _nodes(self) -> Iterator[dict[str, Any]]:
        return self._api.items("/api/v1/nodes")

    def _place(self, pods: list[dict[str, Any]]) -> str:
        open_ = {node["metadata"]["name"] for node in self._nodes() if not node["spec"].get("unschedulable")}
        crowd = Counter(pod["spec"]["nodeName"] for pod in pods)
        return min(sorted(open_), key=lambda node: crowd[node])


class Way(threading.Thread):
    """The way from a controller to the API server: a TCP forwarder that can be shut. ``port`` is its own."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._target = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.shut = threading.Event()

    def run(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def end(self) -> None:
        self.shut.set()
        self._socket.close()

    def _forward(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            while not self.shut.is_set():
                for side in select.select([near, far], [], [], _LOOK)[0]:
                    data = side.recv(1 << 16)
                    if not data:
                        return
                    (far if side is near else near).sendall(data)


class World:
    """The fleet's nodes, each with its machine, a web deployment with a budget, all of it well."""

    def __init__(self, folder: Path, kubeconfig: Path, packages: Path, zones: Mapping[str, str] = ZONES) -> None:
        self.api = connect(str(kubeconfig), timeout=10)
        self.machines = {name: Machine(name, folder / name, packages) for name in zones}
        self.things = Things(self.api, f"shop-{uuid.uuid4().hex[:8]}")  # another may still be on its way out
        owner = self._web(len(zones))
        self.kubelets = Kubelets(connect(str(kubeconfig), timeout=10), self.things, self.machines, owner)
        for name, zone in zones.items():
            self.machines[name].make()
            metadata = {"name": name, "labels": {_ZONE: f"zone-{zone}"}}
            self.things.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
            self.things.status(f"/api/v1/nodes/{name}", {"conditions": [{"type": "Ready", "status": "True"}]})
            self.kubelets.report(self.machines[name])
            self.kubelets.start_pod(name)
        path = f"/apis/policy/v1/namespaces/{self.things.namespace}/poddisruptionbudgets/web"
        self.things.budget("web", _LABELS, len(zones) - 2)
        wait_until(lambda: self.api.get(path)["status"].get("disruptionsAllowed") == 2)
        self.kubelets.start()

    def end(self) -> None:
        """Take it all away, so that another one can be made."""
        self.kubelets.end()
        path = f"/api/v1/namespaces/{self.things.namespace}/pods"
        for pod in self.api.items(path):
            with contextlib.suppress(ApiError):
                self.api.request("DELETE", f"{path}/{pod['metadata']['name']}", body={"gracePeriodSeconds": 0})
        self.things.remove()

    def cordoned(self) -> dict[str, str]:
        """The nodes that are cordoned, with the run whose mark they bear."""
        mark = "friday.upgrade/cordoned-by"
        nodes = self.api.items("/api/v1/nodes")
        return {
            node["metadata"]["name"]: str((node["metadata"].get("annotations") or {}).get(mark, ""))
            for node in nodes
            if node["spec"].get("unschedulable")
        }

    def touched(self) -> set[str]:
        """Hosts on which anything has changed, or whose node was drained or cordoned: by what they say, no run."""
        changed = {name for name, machine in self.machines.items() if machine.touched}
        return changed | set(self.kubelets.evicted) | set(self.cordoned())

    def _web(self, replicas: int) -> dict[str, Any]:
        """The Deployment and its ReplicaSet; returns what makes pods the latter's."""
        template = {"metadata": {"labels": _LABELS}, "spec": {"containers": [{"name": "main", "image": "example"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": _LABELS}, "template": template}
        owner: dict[str, Any] = {}
        counts = ("replicas", "readyReplicas", "availableReplicas")
        for kind, name in (("Deployment", "web"), ("ReplicaSet", "web-1")):
            collection = f"/apis/apps/v1/namespaces/{self.things.namespace}/{kind.lower()}s"
            body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, **owner}, "spec": spec}
            made = self.things.create(collection, body)
            self.things.status(f"{collection}/{name}", dict.fromkeys(counts, replicas))
            reference = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": made["metadata"]["uid"]}
            owner = {"ownerReferences": [{**reference, "controller": True}]}
        return owner


def wait_for(what: str, seconds: float, look: Any) -> Any:
    """What ``look`` returns as soon as that is true; fails the test when it isn't within ``seconds``."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(_LOOK)
    return found
