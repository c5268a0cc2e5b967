# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The arithmetic of what the lab costs at rest."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from lab import idle
from lab.cluster import lifecycle
from lab.process import Daemon

SECOND = idle.TICKS


def test_a_part_that_ended_or_came_meanwhile_does_not_count() -> None:
    before = {"node1": 5 * SECOND, "etcd": 0, "gone": 9}
    after = {"node1": 20 * SECOND, "etcd": 3 * SECOND, "came": 9}
    assert idle.shares(before, after, 60) == {"node1": 25.0, "etcd": 5.0}


def test_programs_are_the_average_of_the_nodes() -> None:
    """Processes of one name together, the kernel's threads without what they work on, the largest first."""
    zero = dict.fromkeys(("all", "kubelet 1 10", "shim 2 10", "shim 3 10", "kworker/0:1 4 0"), 0)
    busy = {"all": 30, "kubelet 1 10": 6, "shim 2 10": 3, "shim 3 10": 9, "kworker/0:1 4 0": 3}
    ticks = {name: count * SECOND for name, count in busy.items()}
    assert idle.programs([(zero, ticks), (zero, zero)], 60) == {
        "shim": 10.0,
        "interrupts, short-lived programs": 7.5,
        "kubelet": 5.0,
        "kworker": 2.5,
    }


def test_the_table_ends_with_the_sum_of_the_host() -> None:
    lines = idle.table({"node1": 9.0, "etcd": 3.1, "packages": 0.1}, {"kubelet": 4.0})
    assert [line.split() for line in lines[2:6]] == [
        ["node1", "9.0", "kubelet", "4.0"],
        ["etcd", "3.1", "others", "0.0"],
        ["others", "0.1", "in", "all", "4.0"],
        ["in", "all", "12.2"],
    ]
    assert lines[-1] == "The lab at rest takes 12% of one of this machine's cores."


def test_what_runs_on_a_node_is_counted_there() -> None:
    """The script for the nodes, on this machine."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(idle._INSIDE.replace("SECONDS", "0"), {})
    first, last = json.loads(output.getvalue())
    assert set(first) & set(last) > {"all"}
    assert last["all"] >= first["all"] > 0


def test_machines_go_by_their_nodes_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Daemon, "pid", lambda daemon: 1 if daemon.name in ("qemu", "etcd") else None)
    lab = lifecycle.Lab.__new__(lifecycle.Lab)
    folder = lifecycle.Path("/lab")
    daemons = [Daemon("qemu", folder / "vm" / "node1"), Daemon("etcd", folder), Daemon("egress", folder)]
    monkeypatch.setattr(lifecycle.Lab, "daemons", lambda _: daemons)
    assert set(idle._outside(lab)) == {"node1", "etcd"}
