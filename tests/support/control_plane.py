# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real control plane (etcd, kube-apiserver, the controllers that a drain needs) on free ports.

Nodes and pods are only objects in it: there is no kubelet, so what a kubelet would say is written by the tests.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from lab.artifacts import kubernetes
from tests.support import rights
from tests.support.pki import Authority, kubeconfig

_READY_SECONDS = 60
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Cluster:
    """The running control plane. ``admin`` is the administrator's connection, once it was started."""

    admin: Api

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "pki")
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self._programs: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self) -> None:
        """Start everything, wait until the API server is ready, and apply manifests/rights.yaml."""
        etcd = f"http://127.0.0.1:{free_port()}"
        peer = f"http://127.0.0.1:{free_port()}"
        pki = self.authority
        serving = pki.certificate("kube-apiserver", hosts=("127.0.0.1",))
        service_accounts = pki.certificate("service-accounts")
        self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        kubelet = pki.certificate("kube-apiserver-kubelet-client", organization="system:masters")
        self._run(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={pki.ca}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={service_accounts.key}",
            f"--service-account-signing-key-file={service_accounts.key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            # Without the controllers that make service accounts, pods could not be created.
            "--disable-admission-plugins=ServiceAccount",
        )
        api = self._wait()
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig('kube-controller-manager', organization='system:masters')}",
            "--controllers=disruption-controller,namespace-controller",
            "--leader-elect=false",
            f"--secure-port={free_port()}",
            f"--cert-dir={self.folder}",
        )
        with contextlib.suppress(ApiError):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}
            api.request("POST", "/api/v1/namespaces", body=body)
        self.admin = api
        self.grant()

    def stop(self) -> None:
        """End the programs, by their ids, the last started first. What they keep is not needed any more."""
        for process, _ in reversed(self._programs):
            process.send_signal(signal.SIGTERM)
        for process, _ in reversed(self._programs):
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kubeconfig(self, user: str = "admin", organization: str = "system:masters", **certificate: object) -> Path:
        """Write a kubeconfig with a client certificate of its own and return its path."""
        pair = self.authority.certificate(user, organization=organization, **certificate)  # type: ignore[arg-type]
        return kubeconfig(self.folder / f"{uuid.uuid4().hex[:8]}.kubeconfig", self.server, self.authority.ca, pair)

    def friday(self, user: str = "friday") -> Path:
        """Write a kubeconfig of a user with the rights of manifests/rights.yaml and no other; return its path."""
        return self.kubeconfig(user, organization=rights.OPERATORS)

    def grant(self, namespace: str = "friday", agents: str = "kube-system") -> None:
        """Apply manifests/rights.yaml, for a namespace of Friday's and one of the agents; those granted before stay."""
        rights.apply(self.admin, rights.documents(namespace, agents))

    def _run(self, name: str, *arguments: str) -> None:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            # The program is what it is called by (argv[0]).
            process = subprocess.Popen(
                [name, *arguments],
                executable=kubernetes.binary(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
                preexec_fn=_end_with_the_tests,
            )
        self._programs.append((process, log))

    def _wait(self) -> Api:
        path = self.kubeconfig()
        end = time.monotonic() + _READY_SECONDS
        while True:
            for process, log in self._programs:
                if process.poll() is not None:
                    raise RuntimeError(f"{log.stem} ended at once: {log.read_text(errors='replace')[-2000:]}")
            try:
                api = connect(str(path), timeout=5)
                if api.text("/readyz") == "ok":
                    return api
            except Exception as error:
                if time.monotonic() > end:
                    raise RuntimeError(f"the API server is not ready after {_READY_SECONDS} s") from error
            time.sleep(0.1)


def _end_with_the_tests() -> None:
    """Called in a program before it is one: tests that are killed can't end it any more."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
