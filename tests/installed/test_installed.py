# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The installed collection does all that the checkout does, and needs nothing of that."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.fleet import aborts
from tests.fleet.stage import Stage
from tests.installed.installs import ROOT, Install, InstalledController


def test_nothing_of_the_checkout_is_there(install: Install) -> None:
    """Or what follows would prove nothing."""
    look = [
        "sh",
        "-c",
        f"cat {ROOT}/galaxy.yml {ROOT}/ansible.cfg; ls {ROOT}/plugins {ROOT}/playbooks {ROOT}/collections",
    ]
    seen = subprocess.run(install.away(look, {}), capture_output=True, text=True, check=True).stdout
    assert seen.split() == [f"{ROOT}/{name}:" for name in ("collections", "playbooks", "plugins")]
    listed = install.call("ansible-galaxy", "collection", "list")
    assert listed.returncode == 0, listed.stdout
    assert "friday.upgrade 0.1.0" in " ".join(listed.stdout.split())
    assert str(install.folder) in listed.stdout
    assert str(ROOT) not in listed.stdout


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A host that answers at once, with a problem of its own."""
    host = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "/nonexistent/python3",
    }
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"all": {"hosts": {"node1": host}}}))
    return path


def test_a_friday_and_what_comes_after_it(stage: Stage, install: Install) -> None:
    """Ctrl-C stops a Friday; plan and rehearsal of the rest; one that is killed; what is said and done then."""
    make = functools.partial(InstalledController, install=install)
    with stage.fleet({"n1": "a", "n2": "b", "n3": "c"}, make=make) as (world, controller):
        assert aborts.play(world, controller, "SIGINT", "canary", "upgrade") == []
        shown = (controller.folder / "run-1.log").read_text()
        assert set(re.findall(r"^fatal: \[([^]]+)\]", shown, re.MULTILINE)) == {"n1", "localhost"}
        run = controller.runs()[-1]
        assert (run / "report.html").exists()
        code, output = controller.run("playbooks/status.yml")
        assert code == 0, output
        assert "lock free" in " ".join(output.split())
        assert run.name in output

        for name in ("plan", "rehearse"):
            code, output = controller.run(f"playbooks/{name}.yml")
            assert code == 0, output
            assert "; nothing was changed" in output
            assert "[WARNING]" not in output, "what Ansible shows by default is as quiet as what the checkout shows"

        started = controller.start()
        controller.await_event(started, 4, kind="step", host="n1")
        started.kill()
        dead = controller.runs()[-1].name
        reason = {"friday_unlock_run": dead, "friday_unlock_reason": "killed by the test"}
        code, output = controller.run("playbooks/unlock.yml", **reason)
        assert code == 0, output
        code, output = controller.run("playbooks/status.yml")
        assert code == 0, output
        words = " ".join(output.split())
        assert "lock free" in words
        assert "killed by the test" in words


@pytest.mark.parametrize("name", ["friday", "status", "unlock"])
def test_without_the_kubernetes_package(install: Install, inventory: Path, tmp_path: Path, name: str) -> None:
    """One problem among the others, with the fix; no traceback, of whatever comes after it."""
    lacking = install.without("kubernetes", tmp_path / "environment")
    given = {
        "status": {},
        "unlock": {"friday_unlock_run": "20261122-161500-3f2a", "friday_unlock_reason": "gone"},
    }.get(name, {"friday_sock": 1})
    options = ["-i", str(inventory), "-e", json.dumps(given)]
    done = lacking.call("ansible-playbook", *options, f"friday.upgrade.{name}")
    words, python = " ".join(done.stdout.split()), lacking.core.playbook[0]
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    assert "Unexpected" not in done.stdout
    assert f"kubernetes: the Python that runs Ansible, {python}, cannot import this package: No module named" in words
    assert f"install it for this Python: `{python} -m pip install kubernetes`" in words
    if name == "friday":
        assert "3 problems to solve before anything is touched" in words
        assert "friday_sock: there is no such variable" in words
        assert "node1: " in words
        report = words.partition(" report ")[2].partition(" ")[0]
        assert "not installed" in Path(report).read_text()


def test_without_the_line_in_ansible_cfg(install: Install, inventory: Path) -> None:
    """What somebody meets who has installed it, and no more."""
    install.settings(callback=False)
    try:
        done = install.call("ansible-playbook", "-i", str(inventory), "friday.upgrade.friday")
    finally:
        install.settings(callback=True)
    words = " ".join(done.stdout.split())
    assert done.returncode == 2, done.stdout
    assert f"`callbacks_enabled=friday.upgrade.journal` under [defaults] in {install.work}/ansible.cfg" in words
    assert "~/.kube/config: no such file" in words, "with all other problems"
