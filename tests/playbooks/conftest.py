# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One control plane, one world in it and one runner for all tests of a worker.

The tier runs on one worker for each processor. Tests of a module share its fixtures, so a module stays on one worker;
those of whole Fridays (test_aborts) share nothing but a control plane, and are spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.playbooks.canaries import Canaries
from tests.playbooks.cores import RAN, Core, Environment, chosen, told
from tests.playbooks.machines import NEW_TOOL, Machine
from tests.playbooks.runs import Hosts, Runner
from tests.playbooks.world import NODES, World
from tests.support.control_plane import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The control plane."""
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def world(cluster: Cluster) -> World:
    """The objects in the cluster, all well. Made, changed and looked at with an administrator's rights."""
    return World(cluster)


@pytest.fixture(autouse=True)
def no_lock_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """There is one lock for a cluster, whatever namespace it is in."""
    yield
    if "world" in request.fixturenames:
        request.getfixturevalue("world").unlock()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, world: World) -> Runner:
    """Runs a playbook on the world, as a user with the rights of manifests/rights.yaml and no other."""
    secrets = Canaries()
    return Runner(tmp_path_factory.mktemp("runs"), secrets.kubeconfig(cluster.friday()), world, secrets)


@pytest.fixture(scope="session")
def outdated(tmp_path_factory: pytest.TempPathFactory) -> Hosts:
    """A host for each node, with a newer kernel and a newer tool in reach."""
    base = tmp_path_factory.mktemp("outdated")
    return {name: Machine(name).make(base / name) for name in NODES}


@pytest.fixture(scope="session")
def current(tmp_path_factory: pytest.TempPathFactory) -> Hosts:
    """A host for each node, whose kernel is the newest; there is a newer tool."""
    base = tmp_path_factory.mktemp("current")
    return {name: Machine(name, available=NEW_TOOL).make(base / name) for name in NODES}


@pytest.fixture(scope="session", params=chosen(), ids=str)
def core(request: pytest.FixtureRequest) -> Environment:
    """An ansible-core, in an environment of its own."""
    wanted: Core = request.param
    return wanted.environment()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a module together, but for the one that takes longest."""
    for item in items:
        if item.path.stem != "test_aborts":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells what it ran on."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["cores"] = RAN


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker what it ran on; one that died has said nothing."""
    RAN.extend(line for line in getattr(node, "workeroutput", {}).get("cores", ()) if line not in RAN)


def pytest_report_header() -> str:
    """Say which versions of ansible-core are meant."""
    return f"ansible-core: {', '.join(map(str, chosen()))}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which versions of ansible-core ran, and which didn't."""
    terminalreporter.section("ansible-core")
    for line in told():
        terminalreporter.write_line(line)
