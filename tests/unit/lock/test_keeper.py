# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keeper's loop on a clock of its own; its process is tested in tests/cluster."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock.lease import Lease

HELD = Lease("friday", "ann@host-a:100:run", "run", 60, "uid", "1", 1000.0)


class FakeLeases:
    """An API server that answers a PUT of the lease, or fails from ``fails`` (seconds) on."""

    def __init__(self, fails: float = float("inf"), stop_at: float = float("inf")) -> None:
        self.now, self.fails, self.stop_at, self.renewed = 0.0, fails, stop_at, []  # type: ignore[var-annotated]
        self.stopped = threading.Event()
        self.answered = 0.0
        self.elsewhere: list[dict[str, Any]] = []

    def items(self, _path: str, **_: object) -> list[dict[str, Any]]:
        return self.elsewhere

    def request(self, method: str, _path: str, *, body: dict[str, Any]) -> dict[str, Any]:
        assert method == "PUT"
        if self.now >= self.fails:
            self.now += 10  # it takes a while to find out
            raise ApiError(0, "no answer in time")
        self.renewed.append(self.now)
        return {"metadata": {"uid": "uid", "resourceVersion": str(len(self.renewed) + 1)}}

    def get(self, _path: str) -> dict[str, Any]:
        return {"metadata": {"uid": "uid", "resourceVersion": "9"}, "spec": {"holderIdentity": HELD.holder}}


def keep(leases: FakeLeases, folder: Path, pid: int = 0, **options: Any) -> tuple[bool, list[str]]:
    pid = pid or os.getpid()
    started, patience = options.get("started", keeper.process_start(pid)), options.get("patience", 0)
    task = keeper.Task(HELD, "", "", str(folder), pid, started, patience)
    said: list[str] = []

    def let_pass(seconds: float) -> None:
        leases.now += seconds
        if leases.now >= leases.stop_at:
            leases.stopped.set()

    class Waiting:
        is_set = leases.stopped.is_set
        wait = staticmethod(let_pass)

    done = keeper.keep(
        leases,  # type: ignore[arg-type]
        task,
        Waiting(),  # type: ignore[arg-type]
        clock=lambda: 1000 + leases.now,
        monotonic=lambda: leases.now,
        say=said.append,
        again=options.get("again"),
    )
    return done, said


def test_renews_each_third_and_releases_when_told(tmp_path: Path) -> None:
    leases = FakeLeases(stop_at=90)
    assert keep(leases, tmp_path) == (True, ["lease released"])
    assert leases.renewed == [0, 20, 40, 60, 80, 90]
    running = keeper.read_state(tmp_path)
    assert running is not None
    assert (running.pid, running.renewed) == (os.getpid(), 1080)
    assert keeper.lost(tmp_path) == ""


def test_lost_a_time_to_live_after_the_last_renewal_that_worked(tmp_path: Path) -> None:
    leases = FakeLeases(fails=30)
    done, said = keep(leases, tmp_path)
    assert not done
    assert leases.renewed == [0, 20]
    assert 80 <= leases.now < 95, "60 s after the renewal at 20 s, and the request under way"
    assert said[0].startswith("can't renew the lease: ")
    assert keeper.lost(tmp_path) == "the lease could not be renewed for 60 s"


def test_an_api_server_that_is_away_for_a_while_loses_nothing(tmp_path: Path) -> None:
    leases = FakeLeases(fails=30, stop_at=150)
    back = 55.0
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        if leases.now >= back:
            leases.fails = float("inf")
        return plain(*arguments, **options)

    leases.request = request  # type: ignore[method-assign]
    assert keep(leases, tmp_path)[0]
    assert keeper.lost(tmp_path) == ""


def test_a_lease_that_has_lapsed_is_renewed_if_nobody_has_taken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reboot of the only control-plane node takes longer than the lease lives; nobody else can take it then."""
    monkeypatch.setattr(keeper, "boottime", lambda: leases.now)
    leases = FakeLeases(fails=30, stop_at=300)
    seen: list[tuple[float, bool, bool]] = []
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        seen.append((leases.now, bool(keeper.lapsed(tmp_path)), bool(keeper.lost(tmp_path))))
        if leases.now >= 200:
            leases.fails = float("inf")
        return plain(*arguments, **options)

    leases.request = request  # type: ignore[method-assign]
    assert keep(leases, tmp_path, patience=600)[0]
    assert [lapsed for now, lapsed, _ in seen if 20 < now <= 80] == [False] * 4
    assert all(lapsed for now, lapsed, _ in seen if 80 < now < 220)
    assert not any(lost for *_, lost in seen)
    assert leases.renewed[:2] == [0, 20]
    assert 200 <= leases.renewed[2] <= 205
    assert keeper.lapsed(tmp_path) == ""


def test_what_has_lapsed_is_given_up_when_the_patience_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "boottime", lambda: leases.now)
    leases = FakeLeases(fails=30)
    assert not keep(leases, tmp_path, patience=100)[0]
    assert 180 <= leases.now < 195, "60 s and the patience after the renewal at 20 s"
    assert keeper.lost(tmp_path) == "the lease could not be renewed for 160 s"
    assert keeper.lapsed(tmp_path) == ""


def test_a_lease_that_has_lapsed_is_lost_if_another_run_is_at_work_in_another_namespace(tmp_path: Path) -> None:
    """It has found this one's lease abandoned, and has a lease of its own: it has not written to this one."""
    leases = FakeLeases(fails=30)
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        if leases.now >= 120:
            leases.fails = float("inf")
            spec = {
                "holderIdentity": "bob@host-b:7:other",
                "leaseDurationSeconds": 60,
                "renewTime": "1970-01-01T00:18:20Z",  # 100 s on this test's clock
            }
            leases.elsewhere = [{"metadata": {"namespace": "away"}, "spec": spec}]
        return plain(*arguments, **options)

    leases.request = request  # type: ignore[method-assign]
    assert not keep(leases, tmp_path, patience=600)[0]
    assert "with its lock in namespace away: run other of bob@host-b" in keeper.lost(tmp_path)


def test_who_came_while_a_renewal_was_on_its_way_is_seen(tmp_path: Path) -> None:
    """It is begun in time, and reaches the API server when another run has found the lease abandoned."""
    leases = FakeLeases()
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        if leases.now >= 20 and not leases.elsewhere:
            leases.now += 45  # seconds until the server writes it
            spec = {"holderIdentity": "bob@host-b:7:other", "leaseDurationSeconds": 60, "renewTime": _at(leases.now)}
            leases.elsewhere = [{"metadata": {"namespace": "away"}, "spec": spec}]
        return plain(*arguments, **options)

    leases.request = request  # type: ignore[method-assign]
    assert not keep(leases, tmp_path, patience=600)[0]
    assert "with its lock in namespace away" in keeper.lost(tmp_path)


@pytest.mark.parametrize("ours", [True, False])
def test_a_run_of_another_namespace_that_came_and_went_is_seen(tmp_path: Path, ours: bool) -> None:
    """A lease of the same name that is none of Friday's is nobody's business."""
    leases = FakeLeases(fails=30, stop_at=300)
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        if leases.now >= 120:
            leases.fails = float("inf")
            labels = {"app.kubernetes.io/managed-by": "friday"} if ours else {}
            meta = {"namespace": "away", "labels": labels, **_written_at(100)}
            leases.elsewhere = [{"metadata": meta, "spec": {"holderIdentity": ""}}]
        answer = plain(*arguments, **options)
        answer["metadata"].update(_written_at(leases.now))
        return answer

    leases.request = request  # type: ignore[method-assign]
    assert keep(leases, tmp_path, patience=600)[0] is not ours
    assert ("namespace away, has been running in the meantime" in keeper.lost(tmp_path)) is ours


def test_one_that_has_slept_for_too_long_gives_up_before_it_asks(tmp_path: Path) -> None:
    """Workers that look first have taken it for lost already."""
    leases = FakeLeases()
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        answer = plain(*arguments, **options)
        leases.now += 1500 if leases.now >= 20 else 0
        return answer

    leases.request = request  # type: ignore[method-assign]
    assert not keep(leases, tmp_path, patience=900)[0]
    assert leases.renewed == [0, 20]
    assert keeper.lost(tmp_path) == "the lease could not be renewed for 960 s"


def _at(seconds: float) -> str:
    return f"1970-01-01T00:{16 + int(40 + seconds) // 60:02}:{int(40 + seconds) % 60:02}Z"  # 1000 s on, as the clock is


def _written_at(seconds: float) -> dict[str, Any]:
    return {"managedFields": [{"time": _at(seconds), "fieldsV1": {"f:spec": {"f:renewTime": {}}}}]}


def test_what_has_lapsed_and_was_taken_is_lost(tmp_path: Path) -> None:
    leases = FakeLeases(fails=30)
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        if leases.now >= 120:
            raise ApiError(409, "the object has been modified")
        return plain(*arguments, **options)

    taken = {"metadata": {"uid": "uid", "resourceVersion": "9"}, "spec": {"holderIdentity": "bob@host-b:7:other"}}
    leases.request, leases.get = request, lambda _path: taken  # type: ignore[assignment, method-assign]
    assert not keep(leases, tmp_path, patience=600)[0]
    assert leases.now < 140
    assert "the lease was taken by run other of bob@host-b" in keeper.lost(tmp_path)


def test_the_lease_is_good_from_when_its_renewal_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server may have written it as soon as it was asked; its answer took nine seconds."""
    monkeypatch.setattr(keeper, "boottime", lambda: 500 + leases.now)
    leases = FakeLeases(stop_at=9.5)
    plain = leases.request

    def request(*arguments: Any, **options: Any) -> dict[str, Any]:
        answer = plain(*arguments, **options)
        leases.now += 9
        return answer

    leases.request = request  # type: ignore[method-assign]
    assert keep(leases, tmp_path)[0]
    running = keeper.read_state(tmp_path)
    assert running is not None
    assert running.until == 500 + HELD.ttl


def test_goes_when_another_process_has_the_id(tmp_path: Path) -> None:
    leases = FakeLeases()
    done, said = keep(leases, tmp_path, started="1")
    assert not done
    assert leases.renewed == []
    assert "is gone: leaving the lease to expire" in said[0]
    assert keeper.lost(tmp_path) == "", "left, not lost: nobody is there to be told"


def test_processes() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = keeper.process_start(process.pid)
    assert started.isdigit()
    assert keeper.alive(process.pid, started)
    assert not keeper.alive(process.pid, str(int(started) - 1)), "another one had this id then"
    assert keeper.alive(process.pid, ""), "where there is no /proc"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not keeper.alive(process.pid, started), "a zombie is gone"
    process.wait()
    assert not keeper.alive(process.pid, started)
    assert keeper.process_start(process.pid) == ""
    assert not keeper.alive(process.pid, "")


def test_stopping_what_is_not_the_keeper(tmp_path: Path) -> None:
    assert "is not the keeper of this run" in keeper.stop(tmp_path, os.getpid())


def test_a_bare_checkout_is_found_through_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader may have resolved the link ``collections/ansible_collections/friday/upgrade``, or not."""
    below = Path("plugins", "plugin_utils", "act", "keeper.py")
    linked = tmp_path / "collections" / "ansible_collections" / "friday" / "upgrade"
    for module in (linked / below, tmp_path / below):
        monkeypatch.setattr(keeper, "__file__", str(module))
        assert keeper._search_path()[0] == str(tmp_path / "collections")


def test_the_keeper_finds_a_relative_kubeconfig_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("K8S_AUTH_KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBECONFIG", "config")
    started: list[list[str]] = []

    def refuse(command: list[str], **_: Any) -> Any:
        started.append(command)
        raise OSError("not in this test")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(OSError, match="not in this test"):
        keeper.start(tmp_path / "run", HELD, os.getpid())
    assert f'"kubeconfig": "{tmp_path}/config"' in started[0][-1]


def test_a_keeper_that_was_not_heard_of_for_too_long_counts_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs, or the machine slept: another run may have the lease by now."""
    now = keeper.boottime()
    running = keeper.Running(os.getpid(), keeper.process_start(os.getpid()), 1.0, now + 60)
    (tmp_path / keeper.STATE_FILE).write_text(json.dumps(dataclasses.asdict(running)))
    assert keeper.lost(tmp_path) == ""
    monkeypatch.setattr(keeper, "boottime", lambda: now + 61)
    assert "was not renewed in time" in keeper.lost(tmp_path)
    patient = dataclasses.replace(running, patience=100.0)
    (tmp_path / keeper.STATE_FILE).write_text(json.dumps(dataclasses.asdict(patient)))
    assert keeper.lost(tmp_path) == ""
    assert "was not renewed in time" in keeper.lapsed(tmp_path)
    monkeypatch.setattr(keeper, "boottime", lambda: now + 161)
    assert "was not renewed in time" in keeper.lost(tmp_path), "the keeper has its patience and no more"


def test_a_full_disk_does_not_end_the_keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it look like a lock that is lost, or that was not given back: the state is written over itself."""
    said: list[str] = []
    keeper._tell_state(tmp_path, 1.0, keeper.boottime() - 1, said.append)
    assert "was not renewed in time" in keeper.lost(tmp_path)
    size = (tmp_path / keeper.STATE_FILE).stat().st_size

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeper, "_write_file", no_room)
    keeper._tell_state(tmp_path, 2.0, keeper.boottime() + 60, said.append)
    assert keeper.lost(tmp_path) == ""
    keeper._tell_state(tmp_path, 2.0, 0.0, said.append, released=True)
    running = keeper.read_state(tmp_path)
    assert running is not None
    assert running.released
    assert (tmp_path / keeper.STATE_FILE).stat().st_size == size
    assert said == []
    (tmp_path / keeper.STATE_FILE).unlink()
    keeper._tell_state(tmp_path, 2.0, 0.0, said.append)
    assert said == [f"can't write {keeper.STATE_FILE}: No space left on device"]


def test_it_connects_anew_when_it_is_refused(tmp_path: Path) -> None:
    """A token that was read from a file when the run began is good for an hour."""
    leases, fresh = FakeLeases(), FakeLeases()
    asked: list[float] = []

    def refuse(*_: Any, **__: Any) -> Any:
        raise ApiError(401, "Unauthorized")

    def again() -> FakeLeases:
        asked.append(leases.now)
        return fresh

    plain, leases.stop_at = leases.request, 90
    leases.request = lambda *a, **o: plain(*a, **o) if leases.now < 30 else refuse()  # type: ignore[method-assign]
    assert keep(leases, tmp_path, again=again)[0]
    assert asked == [40]
    assert fresh.renewed
