# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Fridays are started from: a home, a state folder, an inventory; and the runs of ansible-playbook there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from tests.fleet.world import Way, World, wait_for
from tests.playbooks.canaries import Canaries
from tests.playbooks.machines import entering

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 300  # seconds for one run
NAMESPACE = "friday"  # the default of friday_namespace
POLICY: Mapping[str, object] = {
    "friday_soak": 1,
    "friday_soak_interval": 1,
    "friday_canary": "n1",  # its zone has another two, for a wave of two early on
    "friday_wave_sizes": ["2"],
    "friday_max_unavailable_per_zone": "100%",  # a zone of two is a wave of two
    "friday_drain_timeout": 60,
    "friday_verify_timeout": 30,
    "friday_check_interval": 1,
    "friday_lease_ttl": 15,
}


@dataclass
class Started:
    """An ansible-playbook that runs, or ran. ``earlier`` is how many runs there were before it."""

    process: subprocess.Popen[str]
    pen: subprocess.Popen[bytes]
    log: Path
    earlier: int

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> int:
        """Its exit code."""
        try:
            code = self.process.wait(LIMIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.pen.wait(2)  # longer only if somebody else has kept the run's output
            return code
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the run has not ended within {LIMIT} s:\n{self.output[-3000:]}") from None

    def kill(self) -> None:
        """SIGKILL for all of it: what a dead controller leaves behind is in the cluster, and on its disk."""
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def family(self) -> list[int]:
        """The run's processes, but for the lease's keeper: that one leaves by itself."""
        return _family(self.process.pid)


class Disk:
    """A disk of its own for a controller's state: a tmpfs in a mount namespace, which a process keeps alive.

    ``seen`` is the folder as it is seen from here.
    """

    def __init__(self, folder: Path, kib: int) -> None:
        folder.mkdir(parents=True)
        mount = f"mount -t tmpfs -o size={kib}k tmpfs '{folder}' && echo ready && exec sleep infinity"
        self._keeper = subprocess.Popen([*entering(), "sh", "-c", mount], stdout=subprocess.PIPE)
        assert self._keeper.stdout
        assert self._keeper.stdout.readline() == b"ready\n"
        self._user = "--map-root-user" in entering()
        self.seen = Path(f"/proc/{self._keeper.pid}/root{folder}")

    def within(self) -> list[str]:
        """The command that runs another where the disk is."""
        user = ["--user", "--preserve-credentials"] if self._user else []
        return ["nsenter", f"--target={self._keeper.pid}", "--mount", *user, f"--wd={ROOT}"]

    def free(self) -> None:
        """Undo :meth:`fill`."""
        (self.seen / "ballast").unlink()

    def fill(self) -> None:
        """Leave no room on it."""
        with (self.seen / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"0" * 4096):
                pass

    def end(self) -> None:
        self._keeper.kill()
        self._keeper.wait()


class Controller:
    """One controller. Several share the cluster, not their disks.

    ``state`` is its state folder, as it is seen from here. ``disk_kib``: the folder is on a disk of that size.
    Friday runs from this checkout; a subclass may have it from elsewhere (:meth:`command`, :meth:`book`).
    """

    cwd = ROOT

    def __init__(
        self,
        folder: Path,
        world: World,
        kubeconfig: Path,
        way: Way,
        core: Sequence[str] = (),
        disk_kib: int = 0,
    ) -> None:
        self.folder, self.world, self.way = folder, world, way
        self._state = folder / "state"
        self.disk = Disk(self._state, disk_kib) if disk_kib else None
        self.state = self.disk.seen if self.disk else self._state
        self.settings: dict[str, str] = {}  # Ansible's, from the environment
        self.core = core or (f"{sys.prefix}/bin/ansible-playbook",)
        self._runs = 0
        self._started: list[Started] = []
        folder.mkdir(parents=True, exist_ok=True)
        self.secrets = Canaries()
        self.kubeconfig = self.secrets.kubeconfig(kubeconfig, server=f"https://127.0.0.1:{way.port}")
        (folder / "inventory/group_vars").mkdir(parents=True)
        self.inventory(world.machines)

    def inventory(self, hosts: Iterable[str]) -> None:
        """Write the inventory: these hosts."""
        variables = {name: {**self.world.machines[name].variables(), **self.secrets.host_variables()} for name in hosts}
        (self.folder / "inventory/hosts.yml").write_text(json.dumps({"all": {"hosts": variables}}))

    def leaks(self) -> list[str]:
        """Where a secret that was given to its runs can be read: on the console, disks, machines, in the cluster."""
        own = [path for path in self.folder.rglob("*") if self.folder / "inventory" not in path.parents]
        found = self.secrets.seen_in_files([*own, *self.state.rglob("*")])
        logs = [path for machine in self.world.machines.values() for path in (machine.folder / "var/log").rglob("*")]
        found |= self.secrets.seen_in_files(logs)
        for path in ("/api/v1/configmaps", "/apis/coordination.k8s.io/v1/leases", "/api/v1/nodes"):
            with contextlib.suppress(ApiError):
                if names := self.secrets.seen_in(json.dumps(list(self.world.api.items(path)))):
                    found[path] = names
        return [f"secrets in {place}: {', '.join(names)}" for place, names in found.items()]

    def start(self, playbook: str = "friday.yml", *options: str, callbacks: str = "", **variables: object) -> Started:
        """Start a run; ``variables`` are added to those of every run here. ``callbacks``: those that are enabled."""
        own = {"friday_kubeconfig": str(self.kubeconfig), "friday_state_dir": str(self._state)}
        own["friday_notify"] = [{"url": self.secrets.webhook()}]  # nobody listens there
        path = self.folder / "inventory/group_vars/all.yml"
        path.write_text(json.dumps({**POLICY, **own, **variables}))
        self._runs += 1
        earlier = len(self.runs())
        log = self.folder / f"run-{self._runs}.log"
        environment = self.environment()
        if callbacks:
            environment["ANSIBLE_CALLBACKS_ENABLED"] = callbacks
        with log.open("w") as output:
            # Not the run itself writes the file: it may be told that there is no room for any.
            pen = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output)
        process = subprocess.Popen(
            self.command(*self.core, "-i", str(self.folder / "inventory"), *options, self.book(playbook)),
            cwd=self.cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=pen.stdin,
            stderr=pen.stdin,
            text=True,
            start_new_session=True,
        )
        assert pen.stdin
        pen.stdin.close()
        self._started.append(Started(process, pen, log, earlier))
        return self._started[-1]

    def command(self, *words: str) -> list[str]:
        """The command that runs another one where Friday runs."""
        return [*(self.disk.within() if self.disk else ()), *words]

    def book(self, playbook: str) -> str:
        """What ansible-playbook is told for a playbook of this checkout."""
        return playbook

    def run(self, playbook: str = "friday.yml", *options: str, **variables: object) -> tuple[int, str]:
        """Run to the end; exit code and output."""
        started = self.start(playbook, *options, **variables)
        return started.wait(), started.output

    def status(self) -> dict[str, Any]:
        """What playbooks/status.yml says here, as data."""
        answer, book = self.folder / "status.json", self.folder / "status.yml"
        answer.unlink(missing_ok=True)
        copy = {"ansible.builtin.copy": {"content": "{{ status_result | to_json }}", "dest": str(answer)}}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [copy]}
        book.write_text(json.dumps([{"import_playbook": str(ROOT / "playbooks/status.yml")}, play]))
        code, output = self.run(str(book))
        assert code == 0, output
        said: dict[str, Any] = json.loads(answer.read_text())
        return said

    def end(self) -> None:
        """End what still runs of what was started here (an interrupted test), and take its disk away if it has one."""
        for each in self._started:
            if each.process.poll() is None:
                each.kill()
        if self.disk:
            self.disk.end()

    def runs(self) -> list[Path]:
        """Folders of its runs, the oldest first."""
        return sorted(path for path in self.state.glob("*-*-*") if path.is_dir())

    def written(self, started: Started) -> list[Event]:
        """Events of a run that was started here, as far as it has come."""
        return self._journal(started.earlier + 1)

    def events(self) -> list[Event]:
        """Journal of the last run; empty when there is none yet."""
        return list(journal.read(self.runs()[-1])) if self.runs() else []

    def record(self) -> RunRecord:
        """The fold of the last run's journal."""
        return fold(self.events())

    def await_event(self, started: Started, run: int, **wanted: Any) -> Event:
        """The first event of run number ``run`` (from 1) with these fields: kind, host, and others of its data."""

        def look() -> Event | None:
            assert len(self.runs()) >= run or started.process.poll() is None, started.output[-3000:]
            found = next((e for e in self._journal(run) if _fits(e, wanted)), None)
            assert found or started.process.poll() is None, f"it ended before {wanted}:\n{started.output[-3000:]}"
            return found

        found: Event = wait_for(f"event {wanted}", LIMIT, look)
        return found

    def await_record(self, started: Started, run: int, **wanted: Any) -> Event:
        """As :meth:`await_event`, and until the run's record in the cluster has come up to that event."""
        event = self.await_event(started, run, **wanted)

        def look() -> bool:
            record = cluster_record.read(self.world.api, NAMESPACE, event.run)
            known = record is not None and record.seq >= event.seq
            assert known or started.process.poll() is None, f"it ended before its record had {wanted}"
            return known

        wait_for(f"the record of {wanted}", LIMIT, look)
        return event

    def _journal(self, run: int) -> list[Event]:
        runs = self.runs()
        return list(journal.read(runs[run - 1])) if len(runs) >= run else []

    def environment(self) -> dict[str, str]:
        """What Friday's processes are started with."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests/fleet/connection"),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/fleet/callback"),
            **self.secrets.environment(),
            **self.settings,
        }


def _fits(event: Event, wanted: Mapping[str, Any]) -> bool:
    own = {"kind": event.kind.value, "host": event.host}
    return all({**event.data, **own}.get(name) == value for name, value in wanted.items())


def _family(pid: int) -> list[int]:
    """A process and all that descend from it, but the lease's keeper: that one leaves by itself."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if b"lock.keeper" not in command:
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found
