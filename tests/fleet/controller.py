# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Fridays are started from: a home, a state folder, an inventory; and the runs of ansible-playbook there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import journal
from tests.fleet.world import Way, World, wait_for

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 300  # seconds for one run
POLICY: Mapping[str, object] = {
    "friday_soak": 1,
    "friday_soak_interval": 1,
    "friday_wave_sizes": ["1", "2"],
    "friday_drain_timeout": 60,
    "friday_verify_timeout": 30,
    "friday_lease_ttl": 15,
}


@dataclass
class Started:
    """An ansible-playbook that runs, or ran."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> int:
        """Its exit code."""
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the run has not ended within {LIMIT} s:\n{self.output[-3000:]}") from None

    def kill(self) -> None:
        """SIGKILL for all of it: what a dead controller leaves behind is in the cluster, and on its disk."""
        for pid in _family(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Controller:
    """One controller. Several share the cluster, not their disks."""

    def __init__(self, folder: Path, world: World, kubeconfig: Path, way: Way, core: Sequence[str] = ()) -> None:
        self.folder, self.world, self.way = folder, world, way
        self.state = folder / "state"
        self.core = core or (f"{sys.prefix}/bin/ansible-playbook",)
        self._runs = 0
        folder.mkdir(parents=True)
        config = yaml.safe_load(kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{way.port}"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(config))
        hosts = {name: machine.variables() for name, machine in world.machines.items()}
        (folder / "inventory/group_vars").mkdir(parents=True)
        (folder / "inventory/hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))

    def start(self, playbook: str = "friday.yml", *options: str, **variables: object) -> Started:
        """Start a run; ``variables`` are added to those of every run here."""
        own = {"friday_kubeconfig": str(self.kubeconfig), "friday_state_dir": str(self.state)}
        path = self.folder / "inventory/group_vars/all.yml"
        path.write_text(json.dumps({**POLICY, **own, **variables}))
        self._runs += 1
        log = self.folder / f"run-{self._runs}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*self.core, "-i", str(self.folder / "inventory"), *options, playbook],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        return Started(process, log)

    def run(self, playbook: str = "friday.yml", *options: str, **variables: object) -> tuple[int, str]:
        """Run to the end; exit code and output."""
        started = self.start(playbook, *options, **variables)
        return started.wait(), started.output

    def runs(self) -> list[Path]:
        """Folders of its runs, the oldest first."""
        return sorted(path for path in self.state.glob("*-*-*") if path.is_dir())

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

    def _journal(self, run: int) -> list[Event]:
        runs = self.runs()
        return list(journal.read(runs[run - 1])) if len(runs) >= run else []

    def _environment(self) -> dict[str, str]:
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
        if b"act.keeper" not in command:
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found
