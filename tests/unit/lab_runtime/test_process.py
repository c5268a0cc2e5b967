# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Background processes: known by pid and start time, ended by nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.process import Daemon, ProcessError, run_to_its_end, tail


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon("sleeper", tmp_path)
    yield daemon
    daemon.stop()


def test_starts_once_logs_and_stops(daemon: Daemon) -> None:
    daemon.start(["sh", "-c", "echo hello; exec sleep 60"])
    first = daemon.pid()
    daemon.start(["false"])
    assert first is not None and daemon.pid() == first
    daemon.check()
    while "hello" not in tail(daemon.log):
        time.sleep(0.01)
    daemon.stop()
    assert daemon.pid() is None and not daemon.pid_file.exists()
    assert daemon.log.read_text() == "hello\n"


def test_one_that_ignores_the_signal_is_killed(daemon: Daemon) -> None:
    daemon.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    while "ready" not in tail(daemon.log):
        time.sleep(0.01)
    daemon.stop(patience=0.2)
    assert daemon.pid() is None


def test_another_process_under_the_same_number_is_left_alone(daemon: Daemon) -> None:
    daemon.pid_file.write_text(json.dumps({"pid": os.getpid(), "started": 1}))
    assert daemon.pid() is None
    daemon.stop()  # would end this very test


def test_one_that_ended_is_reported_with_its_last_words(daemon: Daemon) -> None:
    daemon.start(["sh", "-c", "echo no disk"])
    while daemon.pid() is not None:
        time.sleep(0.01)
    with pytest.raises(ProcessError, match="no disk"):
        daemon.check()


def test_runs_a_program_under_another_name(daemon: Daemon) -> None:
    daemon.start(["shown", "60"], program=Path("/bin/sleep"), environment={"LAB": "1"})
    pid = daemon.pid()
    assert pid is not None
    environment = Path(f"/proc/{pid}/environ")
    while daemon.pid() == pid and not environment.read_bytes():
        time.sleep(0.01)  # the kernel shows it a moment after the program was started
    assert b"LAB=1" in environment.read_bytes()


ENDS_LATER = """
import os, pathlib, signal, time
def end(number, frame):
    time.sleep(1)
    pathlib.Path("ended").touch()
    os._exit(7)
signal.signal(signal.SIGINT, end)
pathlib.Path("begun").touch()
time.sleep(60)
"""
WAITS = f"""
import sys
from pathlib import Path
from lab.process import run_to_its_end
try:
    run_to_its_end([sys.executable, "-c", {ENDS_LATER!r}], Path(sys.argv[1]))
except KeyboardInterrupt:
    sys.exit(0 if Path(sys.argv[1], "ended").exists() else 2)
"""


def test_what_a_ctrl_c_has_to_bring_to_an_end_is_waited_for(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen([sys.executable, "-c", WAITS, str(tmp_path)], cwd=root, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_the_exit_code_of_what_was_run(tmp_path: Path) -> None:
    assert run_to_its_end(["sh", "-c", "exit 7"], tmp_path) == 7
