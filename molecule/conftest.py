# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scenarios are verified by: the nodes over ssh, and the API server. Never by what a role says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from lab.artifacts import kernels
from lab.cluster.kubectl import Kubectl
from lab.cluster.lifecycle import Lab

STATE = Path(__file__).resolve().parent.parent / "build" / "molecule"
CORDONED_BY = "friday.upgrade/cordoned-by"


@dataclass(frozen=True)
class Run:
    """A run as its record in the cluster has it, and its folder on the controller."""

    name: str
    meta: Mapping[str, Any]
    hosts: Mapping[str, Mapping[str, Any]]

    @property
    def folder(self) -> Path:
        return STATE / self.name

    def json(self, name: str) -> Any:
        """A JSON file of the folder."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


class Cluster:
    """The API server, as the lab's administrator sees it."""

    def __init__(self, kubectl: Kubectl) -> None:
        self.kubectl = kubectl

    def get(self, *arguments: str) -> Any:
        """``kubectl get``: an object, or a list's items."""
        return self.kubectl.get(*arguments)

    def cordons(self) -> dict[str, str]:
        """Nodes that are cordoned, with the run that says it did it (empty: it was not Friday)."""
        cordoned = [node for node in self.get("nodes") if node["spec"].get("unschedulable")]
        return {node["metadata"]["name"]: _annotation(node) for node in cordoned}

    def kernel(self, node: str) -> str:
        return str(self.get("node", node)["status"]["nodeInfo"]["kernelVersion"])

    def pods(self, node: str) -> list[str]:
        """Pods of the node, without those of DaemonSets and those on their way out, as ``namespace/name``."""
        found = self.get("pods", "--all-namespaces", f"--field-selector=spec.nodeName={node}")
        stay = [pod["metadata"] for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return [
            f"{meta['namespace']}/{meta['name']}"
            for meta in stay
            if not any(owner["kind"] == "DaemonSet" for owner in meta.get("ownerReferences", ()))
        ]

    def runs(self) -> list[Run]:
        """All recorded runs, the newest first."""
        maps = self.get("configmaps", "--namespace=friday", "--selector=app.kubernetes.io/managed-by=friday")
        return sorted(map(_run, maps), key=lambda run: float(run.meta["started"]), reverse=True)

    def lock(self) -> str:
        """Who holds the Lease; empty when nobody does."""
        return str(self.get("lease", "friday", "--namespace=friday")["spec"].get("holderIdentity") or "")


def _annotation(node: Mapping[str, Any]) -> str:
    return str(node["metadata"].get("annotations", {}).get(CORDONED_BY, ""))


def _run(item: Mapping[str, Any]) -> Run:
    data = item["data"]
    hosts = {key.removeprefix("host."): json.loads(data[key]) for key in data if key.startswith("host.")}
    return Run(item["metadata"]["labels"]["friday.upgrade/run"], json.loads(data["meta"]), hosts)


@pytest.fixture(scope="session")
def lab_nodes(request: pytest.FixtureRequest) -> dict[str, Host]:
    """The nodes by name, each with what testinfra can ask it as root."""
    inventory = request.config.getoption("ansible_inventory")
    found = testinfra.get_hosts(["ansible://lab"], ansible_inventory=inventory)
    return {host.backend.host: host for host in found}


@pytest.fixture(scope="session")
def node2(lab_nodes: dict[str, Host]) -> Host:
    """The node that the scenarios work on."""
    return lab_nodes["node2"]


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return Cluster(Lab().kubectl)


@pytest.fixture(scope="session")
def run(cluster: Cluster) -> Run:
    """The newest run: that of this scenario."""
    return cluster.runs()[0]


@pytest.fixture(scope="session")
def pair() -> kernels.KernelPair:
    """Kernel A, which the nodes ran at first, and kernel B."""
    return kernels.pair()


def boot_id(host: Host) -> str:
    return str(host.file("/proc/sys/kernel/random/boot_id").content_string.strip())


@pytest.fixture(scope="session")
def boot_ids(lab_nodes: dict[str, Host]) -> dict[str, str]:
    """The boot id of each node, now."""
    return {name: boot_id(host) for name, host in lab_nodes.items()}
