# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Rehearse play, as far as it goes without a guest: what proves nothing holds the run, unless that is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.playbooks.machines import CANDIDATE, NEW_KERNEL, NEW_TOOL, Machine, Package
from tests.playbooks.runs import Hosts, Runner
from tests.playbooks.world import World

NODES = ("node1", "node2", "node3")


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Hosts:
    """Machines on which a BPF program is live."""
    return {name: Machine(name, live="probe").make(tmp_path_factory.mktemp(name)) for name in NODES}


def test_live_programs_without_an_object_prove_nothing(run: Runner, world: World, probed: Hosts) -> None:
    with world.untouched():
        done = run("playbooks/rehearse.yml", hosts=probed)
    assert done.code == 2, done.output
    assert done.problems().keys() == {"node1, node2, node3"}, "equal hosts share one"
    assert "BPF programs are live (probe), but no object file of theirs was found" in done.text
    assert done.report()["rehearsal"]["groups"][0]["word"] == "inconclusive"


def test_what_proves_nothing_can_be_accepted_and_is_told(run: Runner, world: World, probed: Hosts) -> None:
    with world.untouched():
        done = run("playbooks/rehearse.yml", hosts=probed, variables={"friday_rehearsal": "accept"})
    assert done.code == 0, done.output
    assert "INCONCLUSIVE node1, node2, node3" in done.text


def test_no_wave_starts_behind_a_rehearsal_that_proves_nothing(run: Runner, world: World, probed: Hosts) -> None:
    with world.untouched(own_records=True):
        done = run("friday.yml", hosts=probed)
    assert done.code == 2, done.output
    assert [event.kind.value for event in done.events()] == ["run-started", "run-planned", "stop", "run-finished"]


def test_it_can_be_switched_off(run: Runner, world: World, probed: Hosts) -> None:
    with world.untouched():
        done = run("playbooks/rehearse.yml", hosts=probed, variables={"friday_rehearsal": "skip"})
    assert done.code == 0, done.output
    assert "Rehearsal: skipped, switched off" in done.text


def test_a_kernel_that_cannot_be_had_is_the_reason(run: Runner, world: World, probed: Hosts, tmp_path: Path) -> None:
    """The repository names a package that it does not have; the program that loads is not even built."""
    (tmp_path / "agent.o").write_bytes(b"\x7fELF")
    variables = {
        "friday_bpf_objects": [str(tmp_path / "agent.o")],
        "friday_go": "/nonexistent/go",
        "friday_cache_dir": str(tmp_path / "cache"),
    }
    with world.untouched():
        done = run("playbooks/rehearse.yml", hosts=probed, variables=variables)
    assert done.code == 2, done.output
    told = "; ".join(done.report()["rehearsal"]["groups"][0]["reasons"])
    assert f"the rehearsal of the candidate could not be done: linux-image-{CANDIDATE} can't be downloaded" in told
    assert "the rehearsal of the running kernel could not be done: /nonexistent/go did not report its version" in told


def test_another_kernel_is_for_the_rehearsal_alone(run: Runner, world: World, probed: Hosts) -> None:
    variables = {"friday_candidate_kernel": "6.16.3+deb13-cloud-amd64"}
    with world.untouched():
        done = run("friday.yml", hosts=probed, variables=variables)
    assert done.code == 2, done.output
    assert done.problems().keys() == {"friday_candidate_kernel"}
    assert "run friday.upgrade.rehearse" in done.text


def test_the_newest_that_passes_is_told(run: Runner, world: World, tmp_path: Path) -> None:
    """Of the kernels that each host's sources have; where no program is live, nothing speaks against one."""
    newer = "6.12.117+deb13-cloud-amd64"
    available = (
        *NEW_KERNEL,
        Package(f"linux-image-{newer}", "6.12.117-1"),
        Package("linux-image-6.16.3-rt-amd64", "1"),
    )
    hosts = {
        name: Machine(name, available=available, live="probe" if name == "node3" else "").make(tmp_path / name)
        for name in NODES
    }
    with world.untouched():
        done = run("playbooks/rehearse.yml", hosts=hosts, variables={"friday_candidate_kernel": "newest"})
    assert done.code == 2, done.output
    assert f"newest that passes: {newer} (2 kernels tried): node1, node2" in done.text
    assert done.problems().keys() == {"node3"}
    assert "none of the 2 kernels tried passes the rehearsal" in done.text
    assert f"apt-get install linux-image-{newer}" in done.text
    assert f"kernel {newer}: linux-image-{newer} can't be downloaded" in done.text, "which modules it has is not known"


def test_without_a_newer_kernel_there_is_nothing_to_rehearse(run: Runner, world: World, tmp_path: Path) -> None:
    hosts = {name: Machine(name, available=NEW_TOOL).make(tmp_path / name) for name in NODES}
    with world.untouched():
        done = run("playbooks/rehearse.yml", hosts=hosts, variables={"friday_candidate_kernel": "newest"})
    assert done.code == 0, done.output
    assert "Rehearsal: skipped, the package sources have no kernel newer" in done.text
