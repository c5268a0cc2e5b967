# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control plane as processes on the host: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

All of them are one program (``kube``) called by their names. The API server has no route to pods or nodes: everything
that it dials in the cluster (kubelets, webhooks) goes through the lab's egress proxy, by its egress selector.
"""

from __future__ import annotations

import json
import shutil
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lab.cluster.pki import Pki
from lab.process import Daemon
from lab.progress import Patience
from lab.topology import HOST, POD_CIDR, SERVICE_CIDR, Ports

EGRESS_SOCKET = "egress.sock"
"""Relative to the control plane's folder, where its processes run (a socket's address is limited to 107 bytes)."""

READY_SECONDS = 120.0
"""Without a new line in its log, the API server is not waited for any longer."""


@dataclass(frozen=True)
class ControlPlane:
    """One control plane. ``folder`` holds its data, logs and pid files; ``program`` is ``kube``."""

    folder: Path
    program: Path
    pki: Pki
    ports: Ports

    @property
    def data(self) -> Path:
        """etcd's data folder."""
        return self.folder / "etcd"

    def daemons(self) -> list[Daemon]:
        """Its processes in the order of their start."""
        return [Daemon(name, self.folder) for name in self._commands()]

    def start(self) -> None:
        """Start what does not run and wait until the API server is ready (3 seconds on an idle machine)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pki.create()
        self._write_configuration()
        for name, arguments in self._commands().items():
            Daemon(name, self.folder).start([name, *arguments], program=self.program)
            if name == "kube-apiserver":
                self._wait()
        for daemon in self.daemons():
            daemon.check()

    def stop(self) -> None:
        """Stop all of it, the last started first."""
        for daemon in reversed(self.daemons()):
            daemon.stop()

    def save_data(self, target: Path) -> None:
        """Copy etcd's data; the control plane must be stopped."""
        shutil.copytree(self.data, target)

    def restore_data(self, source: Path) -> None:
        """Replace etcd's data by what :meth:`save_data` kept; the control plane must be stopped."""
        self.erase_data()
        shutil.copytree(source, self.data)

    def erase_data(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        context = ssl.create_default_context(cafile=str(self.pki.authority.certificate))
        admin = self.pki.pair("admin")
        context.load_cert_chain(admin.certificate, admin.key)
        url = f"https://127.0.0.1:{self.ports.apiserver}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=5, context=context) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _wait(self) -> None:
        server = Daemon("kube-apiserver", self.folder)
        waiting = Patience(READY_SECONDS)
        while not self.ready():
            server.check()
            if waiting.exhausted(server.logged()):
                raise TimeoutError(f"the API server is not ready, and {waiting.words()}; see {server.log}")
            time.sleep(0.1)

    def _write_configuration(self) -> None:
        for name in ("controller-manager", "scheduler"):
            self.pki.write_kubeconfig(self.folder / f"{name}.kubeconfig", name, self.ports)
        (self.folder / "egress-selector.json").write_text(json.dumps(egress_selector(), indent=2) + "\n")

    def _commands(self) -> dict[str, list[str]]:
        apiserver, kubelet_client = self.pki.pair("apiserver"), self.pki.pair("apiserver-kubelet-client")
        authority, token_key = self.pki.authority, self.pki.service_account_key
        client = f"http://127.0.0.1:{self.ports.etcd_client}"
        peer = f"http://127.0.0.1:{self.ports.etcd_peer}"
        return {
            "etcd": [
                *("--name=lab", f"--data-dir={self.data}", "--unsafe-no-fsync", "--log-level=warn"),
                *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                f"--initial-cluster=lab={peer}",
            ],
            "kube-apiserver": [
                *("--bind-address=127.0.0.1", f"--secure-port={self.ports.apiserver}", f"--advertise-address={HOST}"),
                *(f"--etcd-servers={client}", f"--service-cluster-ip-range={SERVICE_CIDR}"),
                *("--allow-privileged=true", "--authorization-mode=Node,RBAC"),
                "--enable-admission-plugins=NodeRestriction",
                f"--client-ca-file={authority.certificate}",
                *(f"--tls-cert-file={apiserver.certificate}", f"--tls-private-key-file={apiserver.key}"),
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                *(f"--service-account-key-file={token_key}", f"--service-account-signing-key-file={token_key}"),
                f"--kubelet-certificate-authority={authority.certificate}",
                f"--kubelet-client-certificate={kubelet_client.certificate}",
                f"--kubelet-client-key={kubelet_client.key}",
                "--kubelet-preferred-address-types=InternalIP",
                "--egress-selector-config-file=egress-selector.json",
            ],
            "kube-controller-manager": [
                *("--bind-address=127.0.0.1", f"--secure-port={self.ports.controller_manager}"),
                *("--kubeconfig=controller-manager.kubeconfig", "--leader-elect=false"),
                *("--allocate-node-cidrs=false", f"--cluster-cidr={POD_CIDR}"),
                *(f"--root-ca-file={authority.certificate}", f"--service-account-private-key-file={token_key}"),
                "--use-service-account-credentials=true",
                # An emulated node's kubelet is late now and then without being gone.
                "--node-monitor-grace-period=60s",
            ],
            "kube-scheduler": [
                *("--bind-address=127.0.0.1", f"--secure-port={self.ports.scheduler}"),
                *("--kubeconfig=scheduler.kubeconfig", "--leader-elect=false"),
            ],
        }


def egress_selector() -> dict[str, object]:
    """Send what the API server dials in the cluster through the lab's egress proxy."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": EGRESS_SOCKET}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
