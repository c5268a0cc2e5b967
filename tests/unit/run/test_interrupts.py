# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ctrl-C, in a process of its own: what is left of it, in ways that are not the plain one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.run import halt

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import os, signal, sys
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import interrupts
interrupts.soften(sys.argv[1])
{before}
os.kill(os.getpid(), signal.SIGINT)
print("goes on", flush=True)
{after}
"""


def run(folder: Path, before: str = "", after: str = "", stderr: int | None = None) -> Any:
    command = [sys.executable, "-c", PROGRAM.format(before=before, after=after), str(folder)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/collections"}
    return subprocess.run(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=stderr, check=False, timeout=60
    )


def test_the_first_asks_to_halt_and_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "goes on\n")
    assert "Ctrl-C: finishing the running steps" in done.stderr
    assert halt.asked(tmp_path) == "it was interrupted (Ctrl-C)"


def test_the_second_ends_it(tmp_path: Path) -> None:
    done = run(tmp_path, after="os.kill(os.getpid(), signal.SIGINT); print('not here')", stderr=subprocess.PIPE)
    assert "not here" not in done.stdout
    assert "KeyboardInterrupt" in done.stderr
    assert "friday.upgrade.status" in done.stderr


def test_a_reader_that_has_gone_does_no_harm(tmp_path: Path) -> None:
    """``friday.yml 2>&1 | tee log``: the terminal's Ctrl-C has ended tee as well."""
    done = run(tmp_path, before="read, write = os.pipe(); os.dup2(write, 2); os.close(read)")
    assert (done.returncode, done.stdout) == (0, "goes on\n")
    assert halt.asked(tmp_path)


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, again: bool) -> None:
    """Then nobody but this process knows that it was asked; the second one still ends it."""
    after = "os.kill(os.getpid(), signal.SIGINT); print('not here')" if again else ""
    done = run(tmp_path / "missing", after=after, stderr=subprocess.PIPE)
    assert done.stdout == "goes on\n"
    assert bool(done.returncode) is again
