# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""With what a host is compared that an earlier run has left cordoned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, HostRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import BEFORE, CORDON, HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import looks
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.earlier_run import keep_earlier
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import PLAN_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.give_up_host import give_up
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from tests.unit.checks import three_nodes as lab

DEAD, NEXT = "20261122-161500-3f2a", "20261122-171500-3f2a"
FIRST = lab.healthy()
SECOND = replace(FIRST, snapshot=replace(FIRST.snapshot, version="v1.99.0"))


def a_session(folder: Path, run: str) -> Session:
    session = Session(run, str(folder / run), Policy())
    planned = PlannedHost("node2", "node2", "zone-b", "", lab.OLD, lab.NEW, True)
    session.files.save(Plan(waves=(Wave(1, "canary", "zone-b", "", (planned,)),)), PLAN_FILE)
    session.recorder.tell(EventKind.RUN_PLANNED, plan_digest="d", hosts=["node2"], waves=1)
    return session


def saw(session: Session, seen: Observation, name: str) -> None:
    """Let the run have seen node2 so."""
    cluster = session.files.save(seen.snapshot, "looks", "some.json")
    looks.keep(session.files, "node2", name, seen, cluster)


def kept(session: Session) -> Observation | None:
    """How node2 was before the dead run, as the next one keeps it."""
    keep_earlier(session, "node2", DEAD)
    return looks.load(session.files, "node2", looks.EARLIER)


@pytest.fixture
def dead(tmp_path: Path) -> Session:
    """A run that had begun on node2, as it was at first."""
    session = a_session(tmp_path, DEAD)
    saw(session, FIRST, looks.BEFORE)
    session.recorder.step("node2", CORDON)
    return session


@pytest.fixture
def living(tmp_path: Path) -> Session:
    """The next run, which has found node2 with the mark of the dead one."""
    return a_session(tmp_path, NEXT)


@pytest.mark.parametrize("state", [HostState.CORDONED, HostState.UPGRADED, HostState.REBOOTED, HostState.SOAKED])
def test_it_is_how_the_dead_run_had_found_it(dead: Session, living: Session, state: HostState) -> None:
    dead.recorder.tell(EventKind.STATE, "node2", state=state)
    assert kept(living) == FIRST


def test_also_when_it_died_between_the_cordon_and_its_event(dead: Session, living: Session) -> None:
    """It had found the host as an even earlier one had left it, and what counts is how that one had found it."""
    saw(dead, SECOND, looks.BEFORE)
    saw(dead, FIRST, looks.EARLIER)
    assert kept(living) == FIRST


@pytest.mark.parametrize("halted", [True, False])
def test_what_failed_has_to_be_again_as_it_was_before_it_failed(dead: Session, living: Session, halted: bool) -> None:
    """Else the same command, with nothing repaired, would take what is broken for what it has to be."""
    dead.recorder.tell(
        EventKind.FAILURE, "node2", state=HostState.FAILED, step="verify", message="broken", halted=halted
    )
    assert kept(living) == FIRST


def test_a_host_that_got_through_is_over(dead: Session, living: Session) -> None:
    """Its node bears the mark: somebody has cordoned it by hand since, and left the annotation."""
    dead.recorder.tell(EventKind.STATE, "node2", state=HostState.DONE)
    assert kept(living) is None


def test_a_host_that_was_never_cordoned_is_held_whatever_is_lost(tmp_path: Path) -> None:
    session = a_session(tmp_path, NEXT)
    session.recorder.step("node2", BEFORE)
    session = replace(session, recorded=True)
    (Path(session.folder) / "lost").write_text("somebody has it")
    assert give_up(session, "node2", session.recorder.record().hosts["node2"]) == (HostState.HELD, "")
    assert give_up(session, "node2", HostRecord(HostState.PLANNED, 1.0, step="cordon"))[0] is HostState.FAILED
