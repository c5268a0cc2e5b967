# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cluster, Run
    from testinfra.host import Host

    from lab.artifacts.kernels import KernelPair


@pytest.fixture(scope="module")
def group(run: Run) -> Any:
    (group,) = run.json("rehearsal.json")["groups"]
    return group


def test_the_candidate_takes_what_is_live(group: Any, pair: KernelPair) -> None:
    assert group["hosts"] == ["node2"]
    assert (group["running"], group["candidate"]) == (pair.running.release, pair.candidate.release)
    assert group["word"] == "pass"
    live = [each for each in group["programs"] if each["live"]]
    assert {each["candidate"]["outcome"] for each in live} == {"loaded"}
    assert all(each["candidate"]["stats"]["insns"] for each in live)


def test_the_control_loads_every_live_program(group: Any) -> None:
    live = [each for each in group["programs"] if each["live"]]
    assert live
    assert {each["running"]["outcome"] for each in live} == {"loaded"}


def test_every_live_program_of_the_node_was_rehearsed(group: Any, node2: Host) -> None:
    names = node2.check_output("sudo bpftool prog show | grep -o 'name cil_[a-z_0-9]*' | cut -d' ' -f2").split()
    assert names
    assert set(names) <= {each["program"] for each in group["programs"] if each["live"]}


def test_the_waves_may_start(run: Run) -> None:
    assert not run.meta["stop"]


def test_nothing_was_touched(cluster: Cluster, run: Run, node2: Host, pair: KernelPair) -> None:
    assert run.name not in cluster.cordons().values()
    installed = node2.check_output("ls /boot")
    assert pair.candidate.release not in installed, "downloaded and unpacked, not installed"
    assert node2.check_output("ls -d /tmp/friday-kernel-* 2>/dev/null | wc -l") == "0"
