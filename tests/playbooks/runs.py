# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the real ansible-playbook on the real playbooks, and read what it left behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal
from tests.playbooks.canaries import Canaries
from tests.playbooks.world import World

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ("report.html", "report.md", "report.json", journal.FILE_NAME)

_LIMIT_SECONDS = 180
_LOOK_SECONDS = 0.1
_TOUCHING = (EventKind.WAVE_STARTED, EventKind.STEP, EventKind.STATE, EventKind.FAILURE)

Hosts = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook. ``folder`` is what it left in the state folder, None when it left nothing."""

    code: int
    output: str
    folder: Path | None
    commands: frozenset[str] = frozenset()  # command lines of all processes, seen while it ran (when it was watched)

    @property
    def text(self) -> str:
        """The output with all white space made one blank: the console wraps its lines."""
        return " ".join(self.output.split())

    def path(self, name: str) -> Path:
        """A file of the run's folder."""
        assert self.folder, f"the run left no folder:\n{self.output}"
        return self.folder / name

    def events(self) -> list[Event]:
        """The journal."""
        return list(journal.read(self.path("")))

    def report(self) -> dict[str, Any]:
        """report.json."""
        data: dict[str, Any] = json.loads(self.path("report.json").read_text(encoding="utf-8"))
        return data

    def plan(self) -> Plan:
        """plan.json, through the model."""
        return from_data(Plan, json.loads(self.path("plan.json").read_text(encoding="utf-8")))

    def problems(self) -> dict[str, str]:
        """Subject -> messages of the problems in report.json."""
        found: dict[str, str] = {}
        for problem in self.report()["problems"]:
            found[problem["subject"]] = f"{found.get(problem['subject'], '')} {problem['message']}".strip()
        return found


@dataclass
class Runner:
    """Runs ansible-playbook, each time with folders of its own, and holds every run to what none may do.

    None starts a wave on a host, and none shows a secret: all of them have one in every variable that can hold one, in
    their kubeconfig and in their environment.
    """

    base: Path
    kubeconfig: Path
    world: World
    secrets: Canaries = field(default_factory=Canaries)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(
        self,
        playbook: str,
        *options: str,
        hosts: Hosts,
        variables: Mapping[str, object] | None = None,
        program: Sequence[str] = (),
        cwd: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        watched: bool = False,
    ) -> Run:
        """Run ``playbook`` (a path, or its name under the root) on an inventory of these hosts.

        Args:
            variables: of all hosts, beside those that every run needs; None takes such a one away.
            program: another ansible-playbook than that of this environment.
            watched: look at the command lines of all processes meanwhile.
        """
        number = next(self._numbers)
        base = self.base / f"run-{number}"
        state = base / "state"
        own = {"friday_state_dir": str(state), "friday_namespace": f"friday-{number}"}
        given = {**own, **(variables or {})}
        self.world.home(str(given["friday_namespace"]))
        inventory = self._inventory(base, hosts, given)
        command = [*(program or (f"{sys.prefix}/bin/ansible-playbook",)), "-i", str(inventory), *options, playbook]
        env = {**_plain_environment(base), **self.secrets.environment(), **(environment or {})}
        seen: set[str] = set()
        with _watching(seen) if watched else contextlib.nullcontext():
            done = subprocess.run(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_LIMIT_SECONDS,
                check=False,
            )
        folders = [path for path in state.iterdir() if path.is_dir()] if state.exists() else []
        assert len(folders) <= 1, "one run, one folder"
        run = Run(done.returncode, done.stdout, folders[0] if folders else None, frozenset(seen))
        self.hold(run, base)
        stored = self.secrets.seen_in(self.world.stored(str(given["friday_namespace"])))
        assert not stored, f"secrets in the cluster: {stored}"
        return run

    def _inventory(self, base: Path, hosts: Hosts, variables: Mapping[str, object]) -> Path:
        common = {
            "friday_kubeconfig": str(self.kubeconfig),
            "friday_notify": [{"url": self.secrets.webhook()}],
            **self.secrets.host_variables(),
            **variables,
        }
        folder = base / "inventory"
        (folder / "group_vars").mkdir(parents=True)
        (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
        # A line for each, as people write them: what is wrong with a variable may be told with its line.
        lines = yaml.safe_dump({k: v for k, v in common.items() if v is not None}, width=10_000)
        (folder / "group_vars/all.yml").write_text(lines)
        return folder

    def hold(self, run: Run, base: Path) -> None:
        """Fail the test when a run has done what none may do. ``base`` has all its folders."""
        assert "Traceback (most recent call last)" not in run.output, run.output
        shown = self.secrets.seen_in(run.output)
        assert not shown, f"secrets in the output: {shown}"
        files = [path for path in base.rglob("*") if base / "inventory" not in path.parents]
        written = self.secrets.seen_in_files(files)
        assert not written, f"secrets in files: {written}"
        commands = {command: self.secrets.seen_in(command) for command in run.commands}
        assert not [command for command, names in commands.items() if names], "secrets in the list of processes"
        if run.folder:
            touched = [event for event in run.events() if event.kind in _TOUCHING]
            assert not touched, f"this run went to work on a host:\n{run.output}"


def _plain_environment(base: Path) -> dict[str, str]:
    """An environment without this machine's settings of Ansible, Kubernetes and Friday, and with a home of its own."""
    home, temporary = base / "home", base / "tmp"
    home.mkdir()
    temporary.mkdir()
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
    ansible = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_REMOTE_TEMP": str(base / "remote")}
    plain = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(temporary)}
    return {**plain, **ansible, **folders}


@contextlib.contextmanager
def _watching(seen: set[str]) -> Iterator[None]:
    """Collect the command lines of all processes."""
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(_LOOK_SECONDS):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
