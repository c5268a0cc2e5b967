# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One control plane, one world in it and one runner for all tests of this tier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.playbooks.canaries import Canaries
from tests.playbooks.cores import Core, Environment, chosen, told
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


def pytest_report_header() -> str:
    """Say which versions of ansible-core are meant."""
    return f"ansible-core: {', '.join(map(str, chosen()))}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which versions of ansible-core ran, and which didn't."""
    terminalreporter.section("ansible-core")
    for line in told():
        terminalreporter.write_line(line)
