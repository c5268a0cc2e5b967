# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A spread of the abort matrix and of the kill points (all: ``make abort-matrix kill-points``): whole Fridays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import record
from tests.fleet import aborts, kills
from tests.fleet.machines import PACKAGES
from tests.fleet.stage import Stage
from tests.fleet.world import ZONES
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
    """At once, without waiting for its lock; with its report; and what it had begun is brought to its end."""
    with stage.fleet() as (world, controller):
        assert aborts.play(world, controller, "SIGKILL", "canary", "upgrade") == []
        dead = controller.runs()[-1]
        code, output = controller.run("playbooks/status.yml")
        assert code == 0, output
        assert "upgrade was under way when the run died" in " ".join(output.split())
        code, output = controller.run(friday_only=["n1"], friday_soak=0)
        assert code == 2, output
        assert f"run {dead.name} never said that it ended: closed, {dead}/report.html" in output
        words = " ".join(output.split())
        assert f"friday_replan: the policy is not that of run {dead.name}, which has left hosts in the middle" in words
        assert "friday_soak was 1, is 0" in words
        code, output = controller.run(friday_only=["n1"], friday_soak=0, friday_replan=True)
        assert code == 0, output
        assert (dead / "report.html").exists()
        closed = record.read(world.api, aborts.NAMESPACE, dead.name)
        assert closed
        assert closed.outcome == "inconclusive"
        assert world.cordoned() == {}
        machine = world.machines["n1"]
        assert (machine.boots, machine.upgrades) == (1, PACKAGES)


def test_a_run_that_died_between_two_waves_is_gone_on_for_as_it_was(stage: Stage) -> None:
    """No node is cordoned then; that it has died is in its record."""
    with stage.fleet() as (_, controller):
        started = controller.start()
        controller.await_event(started, 1, kind="run-planned")
        started.kill()
        dead = controller.runs()[-1].name
        for _again in range(2):
            code, output = controller.run(friday_soak=0)
            assert code == 2, output
            words = " ".join(output.split())
            assert (
                f"the policy is not that of run {dead}, which died before it was done: friday_soak was 1, is 0" in words
            )


def test_a_resumed_host_is_compared_with_how_it_was_before_the_dead_run(stage: Stage) -> None:
    """The new kernel's complaint is new, although it was there when the second run began."""
    with stage.fleet() as (world, controller):
        world.machines["n1"].oops()
        assert aborts.play(world, controller, "SIGKILL", "canary", "verify") == []
        code, output = controller.run(friday_only=["n1"], friday_soak=0, friday_replan=True)
        assert code == 2, output
        assert "new in the kernel's log of n1: BUG: unable to handle page fault" in " ".join(output.split())
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
            assert f"new in the kernel's log of n1: {said}" in " ".join(output.split())
        other = stage.another(world, controller, "other")
        code, output = other.run(friday_only=["n1", "n4"])
        assert code == 2, output
        words = " ".join(output.split())
        assert "the kernel's log of n1 has suspicious lines already" in words
        assert "is not known here" in words
        assert world.touched() == {"n1"}
        assert set(world.cordoned()) == {"n1"}
        world.machines["n1"].recover()
        code, output = controller.run(friday_only=["n1"])
        assert code == 0, output
        assert world.cordoned() == {}
        assert world.machines["n1"].boots == 1
