# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease's keeper: a companion process that renews it while the controlling process lives.

Ansible has no place for something that goes on between tasks, and a run outlives every single task of it. The keeper
watches the process that it was started for (its id and its start time, so that a reused id is told apart). When that is
gone, the keeper goes too and leaves the lease to die by itself: nobody has said in which state the hosts are, so the
next run shall see who was here. Told to (SIGUSR1), it releases the lease; SIGTERM, which a service manager sends to
all that a session has started, is none of its business. When the lease is lost, it says so in
the file ``lost`` of the run's folder, which the gate reads, and goes.

An API server that is away for longer than the lease lives is away for other runs, too: the keeper goes on trying, for
as long as its patience is. Until the lease is renewed (if nobody has written to it meanwhile, and no run of another
namespace is at work) it has *lapsed*: the run begins nothing, for another one may take it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.kubeconfig import kubeconfig_paths
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock.lease import (
    Lease,
    LeaseHeld,
    LeaseLost,
    check_alone,
    release,
    renew,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock.process import alive, process_start
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

STATE_FILE = "keeper.json"
LOG_FILE = "keeper.log"
LOST_FILE = "lost"

RELEASE = signal.SIGUSR1
"""What tells a keeper to release the lease and go."""

_MODULE = "ansible_collections.friday.upgrade.plugins.plugin_utils.lock.keeper"
_LOOK_SECONDS = 1.0
_START_SECONDS = 30.0
_LATE = "the lease was not renewed in time: the API server does not answer, this machine slept, or the keeper hangs"
_STATE_BYTES = 512  # the state is written over itself, which takes no room on a full disk


@dataclass(frozen=True)
class Task:
    """What a keeper is started with: the lease, how to reach the cluster, and whom to watch."""

    lease: Lease
    kubeconfig: str
    context: str
    folder: str
    pid: int
    pid_started: str  # see process_start
    patience: float = 0.0  # seconds for which a lease that has lapsed is not given up


@dataclass(frozen=True)
class Running:
    """A keeper as its state file has it: its process, and when (seconds since the epoch) it last renewed the lease.

    ``until``: how long that is good, in seconds on the clock that goes on while the machine sleeps; 0: not known.
    ``released``: it has given the lease back. ``patience``: seconds after ``until`` in which it goes on trying.
    """

    pid: int
    pid_started: str
    renewed: float
    until: float = 0.0
    released: bool = False
    patience: float = 0.0


class KeeperError(KubeError):
    """The keeper could not be started. The message has the end of its log."""

    def __init__(self, message: str) -> None:
        super().__init__(Problem("lock", message, "the lease expires by itself; fix this, then run Friday again"))


def start(
    folder: Path, lease: Lease, watch: int, kubeconfig: str = "", context: str = "", patience: float = 0.0
) -> int:
    """Start a keeper for ``lease`` and return its process id, once it has renewed the lease for the first time.

    Args:
        folder: the run's own; gets the state, the log and, if it comes to that, ``lost``.
        lease: as it was taken.
        watch: the controlling process (``ansible-playbook`` itself, not one of its workers).
        kubeconfig, context: as for :func:`cluster.connect.connect`.
        patience: seconds for which a lease that has lapsed is not given up, see :func:`lapsed`.

    Raises:
        KeeperError: it went away at once, or did not renew the lease in time.
        KubeError: there is no such kubeconfig.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (STATE_FILE, LOST_FILE):
        (folder / name).unlink(missing_ok=True)
    # It works in another folder, so that paths have to be whole: also those of the environment.
    paths = os.pathsep.join(str(path.absolute()) for path in kubeconfig_paths(kubeconfig))
    task = Task(lease, paths, context, str(folder.absolute()), watch, process_start(watch), patience)
    with (folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, json.dumps(to_data(task))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_search_path())},
            start_new_session=True,
        )
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        running = read_state(folder)
        if running:
            return running.pid
        if process.poll() is not None:
            break
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()  # SIGTERM is none of its business
    raise KeeperError(f"the lease's keeper did not start: {_tail(folder / LOG_FILE)}")


def stop(folder: Path, pid: int, timeout: float = 30.0) -> str:
    """Tell the keeper (process ``pid``) of a run to release the lease and go; return what went wrong, if anything."""
    running = read_state(folder)
    if running is None or running.pid != pid:
        return f"process {pid} is not the keeper of this run"
    if not alive(pid, running.pid_started):
        return lost(folder)
    os.kill(pid, RELEASE)
    end = time.monotonic() + timeout
    while alive(pid, running.pid_started):
        if time.monotonic() > end:
            return f"its keeper (process {pid}) did not end within {timeout:g} s"
        time.sleep(0.05)
    running = read_state(folder)
    return "" if running and running.released else _tail(folder / LOG_FILE)


def lost(folder: Path) -> str:
    """Return why the lease was lost, empty while it wasn't. A keeper that died counts: nobody renews the lease then."""
    try:
        return (folder / LOST_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        pass
    running = read_state(folder)
    if running and not alive(running.pid, running.pid_started):
        return f"the lease's keeper (process {running.pid}) is gone: {_tail(folder / LOG_FILE)}"
    return _LATE if running and 0 < running.until < boottime() - running.patience else ""


def lapsed(folder: Path) -> str:
    """Return why the lease isn't known to be ours at this moment; empty while it is, and when it is lost.

    It was not renewed in time. Whether that is a loss, the keeper still tries to find out.
    """
    running = read_state(folder)
    return _LATE if running and 0 < running.until < boottime() and not lost(folder) else ""


def boottime() -> float:
    """Seconds on a clock that is never set, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def read_state(folder: Path) -> Running | None:
    """Return the keeper that was last started for the run, None when there is none."""
    try:
        return from_data(Running, json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def keep(
    api: Api,
    task: Task,
    stopped: threading.Event,
    *,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] | None = None,
    say: Callable[[str], None] = print,
    again: Callable[[], Api] | None = None,
) -> bool:
    """Renew the lease each third of its time to live; true when it was released, false when it is left or lost.

    Raises KubeError when the lease can't be released.

    ``again`` connects anew: what was read when the run began, a token in a file say, may be good no more.
    An API server that doesn't answer is asked again until the time to live and the task's patience are over since the
    start of the last renewal that worked. Another run that has come meanwhile is seen: by what it has written into the
    lease, or by its own one.
    """
    folder, lease = Path(task.folder), task.lease
    monotonic = monotonic or boottime
    last, since = monotonic(), lease.written
    due, renewed, until = last, 0.0, 0.0
    while not stopped.is_set():
        if not alive(task.pid, task.pid_started):
            say(f"process {task.pid} is gone: leaving the lease to expire")
            return False
        if monotonic() - last >= lease.ttl + task.patience:
            return _lose(folder, f"the lease could not be renewed for {lease.ttl + task.patience:g} s", say)
        if monotonic() >= due:
            began = monotonic()
            try:
                lease = renew(api, lease, clock=clock)
                # To others it may have looked abandoned. Half of its life: who came just then is to be seen as well.
                if monotonic() - last >= lease.ttl / 2:
                    check_alone(api, lease, since=since, clock=clock)
                last, since, due = began, lease.written, began + lease.ttl / 3
                renewed, until = clock(), boottime() + began + lease.ttl - monotonic()
                _tell_state(folder, renewed, until, say, patience=task.patience)
            except (LeaseLost, LeaseHeld) as error:
                return _lose(folder, str(error), say)
            except KubeError as error:
                say(f"can't renew the lease: {error}")
                due = began + lease.ttl / 12
                with contextlib.suppress(KubeError):  # the next attempt says why it fails
                    api = again() if again else api
        stopped.wait(min(_LOOK_SECONDS, lease.ttl / 12))
    if not release(api, lease, clock=clock):
        return _lose(folder, "the lease was no longer ours", say)
    say("lease released")
    _tell_state(folder, renewed, until, say, released=True)
    return True


def main(argument: str) -> int:
    """Run the keeper's process; ``argument`` is the JSON of a :class:`Task`."""
    task = from_data(Task, json.loads(argument))
    stopped = threading.Event()
    signal.signal(RELEASE, lambda _number, _frame: stopped.set())
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def say(text: str) -> None:
        with contextlib.suppress(OSError):  # its log may be on a full disk
            print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text, flush=True)

    try:
        # A request must not take longer than there is left to try again.
        timeout = max(1.0, min(10.0, task.lease.ttl / 6))

        def reach() -> Api:
            return connect(task.kubeconfig, task.context, timeout=timeout)

        return 0 if keep(reach(), task, stopped, say=say, again=reach) else 1
    except KubeError as error:
        say(str(error))
        return 1


def _tell_state(
    folder: Path,
    now: float,
    until: float,
    say: Callable[[str], None],
    *,
    released: bool = False,
    patience: float = 0.0,
) -> None:
    """Say that this keeper lives, and until when the lease is good, see :class:`Running`."""
    running = Running(os.getpid(), process_start(os.getpid()), now, until, released, patience)
    text = json.dumps(dataclasses.asdict(running)).ljust(_STATE_BYTES)
    path = folder / STATE_FILE
    try:
        if path.exists():
            with path.open("r+", encoding="utf-8") as file:
                file.write(text)
        else:
            _write_file(path, text)
    except OSError as error:
        say(f"can't write {STATE_FILE}: {error.strerror}")


def _lose(folder: Path, reason: str, say: Callable[[str], None]) -> bool:
    say(f"lease lost: {reason}")
    with contextlib.suppress(OSError):  # a keeper that is gone says as much, see lost()
        _write_file(folder / LOST_FILE, reason + "\n")
    return False


def _write_file(path: Path, text: str) -> None:
    """Replace a file whole, so that a reader never meets half of it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _search_path() -> list[str]:
    """Where the new process finds this very module and our packages, from a bare checkout too (``collections/``)."""
    here = Path(__file__).absolute()
    found = [parent.parent for parent in here.parents if parent.name == "ansible_collections"]
    # A loader that has resolved the checkout's link: the link is beside us.
    root = found[0] if found else here.parents[3] / "collections"
    return [str(root), *(str(Path(entry).absolute()) for entry in sys.path if entry)]


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return " | ".join(lines[-3:]) or "its log is empty"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
