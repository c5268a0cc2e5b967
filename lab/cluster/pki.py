# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster's certificates, by openssl(1): one authority, and from it a certificate for each component.

Names and groups are Kubernetes' own (https://kubernetes.io/docs/setup/best-practices/certificates/).
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.topology import HOST, KUBERNETES_SERVICE, NODES, Node, Ports

DAYS = 3650
OPERATORS = "friday:operators"
"""The group that manifests/rights.yaml gives a Friday's rights to."""

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Pki:
    """All certificates of one cluster in one folder; what is there already is kept."""

    folder: Path

    @property
    def authority(self) -> Pair:
        return self._pair("ca")

    @property
    def service_account_key(self) -> Path:
        return self.folder / "sa.key"

    def create(self) -> None:
        """Make whatever is missing: the authority, the key of service account tokens, the components' pairs."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.authority.certificate.exists():
            subject = ("-x509", "-subj", "/CN=friday-lab", "-days", str(DAYS))
            extensions = ("-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
            pair = self.authority
            openssl("req", *subject, *CURVE, *extensions, "-keyout", str(pair.key), "-out", str(pair.certificate))
        if not self.service_account_key.exists():
            kind = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
            openssl("genpkey", *kind, "-out", str(self.service_account_key))
        self.server("apiserver", "kube-apiserver", API_SERVER_NAMES)
        self.server("policy", "policy.policy.svc", ["DNS:policy.policy.svc"])
        for node in NODES:
            self.server(f"{node.name}-server", node.name, [f"DNS:{node.name}", f"IP:{node.address}"])
            self.client(node.name, f"system:node:{node.name}", "system:nodes")
        self.client("admin", "lab-admin", "system:masters")
        self.client("friday", "friday", OPERATORS)
        self.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        self.client("controller-manager", "system:kube-controller-manager")
        self.client("scheduler", "system:kube-scheduler")
        self.client("kube-proxy", "system:kube-proxy")

    def server(self, name: str, common_name: str, alternatives: Sequence[str]) -> Pair:
        """A certificate for a server that is asked for by ``alternatives`` (``DNS:name`` or ``IP:address``)."""
        extensions = ["extendedKeyUsage=serverAuth", f"subjectAltName={','.join(alternatives)}"]
        return self._signed(name, f"/CN={common_name}", extensions)

    def client(self, name: str, user: str, group: str | None = None) -> Pair:
        """A certificate by which the API server knows its bearer as ``user`` of ``group``."""
        subject = f"/O={group}/CN={user}" if group else f"/CN={user}"
        return self._signed(name, subject, ["extendedKeyUsage=clientAuth"])

    def kubeconfig(self, name: str, server: str) -> dict[str, Any]:
        """A kubeconfig (a file of it may be JSON) for the client pair ``name``, with everything embedded."""
        pair = self._pair(name)
        cluster = {"server": server, "certificate-authority-data": _encoded(self.authority.certificate)}
        user = {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
            "current-context": "lab",
        }

    def write_kubeconfig(self, target: Path, name: str, ports: Ports) -> Path:
        """Write the kubeconfig of ``name`` for use on the host."""
        target.touch(mode=0o600)
        target.write_text(json.dumps(self.kubeconfig(name, f"https://127.0.0.1:{ports.apiserver}"), indent=2) + "\n")
        return target

    def pair(self, name: str) -> Pair:
        """The pair ``name``. Raises ``FileNotFoundError`` if it was not created."""
        pair = self._pair(name)
        if not pair.certificate.exists():
            raise FileNotFoundError(pair.certificate)
        return pair

    def _pair(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    def _signed(self, name: str, subject: str, extensions: Sequence[str]) -> Pair:
        pair = self._pair(name)
        if pair.certificate.exists():
            return pair
        authority = self.authority
        openssl(
            *("req", "-x509", "-CA", str(authority.certificate), "-CAkey", str(authority.key)),
            *("-subj", subject, "-days", str(DAYS), *CURVE),
            *("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature"),
            *(word for extension in extensions for word in ("-addext", extension)),
            *("-keyout", str(pair.key), "-out", str(pair.certificate)),
        )
        return pair


API_SERVER_NAMES = (
    *(f"DNS:kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")),
    *("DNS:localhost", "IP:127.0.0.1", f"IP:{HOST}", f"IP:{KUBERNETES_SERVICE}"),
)


def openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def node_kubeconfig(pki: Pki, name: str, ports: Ports) -> bytes:
    """The kubeconfig of the client pair ``name`` as it is used inside a guest."""
    return json.dumps(pki.kubeconfig(name, f"https://{HOST}:{ports.apiserver}")).encode()


def node_files(pki: Pki, node: Node, ports: Ports) -> dict[str, bytes]:
    """What the node's kubelet and kube-proxy authenticate with, by path relative to /."""
    server = pki.pair(f"{node.name}-server")
    return {
        "etc/kubernetes/kubelet.conf": node_kubeconfig(pki, node.name, ports),
        "etc/kubernetes/kube-proxy.conf": node_kubeconfig(pki, "kube-proxy", ports),
        "etc/kubernetes/pki/ca.crt": pki.authority.certificate.read_bytes(),
        "etc/kubernetes/pki/kubelet-server.crt": server.certificate.read_bytes(),
        "etc/kubernetes/pki/kubelet-server.key": server.key.read_bytes(),
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
