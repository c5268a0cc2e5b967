# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machine that a module runs on: its files and its programs, behind one class that a test can replace."""

from __future__ import annotations

import glob
import os
import signal
import subprocess
import tempfile
import time
from typing import IO, Any, NamedTuple

# A module may be started with an environment that has no sbin (a user's, through sudo).
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Unreadable(Exception):
    """Something could not be read or asked; the text is the reason, for a person."""


class StillRunning(Exception):
    """A program was left running because ending it would do harm.

    Attributes:
        pid: its process id.
        output: what it has written so far.
    """

    def __init__(self, pid: int, output: str) -> None:
        super().__init__(f"process {pid} is still running")
        self.pid = pid
        self.output = output


class Result(NamedTuple):
    """What a program left: exit code, standard output, standard error (empty where it was merged into the output)."""

    rc: int
    out: str
    err: str

    def reason(self) -> str:
        """The line that says why it failed: the first error of apt's kind, else the last line written."""
        lines = [line.strip() for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("E:", "Error:", "error:", "dpkg: error"))]
        stderr = [line.strip() for line in self.err.splitlines() if line.strip()]
        best = errors[:1] or stderr[-1:] or lines[-1:] or [f"exit code {self.rc}"]
        return best[0][:300]


class System:
    """Files below ``root`` and programs of the running system."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, name: str) -> str:
        """Where the absolute path ``name`` lies."""
        return os.path.join(self.root, name.lstrip("/"))

    def exists(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def size(self, name: str) -> int:
        """Size in bytes; 0 when it is not there."""
        try:
            return os.stat(self.path(name)).st_size
        except OSError:
            return 0

    def glob(self, pattern: str) -> list[str]:
        """Absolute names that match, in order."""
        prefix = len(self.root.rstrip("/"))
        return sorted(found[prefix:] for found in glob.glob(self.path(pattern)))

    def read(self, name: str) -> str:
        """Text of a file.

        Raises:
            Unreadable: it is not there, or may not be read.
        """
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError as error:
            raise Unreadable(f"{name}: {error.strerror}") from error

    def find(self, program: str) -> str:
        """Path of a program, or an empty string."""
        for folder in SEARCH_PATH.split(":"):
            candidate = os.path.join(folder, program)
            if os.access(self.path(candidate), os.X_OK):
                return candidate
        return ""

    def run(
        self, argv: list[str], timeout: float = 60.0, env: dict[str, str] | None = None, folder: str | None = None
    ) -> Result:
        """Run a program that only reads, or that may be ended at any time, in ``folder``.

        Raises:
            Unreadable: the program is not there, or was ended after ``timeout`` seconds.
        """
        with _start(argv, env, subprocess.PIPE, subprocess.PIPE, folder) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise Unreadable(f"{argv[0]} did not answer within {timeout:.0f} s") from None
        return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def read_from(self, argv: list[str], timeout: float = 60.0, env: dict[str, str] | None = None) -> str:
        """Standard output of a program that has to succeed.

        Raises:
            Unreadable: as in :meth:`run`, and when its exit code is not 0.
        """
        result = self.run(argv, timeout, env)
        if result.rc:
            raise Unreadable(f"{' '.join(argv[:2])}: {result.reason()}")
        return result.out

    def run_to_end(self, argv: list[str], timeout: float, env: dict[str, str] | None = None) -> Result:
        """Run a program that must not be ended half-way (dpkg at work), with both outputs as one text in ``out``.

        It writes to a file and has a session of its own, so that it outlives this process and its connection.

        Raises:
            Unreadable: the program is not there.
            StillRunning: it took longer than ``timeout`` seconds; it goes on.
        """
        with tempfile.TemporaryFile() as output:
            process = _start(argv, env, output, subprocess.STDOUT)
            try:
                process.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                raise StillRunning(process.pid, _text(output)) from None
            return Result(process.returncode, _text(output), "")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def clock(self) -> float:
        """Seconds on a clock that only goes forward."""
        return time.monotonic()


def _start(
    argv: list[str], env: dict[str, str] | None, out: Any, err: int, folder: str | None = None
) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", "LANGUAGE": "C", **(env or {})}
    try:
        return subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
        )
    except OSError as error:
        raise Unreadable(f"{argv[0]}: {error.strerror}") from error


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def tail(text: str, lines: int = 40, width: int = 300) -> list[str]:
    """The last lines of a text, without empty ones, cut to ``width`` characters."""
    return [line.rstrip()[:width] for line in text.splitlines() if line.strip()][-lines:]
