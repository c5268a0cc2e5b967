# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What protects this machine from these tests, and the tests from proving nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal
from tests.playbooks.machines import RUNNING, Machine
from tests.playbooks.runs import Run, Runner
from tests.playbooks.world import World


def test_a_machine_is_another_machine(tmp_path: Path) -> None:
    reached = Machine("node7").make(tmp_path)
    script = tmp_path / "AnsiballZ_node_facts.py"
    script.write_text("import sys; [print(open(path).read().strip()) for path in sys.argv[1:]]")
    files = ("/proc/sys/kernel/osrelease", "/proc/sys/kernel/random/boot_id")
    command = [str(reached["ansible_python_interpreter"]), str(script), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [RUNNING, Machine("node7").boot_id]


@pytest.mark.parametrize("arguments", [["AnsiballZ_packages.py"], ["AnsiballZ_command.py"], ["-c", "pass"], []])
def test_a_machine_runs_what_reads_only(tmp_path: Path, arguments: list[str]) -> None:
    reached = Machine("node7").make(tmp_path)
    command = [str(reached["ansible_python_interpreter"]), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 97
    assert "only what reads may run here" in done.stderr


def test_a_run_that_goes_to_work_is_caught(run: Runner, tmp_path: Path) -> None:
    journal.Journal(tmp_path).append("20261122-161500-3f2a", EventKind.WAVE_STARTED, data={"wave": 1})
    with pytest.raises(AssertionError, match="went to work"):
        run.hold(Run(0, "", tmp_path), tmp_path)


@pytest.mark.parametrize("where", ["output", "file", "command"])
def test_a_secret_that_is_shown_is_caught(run: Runner, tmp_path: Path, where: str) -> None:
    for secret in run.secrets.known.values():
        (tmp_path / "file").write_text(f"has {secret} in it" if where == "file" else "")
        output = f"posted to {secret}" if where == "output" else ""
        commands = frozenset({f"curl {secret}"} if where == "command" else ())
        with pytest.raises(AssertionError, match="secrets in"):
            run.hold(Run(0, output, None, commands), tmp_path)


def test_there_is_a_secret_in_everything_that_can_hold_one(run: Runner) -> None:
    assert {"webhook-path", "ansible_become_password", "proxy-password", "token", "client key", "exec-env"} <= {
        *run.secrets.known
    }


def test_a_change_in_the_cluster_is_caught(world: World) -> None:
    path = "/api/v1/nodes/node1"
    with pytest.raises(AssertionError), world.untouched(own_records=True):
        world.api.request("PATCH", path, body={"metadata": {"annotations": {"friday.upgrade/cordoned-by": "a run"}}})
    world.api.request("PATCH", path, body={"metadata": {"annotations": None}})
