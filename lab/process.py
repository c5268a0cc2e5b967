# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Background processes of the lab: started detached, known by a pid file, ended by exactly that pid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.progress import Patience


class ProcessError(RuntimeError):
    """A background process of the lab did not start or did not stay."""


@dataclass(frozen=True)
class Daemon:
    """A long-running program with its folder (its working directory), where ``NAME.log`` and ``NAME.pid`` lie.

    The pid file also keeps the process's start time from ``/proc/PID/stat``: after a reboot of the host, or when the
    number was given to somebody else, the pair does not match and the process counts as gone. So the lab never
    signals a process that it did not start.
    """

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def start(
        self,
        command: Sequence[str | Path],
        *,
        program: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it in a session of its own. ``program`` is what to execute when ``command[0]`` is only a name to go by.

        Does nothing when it runs already. Output is added to the log.
        """
        if self.pid() is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                executable=str(program) if program else None,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        identity = {"pid": process.pid, "started": _start_time(process.pid)}
        partial = self.pid_file.with_suffix(".pid.partial")
        partial.write_text(json.dumps(identity) + "\n")
        partial.rename(self.pid_file)

    def pid(self) -> int | None:
        """Its process id while it runs, else ``None``."""
        try:
            identity = json.loads(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        pid = int(identity["pid"])
        return pid if identity["started"] is not None and _start_time(pid) == identity["started"] else None

    def stop(self, sign: signal.Signals = signal.SIGTERM, patience: float = 15.0) -> None:
        """Send ``sign``, wait ``patience`` seconds for its end, then kill it. Nothing running is fine."""
        pid = self.pid()
        if pid is not None:
            for sent, seconds in ((sign, patience), (signal.SIGKILL, 10.0)):
                _signal(pid, sent)
                if self._gone(seconds):
                    break
            else:
                raise ProcessError(f"{self.name} (pid {pid}) did not end, even after SIGKILL; see {self.log}")
        self.pid_file.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise ``ProcessError`` with the log's last lines if it does not run."""
        if self.pid() is None:
            raise ProcessError(f"{self.name} is not running; the end of {self.log}:\n{tail(self.log)}")

    def logged(self) -> int:
        """How much it has logged (bytes): grows while it makes progress."""
        return self.log.stat().st_size if self.log.exists() else 0

    def wait_for_port(self, port: int, patience: float = 60.0) -> None:
        """Wait until it takes connections on the loopback's TCP ``port``.

        Raises ``ProcessError`` if it ended, or has logged nothing for ``patience`` seconds.
        """
        waiting = Patience(patience)
        while True:
            self.check()  # first, so that another program on the same port does not pass for this one
            try:
                socket.create_connection(("127.0.0.1", port), timeout=2).close()
            except OSError as error:
                if waiting.exhausted(self.logged()):
                    raise ProcessError(
                        f"{self.name} is not listening on port {port}: {error}; see {self.log}"
                    ) from error
                time.sleep(0.1)
            else:
                time.sleep(0.2)
                return self.check()

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.pid() is None:
                return True
            time.sleep(0.05)
        return self.pid() is None


def run_to_its_end(command: Sequence[str | Path], folder: Path) -> int:
    """Run a program in the foreground, in ``folder``, and return its exit code.

    A terminal sends its Ctrl-C to the program, too, which may have something to bring to an end: that is waited for,
    and ``KeyboardInterrupt`` raised then.
    """
    process = subprocess.Popen([str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL)
    interrupted = False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            continue
        if interrupted:
            raise KeyboardInterrupt
        return code


def tail(path: Path, lines: int = 12) -> str:
    """The last ``lines`` lines of a text file, or a note that there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no such file)"


def _signal(pid: int, sent: signal.Signals) -> None:
    try:
        os.kill(pid, sent)
    except ProcessLookupError:
        pass


def _start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (field 22 of proc_pid_stat(5)).

    ``None`` if it is gone or a zombie.
    """
    try:
        os.waitpid(pid, os.WNOHANG)  # collects it if it is our own child, so that it does not linger as a zombie
    except (ChildProcessError, ProcessLookupError):
        pass
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
