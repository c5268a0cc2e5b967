# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's real control plane for the whole session; see tests/support/control_plane.py."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import check_rights
from tests.support.control_plane import Cluster
from tests.support.things import Things, wait_until


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


@pytest.fixture(scope="session")
def limited(cluster: Cluster) -> Path:
    """Kubeconfig of a user with the rights of manifests/rights.yaml and no other."""
    return cluster.friday()


@pytest.fixture
def friday(cluster: Cluster, things: Things, limited: Path) -> Path:
    """The same; the test's namespace is Friday's own, and has the network agents.

    What runs as this user shows that the manifest is complete.
    """
    cluster.grant(namespace=things.namespace, agents=things.namespace)
    connection = connect(str(limited), timeout=10)
    wait_until(lambda: check_rights(connection, things.namespace) == ())
    return limited


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
