# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is applied to the cluster: the YAML files in ``manifests/`` with the lab's values put in, and the Nodes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from string import Template
from typing import Any

from lab.artifacts import images
from lab.cluster.pki import Pki
from lab.topology import CLUSTER_DOMAIN, DNS_SERVICE, HOST, NODES, POD_CIDR, Node, Ports

FOLDER = Path(__file__).resolve().parent / "manifests"
RIGHTS = Path(__file__).resolve().parents[2] / "manifests" / "rights.yaml"
"""What a Friday may do: the manifest that users apply to their clusters."""


def render(name: str, values: dict[str, str]) -> str:
    """The manifest ``name``.yaml with each ``${NAME}`` replaced. Raises ``KeyError`` for a name without a value."""
    return Template((FOLDER / f"{name}.yaml").read_text()).substitute(values)


def values(pki: Pki, ports: Ports, cilium: int = 1) -> dict[str, str]:
    """What the manifests refer to; ``cilium`` is the build of Cilium (1 with the incident, 2 with its fix)."""
    policy = pki.pair("policy")
    return {
        "APISERVER_PORT": str(ports.apiserver),
        "APP_IMAGE": images.APP,
        "AUTHORITY": _encoded(pki.authority.certificate),
        "CILIUM_IMAGE": images.CILIUM[cilium],
        "CLUSTER_DOMAIN": CLUSTER_DOMAIN,
        "COMPILE_PORT": str(ports.compile_server),
        "COREDNS_IMAGE": images.COREDNS,
        "DNS_SERVICE": DNS_SERVICE,
        "HOST": HOST,
        "POD_CIDR": POD_CIDR,
        "POLICY_CERTIFICATE": _encoded(policy.certificate),
        "POLICY_KEY": _encoded(policy.key),
    }


def nodes() -> str:
    """The Node objects, made before their kubelets register so that each has its zone and its own pod addresses."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [_node(node) for node in NODES]})


def _node(node: Node) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": node.name,
        "topology.kubernetes.io/region": "lab",
        "topology.kubernetes.io/zone": node.zone,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels},
        "spec": {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr]},
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
