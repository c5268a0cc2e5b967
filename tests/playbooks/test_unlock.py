# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""unlock.yml: breaks the lock that was looked at, for a reason, and leaves a trace; refuses everything else."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from tests.playbooks.runs import Hosts, Run, Runner
from tests.playbooks.world import World

RUN, OTHER = "20261122-161500-3f2a", "20261122-170000-9c1d"
HOSTS: Hosts = {"node1": {}}
STARTED = Event(1, 1000.0, RUN, EventKind.RUN_STARTED, data={"holder": "ann@tower:4711"})


def unlock(start: Runner, namespace: str, *options: str, state: Path | None = None, **variables: str) -> Run:
    extra = [option for name, value in variables.items() for option in ("-e", f"friday_unlock_{name}='{value}'")]
    more = {"friday_namespace": namespace} | ({"friday_state_dir": str(state)} if state else {})
    return start("playbooks/unlock.yml", *options, *extra, hosts=HOSTS, variables=more)


def test_a_dead_runs_lock_is_broken_from_another_machine(run: Runner, world: World) -> None:
    namespace = "friday-broken-lock"
    world.lock(namespace, "ann@tower:4711", RUN)
    world.abandon(namespace)
    cluster_record.write(world.api, namespace, fold([STARTED]))
    done = unlock(run, namespace, run=RUN, reason="its laptop is gone")
    assert done.code == 0, done.output
    assert f"lock of run {RUN} of ann@tower, process 4711 is broken: its laptop is gone" in done.text
    assert "ALIVE" not in done.output
    assert lease.current(world.api, namespace) is None
    found = cluster_record.read(world.api, namespace, RUN)
    assert found is not None
    assert found.unlocked.endswith(": its laptop is gone") and f" by {getpass.getuser()}@" in found.unlocked
    assert (found.seq, found.holder) == (1, "ann@tower:4711"), "the rest is as it was"


def test_the_lock_of_a_run_that_lives_is_broken_with_a_warning(run: Runner, world: World, tmp_path: Path) -> None:
    """Here the run's journal is on this controller: it has the event too."""
    namespace = "friday-broken-alive"
    world.lock(namespace, "ann@tower:4711", RUN)
    journal.Journal(tmp_path / RUN).append(RUN, EventKind.RUN_STARTED, data=STARTED.data)
    done = unlock(run, namespace, state=tmp_path, run=RUN, reason="it hangs")
    assert done.code == 0, done.output
    assert "THE HOLDER SEEMS TO BE ALIVE" in done.text
    assert "notices within 200 s that the lease is lost" in done.text
    assert lease.current(world.api, namespace) is None
    event = journal.read(tmp_path / RUN)[-1]
    assert (event.kind, event.data["reason"]) == (EventKind.LOCK_BROKEN, "it hangs")
    stored = cluster_record.read(world.api, namespace, RUN)
    assert stored is not None
    assert stored.unlocked.endswith(": it hangs"), "it has one, although nothing else is recorded"
    shown = run("playbooks/status.yml", hosts=HOSTS, variables={"friday_namespace": namespace})
    assert "lock free" in shown.text and "its lock was broken" in shown.text


def test_a_check_says_what_would_be(run: Runner, world: World, tmp_path: Path) -> None:
    namespace = "friday-check-lock"
    world.lock(namespace, "ann@tower:4711", RUN)
    journal.Journal(tmp_path / RUN).append(RUN, EventKind.RUN_STARTED)
    with world.untouched():
        done = unlock(run, namespace, "--check", state=tmp_path, run=RUN, reason="gone")
    assert done.code == 0, done.output
    assert "would be broken (nothing was changed): gone" in done.text
    assert "THE HOLDER SEEMS TO BE ALIVE" in done.text
    assert len(journal.read(tmp_path / RUN)) == 1


@pytest.mark.parametrize("check", [(), ("--check",)], ids=["for real", "check"])
def test_everything_that_is_missing_is_told_at_once(run: Runner, world: World, check: tuple[str, ...]) -> None:
    with world.untouched():
        done = unlock(run, "friday-free-lock", *check)
    assert done.code == 2, done.output
    assert "3 problems to solve" in done.text
    for part in ("friday_unlock_run: is not set", "friday_unlock_reason: is not set", "lock: is free"):
        assert part in done.text


def test_another_runs_lock_is_left_alone(run: Runner, world: World) -> None:
    namespace = "friday-other-lock"
    world.lock(namespace, "ann@tower:4711", RUN)
    with world.untouched():
        done = unlock(run, namespace, run=OTHER, reason=" ")
    assert done.code == 2, done.output
    assert f"friday_unlock_run: is {OTHER}, but the lock is held by run {RUN} of ann@tower, process 4711" in done.text
    assert "friday_unlock_reason: is not set" in done.text
    owner = lease.current(world.api, namespace)
    assert owner is not None and owner.run == RUN


def test_a_journal_that_cannot_be_written_keeps_no_lock(run: Runner, world: World, tmp_path: Path) -> None:
    namespace = "friday-damaged-journal"
    world.lock(namespace, "ann@tower:4711", RUN)
    (tmp_path / RUN).mkdir()
    (tmp_path / RUN / journal.FILE_NAME).write_text("no event\n")
    done = unlock(run, namespace, state=tmp_path, run=RUN, reason="gone")
    assert done.code == 0, done.output
    assert "it is recorded in the cluster, but not in the journal here" in done.text
    assert lease.current(world.api, namespace) is None
    assert (tmp_path / RUN / journal.FILE_NAME).read_text() == "no event\n"


def test_a_limit_is_refused(run: Runner, world: World) -> None:
    namespace = "friday-limited-lock"
    world.lock(namespace, "ann@tower:4711", RUN)
    with world.untouched():
        done = unlock(run, namespace, "--limit", "node1", run=RUN, reason="gone")
    assert done.code not in (0, 99), done.output
    assert cluster_record.read(world.api, namespace, RUN) is None
