# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One archive, installed for each ansible-core; one control plane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.stage import Stage
from tests.installed.installs import Install, build
from tests.playbooks.conftest import (  # noqa: F401 (they say on which ansible-core was run)
    pytest_report_header,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.playbooks.cores import Core, chosen


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built collection."""
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session", params=chosen(), ids=str)
def install(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Install:
    """The collection, installed for an ansible-core: the lowest and the highest."""
    core: Core = request.param
    return Install.make(core.environment(), tmp_path_factory.mktemp(f"core-{core}"), archive)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A control plane for fleets, one after the other."""
    with Stage(tmp_path_factory.mktemp("fleets")) as stage:
        yield stage
