# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A spread of the abort matrix and of the kill points (all: ``make abort-matrix kill-points``): whole Fridays."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from tests.fleet import aborts, kills
from tests.fleet.controller import NAMESPACE
from tests.fleet.machines import PACKAGES, repository
from tests.fleet.stage import Stage
from tests.fleet.world import ZONES, World, wait_for
from tests.playbooks.cores import Environment

CELLS = (
    ("task failed", "canary", "drain"),
    ("task failed", "last host of a wave", "upgrade"),
    ("unreachable at connect", "canary", "upgrade"),
    ("unreachable in mid-task", "canary", "reboot"),
    ("rescue failed", "canary", "upgrade"),
    ("module crashed", "canary", "upgrade"),
    ("verify said fail", "canary", "soak"),
    ("API server gone", "canary", "drain"),
    ("lock lost", "canary", "upgrade"),
    ("controller's disk full", "canary", "verify"),
    ("SIGTERM", "canary", "upgrade"),
)
"""Most ways to die once, most on the canary, where they take the least time."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A control plane for fleets, one after the other."""
    with Stage(tmp_path_factory.mktemp("fleets")) as stage:
        yield stage


@pytest.mark.parametrize(("what", "where", "step"), CELLS)
def test_an_abort_aborts(stage: Stage, what: str, where: str, step: str) -> None:
    with stage.fleet(disk_kib=aborts.WHATS[what].disk_kib) as (world, controller):
        assert aborts.play(world, controller, what, where, step) == []


def test_no_setting_of_ansible_undoes_it(stage: Stage) -> None:
    """Each of these makes something else of a play that does not say what it wants: peers would be sent to rescue."""
    with stage.fleet() as (world, controller):
        controller.settings = {
            "ANSIBLE_ANY_ERRORS_FATAL": "true",
            "ANSIBLE_STRATEGY": "free",
            "ANSIBLE_ENABLE_TASK_DEBUGGER": "true",
        }
        assert aborts.play(world, controller, "task failed", "first host of a wave", "upgrade") == []
        assert controller.record().finished, "the verdict was reached"


def test_a_signal_is_heeded(stage: Stage, core: Environment) -> None:
    """By the callback, whose interface changes from core to core; and workers get signals in different ways."""
    with stage.fleet(core=core.playbook) as (world, controller):
        assert aborts.play(world, controller, "SIGINT", "canary", "drain") == []


def test_a_second_signal_ends_it_at_once(stage: Stage, core: Environment) -> None:
    """Ansible's own handler gets it; the next commands know what was under way, and bring it to its end."""
    with stage.fleet(core=core.playbook) as (world, controller):
        machine = world.machines["n1"]
        machine.fault("wait", "upgrade", controller.state)
        started = controller.start()
        controller.await_event(started, 1, kind="step", host="n1", step="upgrade")
        aborts.interrupt(controller, started)
        assert started.process.poll() is None, "the first one waits for the step"
        os.killpg(started.process.pid, signal.SIGINT)
        assert started.wait() != 0
        machine.heal()
        assert "again: stopped immediately" in started.output
        assert "Traceback (most recent call last)" not in started.output
        code, output = controller.run("playbooks/status.yml")
        assert code == 0, output
        assert "upgrade was under way when the run died" in " ".join(output.split())
        code, output = controller.run(friday_only=["n1"])
        assert code == 0, output
        assert (machine.boots, machine.upgrades) == (1, PACKAGES)
        assert world.cordoned() == {}


def test_a_disk_that_has_room_again(stage: Stage) -> None:
    """What the journal had no room for is done once all the same."""
    with stage.fleet(disk_kib=aborts.WHATS["controller's disk full"].disk_kib) as (world, controller):
        assert aborts.play(world, controller, "controller's disk full", "canary", "verify") == []
        assert controller.disk
        controller.disk.free()
        code, output = controller.run(friday_only=["n1"])
        assert code == 0, output
        assert world.cordoned() == {}
        assert (world.machines["n1"].boots, world.machines["n1"].upgrades) == (1, PACKAGES)


def test_journal_and_record_that_have_lost_something(stage: Stage) -> None:
    """Each is behind the other once, the journal with a torn line; whoever knows more is gone on from."""
    two = dict(itertools.islice(ZONES.items(), 2))
    with stage.fleet(two) as (world, controller):
        started = controller.start(friday_soak=0)
        controller.await_event(started, 1, kind="step", host="n1", step="drain")
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/friday-run-{controller.runs()[0].name}"
        older = world.api.get(path)["data"]
        controller.await_event(started, 1, kind="state", host="n1", state="upgraded")
        started.kill()
        world.api.request("PATCH", path, body={"data": older})
        code, output = controller.run("playbooks/status.yml")
        assert "the following is from the journal" in " ".join(output.split()), output

        started = controller.start(friday_soak=0)
        controller.await_event(started, 2, kind="state", host="n1", state="rebooted")
        started.kill()
        file = controller.runs()[1] / journal.FILE_NAME
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[:-3]) + lines[-3][:40])
        code, output = controller.run("playbooks/status.yml")
        words = " ".join(output.split())
        assert "the last line is torn" in words, output
        assert "the journal has lost its end, and the following is from the record" in words, output

        code, output = controller.run(friday_soak=0)
        assert code == 0, output
        assert list(kills.wrong_in_sum(world, code, output)) == []
        assert [(run / "report.html").exists() for run in controller.runs()] == [True] * 3


def test_a_friday_that_is_killed_goes_on(stage: Stage) -> None:
    """Two hosts, killed before and after events all through it; gone on with there, or on a controller that is new."""
    two = dict(itertools.islice(ZONES.items(), 2))
    with stage.fleet(two) as (_, controller):
        code, output = controller.run(friday_soak=0)
        assert code == 0, output
        points = list(kills.points(controller.events()))
    with stage.fleet(two) as (world, controller):
        other = stage.another(world, controller, "other")
        steps = kills.walk(world, itertools.cycle((controller, controller, other, other)), points[::13])
    assert [(str(step.point), step.wrong) for step in steps if step.wrong] == []
    assert len(steps) > 4, "it was killed at four points at least, and came to its end"
    assert {step.point.late for step in steps if step.point} == {False, True}


def test_a_dead_run_is_closed_by_the_next(stage: Stage) -> None:
    """With its report, although that one is refused; and what it had begun is brought to its end when that is meant."""
    with stage.fleet() as (world, controller):
        assert aborts.play(world, controller, "SIGKILL", "canary", "upgrade") == []
        dead, _refused = controller.runs()
        code, output = controller.run("playbooks/status.yml")
        assert code == 0, output
        assert "upgrade was under way when the run ended" in " ".join(output.split())
        code, output = controller.run(friday_only=["n1"], friday_soak=0, friday_replan=True)
        assert code == 0, output
        closed = cluster_record.read(world.api, NAMESPACE, dead.name)
        assert closed
        assert closed.outcome == "inconclusive"
        assert world.cordoned() == {}
        machine = world.machines["n1"]
        assert (machine.boots, machine.upgrades) == (1, PACKAGES)


def test_a_run_that_died_between_two_waves_is_gone_on_for_as_it_was(stage: Stage) -> None:
    """No node is cordoned then; that it has died is in its record. A plan sees it before anybody has closed it."""
    with stage.fleet() as (_, controller):
        started = controller.start()
        controller.await_record(started, 1, kind="run-planned")
        started.kill()
        dead = controller.runs()[-1].name
        for playbook in ("playbooks/plan.yml", "friday.yml", "friday.yml"):
            code, output = controller.run(playbook, friday_soak=0)
            assert code == 2, output
            words = " ".join(output.split())
            which = f"run {dead}, which died before it was done"
            assert f"the policy differs from that of {which}: friday_soak was 1, is now 0" in words


def test_an_api_server_that_is_away_for_longer_than_the_lock_lives(stage: Stage) -> None:
    """As while the only control-plane node reboots. Nobody has taken the lock meanwhile: it goes on, and says so."""
    two = dict(itertools.islice(ZONES.items(), 2))
    said = "the lock could not be renewed in time: waiting for it up to 1m00s, nothing new starts"
    with stage.fleet(two) as (world, controller):
        world.machines["n1"].fault("wait", "reboot", controller.state)
        started = controller.start(friday_soak=0, friday_verify_timeout=60)
        controller.await_event(started, 1, kind="step", host="n1", step="reboot")
        controller.way.shut.set()
        world.machines["n1"].heal()
        controller.await_event(started, 1, kind="note", message=said)
        time.sleep(3)
        assert controller.events()[-1].data == {"message": said}, "nothing begins"
        controller.way.shut.clear()
        assert started.wait() == 0, started.output
        assert "the lock is renewed: continuing" in started.output
        assert list(kills.wrong_in_sum(world, 0, started.output)) == []


def test_it_is_not_gone_on_for_with_other_hosts_or_another_plan(stage: Stage, tmp_path: Path) -> None:
    """However often it is tried: the record that says so is not among those that are deleted."""
    with stage.fleet() as (world, controller):
        started = controller.start()
        controller.await_record(started, 1, kind="run-planned")
        started.kill()
        which = f"run {controller.runs()[-1].name}, which died before it was done"
        controller.inventory([name for name in world.machines if name != "n7"])
        code, output = controller.run()
        assert code == 2, output
        assert f"the inventory differs from that of {which}: n7 missing" in " ".join(output.split())
        controller.inventory(world.machines)
        newer = repository(tmp_path / "newer", tool="3.0")
        world.machines["n4"].turn_to(newer)
        for playbook in ("playbooks/plan.yml", "friday.yml", "friday.yml"):
            code, output = controller.run(playbook, friday_keep_runs=1)
            assert code == 2, output
            other = "n4 would get other packages than planned then (3 now, see plan.json)"
            assert f"the plan differs from that of {which}: {other} fix: set friday_replan: true" in " ".join(
                output.split()
            )
        assert world.touched() == set()
        code, output = controller.run("playbooks/plan.yml", friday_replan=True)
        assert code == 0, output


def test_a_second_friday_of_another_namespace_is_refused(stage: Stage) -> None:
    """The lock is one for a namespace; there is one run for a cluster. Afterwards, the first one's marks are seen."""
    with stage.fleet() as (world, controller):
        stage.grant("friday-other")
        world.machines["n1"].fault("wait", "upgrade", controller.state)
        first = controller.start()
        controller.await_event(first, 1, kind="step", host="n1", step="upgrade")
        other = stage.another(world, controller, "other")
        code, output = other.run(friday_namespace="friday-other", friday_replan=True)
        assert code == 2, output
        run = controller.runs()[0].name
        words = " ".join(output.split())
        assert f"another Friday is running on this cluster, with its lock in namespace friday: run {run} of" in words
        assert other.runs() == []
        assert lease.current(world.api, "friday-other") is None
        first.kill()
        world.machines["n1"].heal()
        wait_for("the lock to die", 60, lambda: not _lives(world))
        code, output = other.run(friday_namespace="friday-other")
        assert code == 2, output
        missing = "its record can't be read: there is none in namespace friday-other"
        assert f"run {run} left hosts unfinished, and {missing}" in " ".join(output.split())
        assert world.touched() == {"n1"}


def _lives(world: World) -> bool:
    holder = lease.current(world.api, NAMESPACE)
    return holder is not None and time.time() < holder.renewed + holder.ttl


def test_a_resumed_host_is_compared_with_how_it_was_before_the_dead_run(stage: Stage) -> None:
    """The new kernel's complaint is new, although it was there when the second run began."""
    with stage.fleet() as (world, controller):
        world.machines["n1"].oops()
        assert aborts.play(world, controller, "SIGKILL", "canary", "verify") == []
        code, output = controller.run(friday_only=["n1"], friday_soak=0, friday_replan=True)
        assert code == 2, output
        assert "new in the kernel log of n1: BUG: unable to handle page fault" in " ".join(output.split())
        assert world.machines["n1"].boots == 1
        assert set(world.cordoned()) == {"n1"}


def test_the_same_command_with_nothing_repaired_stops_there_again(stage: Stage) -> None:
    """On this controller, which knows how the host was, and on another, which takes no doubtful state for good."""
    said = "BUG: unable to handle page fault"
    with stage.fleet() as (world, controller):
        assert aborts.play(world, controller, "verify said fail", "canary", "verify") == []
        for _again in range(2):
            code, output = controller.run(friday_only=["n1", "n4"])
            assert code == 2, output
            assert f"new in the kernel log of n1: {said}" in " ".join(output.split())
        other = stage.another(world, controller, "other")
        code, output = other.run(friday_only=["n1", "n4"])
        assert code == 2, output
        words = " ".join(output.split())
        assert "the kernel log of n1 already has suspicious lines" in words
        assert "is unknown" in words
        assert world.touched() == {"n1"}
        assert set(world.cordoned()) == {"n1"}
        world.machines["n1"].recover()
        code, output = controller.run(friday_only=["n1"])
        assert code == 0, output
        assert world.cordoned() == {}
        assert world.machines["n1"].boots == 1
