# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cluster, Run
    from testinfra.host import Host

    from lab.artifacts.kernels import KernelPair


@pytest.fixture
def facts(run: Run, host: Host) -> Any:
    """What the survey read of each node."""
    return run.json("baseline.json")["facts"][host.backend.host]


def test_everything_could_be_read(facts: Any) -> None:
    assert facts["unknown"] == {}


def test_the_running_system(facts: Any, host: Host, boot_ids: dict[str, str]) -> None:
    assert facts["kernel"] == host.check_output("uname -r")
    assert facts["boot_id"] == boot_ids[facts["host"]]
    assert facts["distribution"] == host.system_info.distribution
    assert facts["boot_loader"] == "grub"


def test_what_an_upgrade_would_bring(facts: Any, pair: KernelPair) -> None:
    first = facts["kernels"][0]
    assert (first["release"], first["arriving"], first["installed"]) == (pair.candidate.release, True, False)
    assert f"linux-image-{pair.candidate.release}" in {change["name"] for change in facts["pending"]}


def test_the_room_that_is_left(facts: Any, host: Host) -> None:
    free = {system["mount"]: system["free"] for system in facts["file_systems"]}
    assert free["/"] == pytest.approx(int(host.check_output("stat -f -c '%a * %S' / | xargs expr")), rel=0.05)


def test_the_programs_of_the_network(facts: Any, host: Host) -> None:
    seen = {(program["hook"], program["device"]) for program in facts["bpf"]}
    assert ("tc/ingress", "eth1") in seen or ("tcx/ingress", "eth1") in seen
    assert host.check_output("sudo bpftool net show dev eth1")


def test_nothing_was_touched(cluster: Cluster, run: Run) -> None:
    assert run.name not in cluster.cordons().values()
