# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock and its keeper, with a real API server and real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.lock import life
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper, lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import Life
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import NEEDS, check_rights
from tests.support.control_plane import Cluster
from tests.support.things import Things, wait_until

ME, OTHER = "ann@host-a:100", "bob@host-b:200"
RUN, LATER = "20261122-161500-3f2a", "20261122-170000-9c1d"


class Clock:
    """A machine's two clocks: the time of day, which may be wrong, and the monotonic one."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now, self.passed = now, 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds

    def all(self) -> dict[str, Any]:
        return {"clock": self.time, "monotonic": self.monotonic, "sleep": self.sleep}


def spec(api: Api, namespace: str) -> dict[str, Any]:
    return api.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/friday")  # type: ignore[no-any-return]


def test_taken_renewed_released_taken_again(api: Api, things: Things) -> None:
    home, clock = things.namespace, Clock()
    held = lease.take(api, home, ME, RUN, ttl=30, **clock.all())
    found = spec(api, home)
    assert found["spec"]["holderIdentity"] == f"{ME}:{RUN}"
    assert found["spec"]["leaseDurationSeconds"] == 30
    assert found["metadata"]["annotations"][lease.RUN_ANNOTATION] == RUN
    clock.now += 10
    renewed = lease.renew(api, held, clock=clock.time)
    assert renewed.resource_version != held.resource_version
    owner = lease.current(api, home, clock=clock.time)
    assert owner is not None
    assert (owner.user, owner.host, owner.pid, owner.run, owner.ttl) == ("ann", "host-a", 100, RUN, 30)
    assert owner.started == clock.now - 10
    assert owner.renewed == clock.now
    assert lease.release(api, renewed)
    assert lease.current(api, home) is None
    assert not lease.release(api, renewed)
    assert lease.take(api, home, OTHER, LATER, **clock.all()).run == LATER
    assert clock.passed == 0, "a free lease is not waited for"


def test_a_missing_namespace_is_made(cluster: Cluster, things: Things) -> None:
    """By who may: the manifest's rights don't reach that far, because it makes the namespace itself."""
    user, namespace = f"{things.namespace}-maker", f"{things.namespace}-new"
    things.grant(user, user, [need.rule() for need in NEEDS])
    api = connect(str(cluster.kubeconfig(user, organization="")))
    wait_until(lambda: check_rights(api, namespace) == ())
    assert lease.take(api, namespace, ME, RUN)
    assert things.api.get(f"/api/v1/namespaces/{namespace}")
    things.api.request("DELETE", f"/api/v1/namespaces/{namespace}")


def test_held_by_one_who_lives(api: Api, things: Things) -> None:
    home, clock = things.namespace, Clock()
    lease.take(api, home, ME, RUN, ttl=60, **clock.all())
    clock.now += 50
    with pytest.raises(lease.LeaseHeld) as caught:
        lease.take(api, home, OTHER, LATER, **clock.all())
    assert caught.value.holder.run == RUN
    line = caught.value.problem.line()
    assert f"run {RUN} of ann@host-a, process 100, started 2027-01-15 08:00:00 UTC (50 s ago), renewed 50 s ago" in line
    assert clock.passed == 0, "the answer comes at once"


@pytest.fixture
def away(cluster: Cluster, things: Things) -> str:
    """Another namespace with the rights of a Friday; nobody else's lock is anywhere in the cluster."""
    for found in things.api.items("/apis/coordination.k8s.io/v1/leases", fieldSelector=f"metadata.name={lease.NAME}"):
        path = f"/apis/coordination.k8s.io/v1/namespaces/{found['metadata']['namespace']}/leases/{lease.NAME}"
        things.api.request("DELETE", path)
    cluster.grant(f"{things.namespace}-away")
    return f"{things.namespace}-away"


@pytest.mark.parametrize("skew", [0, 300, -300, 10_000_000])
def test_one_that_lives_in_another_namespace_is_seen(api: Api, things: Things, away: str, skew: float) -> None:
    """Whatever its clock says."""
    theirs = lease.take(api, away, OTHER, LATER, ttl=60, **Clock(time.time() + skew).all())
    mine = lease.take(api, things.namespace, ME, RUN)
    who = f"with its lock in namespace {away}: run {LATER} of bob@host-b, process 200"
    with pytest.raises(lease.LeaseHeld, match=rf"{who}, started \S+ \S+ UTC \([0-5] s ago"):
        lease.check_alone(api, mine)
    assert lease.release(api, theirs)
    lease.check_alone(api, mine)


def test_one_that_has_died_in_another_namespace_is_let_lie(api: Api, things: Things, away: str) -> None:
    lease.take(api, away, OTHER, LATER, ttl=1)
    mine = lease.take(api, things.namespace, ME, RUN)
    time.sleep(7.5)  # five seconds on the safe side
    lease.check_alone(api, mine)


def test_one_that_came_and_went_in_another_namespace_is_seen_by_who_was_away(
    api: Api, things: Things, away: str
) -> None:
    mine = lease.renew(api, lease.take(api, things.namespace, ME, RUN))
    time.sleep(1.1)  # the API server's times are in whole seconds
    theirs = lease.take(api, away, OTHER, LATER, ttl=60)
    assert lease.release(api, theirs)
    lease.check_alone(api, mine)
    with pytest.raises(lease.LeaseLost, match=f"namespace {away}, has been running in the meantime"):
        lease.check_alone(api, mine, since=mine.written)
    now = lease.renew(api, mine)
    lease.check_alone(api, now, since=now.written)


@pytest.mark.parametrize("skew", [0, 300, -300])
def test_who_holds_it_is_told_by_the_clock_of_who_asks(api: Api, things: Things, skew: float) -> None:
    clock = Clock(time.time() + skew)
    lease.take(api, things.namespace, ME, RUN, ttl=60, **clock.all())
    owner, now = lease.current(api, things.namespace), time.time()
    assert owner is not None
    assert now - 5 < owner.renewed <= now + 5
    assert now - 5 < owner.started <= now + 5
    assert life(owner.lock(), now) is Life.ALIVE


def test_a_dead_lease_is_taken_after_a_whole_time_to_live(api: Api, things: Things) -> None:
    home, clock = things.namespace, Clock()
    dead = lease.take(api, home, ME, RUN, ttl=60, **clock.all())
    clock.now += 3600
    told: list[str] = []
    lease.take(api, home, OTHER, LATER, tell=told.append, **clock.all())
    assert clock.passed == 60
    assert "looks abandoned: watching it for 60 s" in told[0]
    with pytest.raises(lease.LeaseLost, match=f"taken by run {LATER} of bob@host-b"):
        lease.renew(api, dead, clock=clock.time)
    assert not lease.release(api, dead)
    owner = lease.current(api, home)
    assert owner is not None
    assert owner.run == LATER


@pytest.mark.parametrize("behind", [3600, -3600])
def test_a_holder_whose_clock_is_wrong_is_seen_to_live(api: Api, things: Things, behind: float) -> None:
    """Its renewTime looks long past, or lies in the future: what counts is that the lease changes."""
    home, mine = things.namespace, Clock()
    theirs = Clock(mine.now - behind)
    held = lease.take(api, home, ME, RUN, ttl=60, **theirs.all())

    def sleep(seconds: float) -> None:
        nonlocal held
        mine.sleep(seconds)
        theirs.sleep(seconds)
        if theirs.passed > 15:
            held = lease.renew(api, held, clock=theirs.time)

    with pytest.raises(lease.LeaseHeld):
        lease.take(api, home, OTHER, LATER, clock=mine.time, monotonic=mine.monotonic, sleep=sleep)
    assert mine.passed < 60
    assert lease.renew(api, held, clock=theirs.time)


def test_a_holder_whose_clock_was_ahead_is_dead_all_the_same(api: Api, things: Things) -> None:
    home, mine = things.namespace, Clock()
    lease.take(api, home, ME, RUN, ttl=60, **Clock(mine.now + 86400).all())
    assert lease.take(api, home, OTHER, LATER, **mine.all()).run == LATER
    assert mine.passed == 60


def test_released_while_being_watched(api: Api, things: Things) -> None:
    home, clock = things.namespace, Clock()
    held = lease.take(api, home, ME, RUN, ttl=60, **clock.all())
    clock.now += 3600

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        lease.release(api, held, clock=clock.time)

    took = lease.take(api, home, OTHER, LATER, clock=clock.time, monotonic=clock.monotonic, sleep=sleep)
    assert took.run == LATER
    assert clock.passed < 60


def test_of_two_who_watch_one_wins(api: Api, things: Things) -> None:
    home, clock = things.namespace, Clock()
    lease.take(api, home, ME, RUN, ttl=60, **clock.all())
    clock.now += 3600
    found = spec(api, home)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.passed >= 60:  # at the very end of the watch, another one writes its name first
            found["spec"]["holderIdentity"] = "eve@host-c:300:20261122-180000-0000"
            found["metadata"].pop("annotations")
            things.api.request("PUT", f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases/friday", body=found)

    with pytest.raises(lease.LeaseHeld, match="eve@host-c"):
        lease.take(api, home, OTHER, LATER, clock=clock.time, monotonic=clock.monotonic, sleep=sleep)


def test_an_edit_by_hand_does_not_lose_the_lease(api: Api, things: Things) -> None:
    home = things.namespace
    held = lease.take(api, home, ME, RUN)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases/friday"
    things.api.request("PATCH", path, body={"metadata": {"annotations": {"note": "hello"}}})
    assert lease.renew(api, held).holder == held.holder


def test_a_deleted_lease_is_lost(api: Api, things: Things) -> None:
    home = things.namespace
    held = lease.take(api, home, ME, RUN)
    things.api.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases/friday")
    with pytest.raises(lease.LeaseLost, match="deleted"):
        lease.renew(api, held)
    assert lease.current(api, home) is None, "it is not made anew"


@pytest.mark.parametrize("idle", [0, 3600], ids=["alive", "abandoned"])
def test_a_lease_is_broken_for_the_run_that_is_named(api: Api, things: Things, idle: float) -> None:
    home, clock = things.namespace, Clock()
    held = lease.take(api, home, ME, RUN, **clock.all())
    clock.now += idle
    broken = lease.break_lease(api, home, RUN, clock=clock.time)
    assert (broken.run, broken.user, broken.host, broken.pid) == (RUN, "ann", "host-a", 100)
    assert lease.current(api, home) is None
    with pytest.raises(lease.LeaseLost, match="released"):
        lease.renew(api, held, clock=clock.time)
    assert lease.take(api, home, OTHER, LATER, **clock.all()).run == LATER
    assert clock.passed == 0, "a broken lease is not waited for"


def test_another_runs_lease_is_not_broken(api: Api, things: Things) -> None:
    home = things.namespace
    with pytest.raises(lease.NotBroken, match="it is free"):
        lease.break_lease(api, home, RUN)
    held = lease.take(api, home, OTHER, LATER)
    with pytest.raises(lease.NotBroken, match=f"it is not held by run {RUN}, but by run {LATER} of bob@host-b"):
        lease.break_lease(api, home, RUN)
    assert lease.release(api, lease.renew(api, held))
    with pytest.raises(lease.NotBroken, match="it is free"):
        lease.break_lease(api, home, LATER)


class Racing:
    """The API, with something that somebody else does after each look at the lease."""

    def __init__(self, api: Api, between: Callable[[], object]) -> None:
        self.api, self.between = api, between

    def get(self, path: str) -> Any:
        found = self.api.get(path)
        self.between()
        return found

    def request(self, *arguments: Any, **more: Any) -> Any:
        return self.api.request(*arguments, **more)


def test_a_holder_that_renews_meanwhile_loses_it_all_the_same(api: Api, things: Things) -> None:
    home = things.namespace
    held = [lease.take(api, home, ME, RUN)]

    def renew() -> None:
        if len(held) < 3:
            held.append(lease.renew(api, held[-1]))

    assert lease.break_lease(Racing(api, renew), home, RUN).run == RUN  # type: ignore[arg-type]
    assert len(held) == 3 and lease.current(api, home) is None


def test_a_lease_that_another_run_takes_meanwhile_is_left_alone(api: Api, things: Things) -> None:
    home = things.namespace
    held = lease.take(api, home, ME, RUN)

    def take() -> None:
        if lease.release(api, held):
            lease.take(api, home, OTHER, LATER)

    with pytest.raises(lease.NotBroken, match=f"but by run {LATER} of bob@host-b"):
        lease.break_lease(Racing(api, take), home, RUN)  # type: ignore[arg-type]
    owner = lease.current(api, home)
    assert owner is not None
    assert owner.run == LATER


# The keeper, as the guard starts it: a process of its own.


@pytest.fixture
def controller() -> Iterator[subprocess.Popen[bytes]]:
    """Stands for ansible-playbook: a process whose end the keeper has to notice."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def run_folder(tmp_path: Path) -> Iterator[Path]:
    """A run's folder; a keeper that a failing test has left there is ended."""
    folder = tmp_path / "run"
    yield folder
    running = keeper.read_state(folder)
    if running and keeper.alive(running.pid, running.pid_started):
        os.kill(running.pid, signal.SIGKILL)


Controller = subprocess.Popen[bytes]


def log(folder: Path) -> str:
    return (folder / keeper.LOG_FILE).read_text()


def test_the_keeper_renews_and_releases(
    api: Api, things: Things, friday: Path, controller: Controller, run_folder: Path
) -> None:
    held = lease.take(api, things.namespace, ME, RUN, ttl=3)
    pid = keeper.start(run_folder, held, controller.pid, str(friday))
    first = lease.current(api, things.namespace)
    assert first is not None
    # Longer than the time to live: without the keeper the lease would be dead.
    time.sleep(4)
    later = lease.current(api, things.namespace)
    assert later is not None
    assert later.renewed - first.renewed >= 2
    assert later.identity == f"{ME}:{RUN}"
    with pytest.raises(lease.LeaseHeld):
        lease.take(api, things.namespace, OTHER, LATER, ttl=3)
    assert os.getsid(pid) == pid, "a signal to the playbook's group does not reach it"
    assert keeper.lost(run_folder) == ""
    assert keeper.stop(run_folder, pid) == ""
    assert not Path(f"/proc/{pid}/stat").exists() or keeper.process_start(pid) == ""
    assert lease.current(api, things.namespace) is None
    assert "lease released" in log(run_folder)


def test_the_keeper_goes_with_its_run_and_leaves_the_lease_to_expire(
    api: Api, things: Things, friday: Path, controller: Controller, run_folder: Path
) -> None:
    held = lease.take(api, things.namespace, ME, RUN, ttl=3)
    pid = keeper.start(run_folder, held, controller.pid, str(friday))
    controller.send_signal(signal.SIGKILL)  # not waited for: a zombie is gone as well
    wait_until(lambda: keeper.process_start(pid) == "")
    assert f"process {controller.pid} is gone: leaving the lease to expire" in log(run_folder)
    owner = lease.current(api, things.namespace)
    assert owner is not None
    assert owner.run == RUN, "the next run shall see who was here"
    with pytest.raises(lease.LeaseHeld):
        lease.take(api, things.namespace, OTHER, LATER, ttl=3)
    time.sleep(3)
    assert lease.take(api, things.namespace, OTHER, LATER, ttl=3).run == LATER


def test_the_keeper_says_that_the_lease_is_lost(
    api: Api, things: Things, friday: Path, controller: Controller, run_folder: Path
) -> None:
    held = lease.take(api, things.namespace, ME, RUN, ttl=3)
    pid = keeper.start(run_folder, held, controller.pid, str(friday))
    path = f"/apis/coordination.k8s.io/v1/namespaces/{things.namespace}/leases/friday"
    things.api.request("PATCH", path, body={"spec": {"holderIdentity": f"{OTHER}:{LATER}"}})
    wait_until(lambda: bool(keeper.lost(run_folder)))
    assert f"the lease was taken by run {RUN} of bob@host-b" in keeper.lost(run_folder)
    wait_until(lambda: keeper.process_start(pid) == "")
    assert "taken by" in keeper.stop(run_folder, pid)
    owner = lease.current(api, things.namespace)
    assert owner is not None
    assert owner.host == "host-b", "somebody else's lease is left alone"


def test_the_keeper_notices_that_its_lock_was_broken(
    api: Api, things: Things, friday: Path, controller: Controller, run_folder: Path
) -> None:
    held = lease.take(api, things.namespace, ME, RUN, ttl=3)
    pid = keeper.start(run_folder, held, controller.pid, str(friday))
    lease.break_lease(api, things.namespace, RUN)
    wait_until(lambda: "the lease was released" in keeper.lost(run_folder))
    wait_until(lambda: keeper.process_start(pid) == "")


def test_a_keeper_that_was_killed_counts_as_lost(
    api: Api, things: Things, friday: Path, controller: Controller, run_folder: Path
) -> None:
    held = lease.take(api, things.namespace, ME, RUN, ttl=3)
    pid = keeper.start(run_folder, held, controller.pid, str(friday))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: keeper.process_start(pid) == "")
    assert f"the lease's keeper (process {pid}) is gone" in keeper.lost(run_folder)


def test_a_keeper_that_can_not_work_says_why(
    api: Api, things: Things, controller: Controller, run_folder: Path, tmp_path: Path
) -> None:
    held = lease.take(api, things.namespace, ME, RUN, ttl=3)
    with pytest.raises(KubeError, match="nowhere: no such file"):
        keeper.start(run_folder, held, controller.pid, str(tmp_path / "nowhere"))
    (tmp_path / "empty").write_text("apiVersion: v1\nkind: Config\n")
    with pytest.raises(keeper.KeeperError, match=r"did not start: .*empty"):
        keeper.start(run_folder, held, controller.pid, str(tmp_path / "empty"))


def test_the_keeper_starts_from_an_installed_collection(
    api: Api, things: Things, friday: Path, controller: Controller, run_folder: Path, tmp_path: Path
) -> None:
    """Where nothing on the search path but the collection's own place leads to it."""
    root = Path(__file__).resolve().parents[2]
    installed = tmp_path / "installed" / "ansible_collections" / "friday" / "upgrade"
    shutil.copytree(root / "plugins" / "plugin_utils", installed / "plugins" / "plugin_utils")
    held = lease.take(api, things.namespace, ME, RUN, ttl=3)
    script = (
        "import sys; from pathlib import Path; from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import"
        " keeper, lease; sys.path.remove(sys.argv[1]);"
        f" held = lease.Lease(**{vars(held)!r});"
        f" print(keeper.start(Path({str(run_folder)!r}), held, {controller.pid}, {str(friday)!r}))"
    )
    place = str(tmp_path / "installed")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {script}", place],
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    pid = int(done.stdout)
    command = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert any(entry.startswith(f"PYTHONPATH={place}".encode()) for entry in command)
    assert keeper.stop(run_folder, pid) == ""
