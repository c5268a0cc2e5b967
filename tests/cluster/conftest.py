# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real API server (etcd, kube-apiserver, the controllers that a drain needs) on free ports, for the whole session.

Nodes and pods are only objects: there is no kubelet, so what a kubelet would say is written by the tests.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.kube import (
    NEEDS,
    Api,
    ApiError,
    check_rights,
    connect,
)
from lab.artifacts import kubernetes
from tests.cluster.pki import Authority, kubeconfig
from tests.cluster.things import Things, wait_until

_READY_SECONDS = 60


class Cluster:
    """The running control plane."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "pki")
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self._programs: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self) -> None:
        """Start everything and wait until the API server is ready."""
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

    def stop(self) -> None:
        """End the programs, by their ids, the last started first."""
        for process, _ in reversed(self._programs):
            process.send_signal(signal.SIGTERM)
        for process, _ in reversed(self._programs):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kubeconfig(self, user: str = "admin", organization: str = "system:masters", **certificate: object) -> Path:
        """Write a kubeconfig with a client certificate of its own and return its path."""
        pair = self.authority.certificate(user, organization=organization, **certificate)  # type: ignore[arg-type]
        return kubeconfig(self.folder / f"{uuid.uuid4().hex[:8]}.kubeconfig", self.server, self.authority.ca, pair)

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


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The control plane; about five seconds."""
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def admin(cluster: Cluster) -> Path:
    """The administrator's kubeconfig."""
    return cluster.kubeconfig()


@pytest.fixture
def admin_api(admin: Path) -> Api:
    """The administrator's connection."""
    return connect(str(admin), timeout=10)


@pytest.fixture
def things(admin_api: Api) -> Iterator[Things]:
    """Makes objects, in a namespace of the test's own, and takes all of them away again."""
    made = Things(admin_api, f"test-{uuid.uuid4().hex[:8]}")
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def friday(cluster: Cluster, things: Things) -> Path:
    """Kubeconfig of a user with the rights of ``NEEDS`` and no other; the test's namespace is Friday's own.

    What runs as this user shows that the needs are complete.
    """
    name = f"friday-{things.namespace}"
    path = cluster.kubeconfig(name, organization="")
    places = {"": "", "cilium": "", "friday": things.namespace, "dns": "kube-system", "agents": things.namespace}
    for where, namespace in places.items():
        things.grant(
            f"{name}-{where or 'all'}", name, [need.rule() for need in NEEDS if need.where == where], namespace
        )
    connection = connect(str(path), timeout=10)
    wait_until(lambda: check_rights(connection, things.namespace) == ())
    return path


@pytest.fixture
def api(friday: Path) -> Api:
    """The connection of that user."""
    return connect(str(friday), timeout=10)


@pytest.fixture
def kubelet(admin_api: Api) -> Iterator[Callable[[], None]]:
    """A kubelet's last act: pods that are being deleted go (after the call, and until the end of the test)."""
    stopped = threading.Event()

    def work() -> None:
        while not stopped.wait(0.2):
            for pod in admin_api.items("/api/v1/pods"):
                if "deletionTimestamp" in pod["metadata"]:
                    meta = pod["metadata"]
                    with contextlib.suppress(ApiError):
                        admin_api.request(
                            "DELETE",
                            f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}",
                            body={"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}},
                        )

    thread = threading.Thread(target=work, daemon=True)
    yield thread.start
    stopped.set()
    if thread.ident:
        thread.join()
