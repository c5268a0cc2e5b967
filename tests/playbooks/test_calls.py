# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of ansible-playbook that would leave out a part: refused in every case, and never with exit code 0."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.playbooks.cores import Environment
from tests.playbooks.runs import ROOT, Hosts, Runner
from tests.playbooks.world import World

PLAYBOOKS = ("friday.yml", "playbooks/plan.yml")
PARTIAL = {
    "limit": ("--limit", "node1"),
    "limit that keeps the guard": ("--limit", "node1,localhost"),
    "tags": ("--tags", "upgrade"),
    "skip-tags": ("--skip-tags", "always"),
    "start at a task": ("--start-at-task", "Upgrade the planned packages"),
    "start at a task of Friday's name": ("--start-at-task", "friday.upgrade.upgrade : Upgrade the planned packages"),
    "start at no task": ("--start-at-task", "no such task"),
    "step": ("--step",),
}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
@pytest.mark.parametrize("options", PARTIAL.values(), ids=PARTIAL)
def test_a_part_is_refused(run: Runner, world: World, outdated: Hosts, playbook: str, options: tuple[str, ...]) -> None:
    with world.untouched():
        done = run(playbook, *options, hosts=outdated)
    assert done.code not in (0, 99), done.output
    assert "1 problem to solve before anything is touched: 1. " + options[0] in done.text
    assert "TASK [" not in done.output, "no task ran"
    assert done.folder is None


def test_all_that_is_wrong_with_a_call_is_told(run: Runner, outdated: Hosts) -> None:
    options = ("--limit", "node1", "--tags", "a", "--skip-tags", "b", "--start-at-task", "c", "--step")
    done = run("friday.yml", *options, hosts=outdated)
    assert done.code not in (0, 99)
    assert "5 problems to solve before anything is touched" in done.text
    for option in ("--limit", "--tags", "--skip-tags", "--start-at-task", "--step"):
        assert f". {option}: " in done.text
    assert "set friday_only" in done.text


@pytest.mark.parametrize("option", ["--syntax-check", "--list-tasks", "--list-hosts", "--list-tags"])
def test_what_only_lists_is_not_refused(run: Runner, outdated: Hosts, option: str) -> None:
    done = run("friday.yml", option, "--limit", "node1", hosts=outdated)
    assert done.code == 0, done.output


UNHEARD = "Friday needs this callback, but it is not enabled"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """An ansible.cfg that enables no callback."""
    path = tmp_path / "ansible.cfg"
    path.write_text(f"[defaults]\ncollections_path={ROOT}/collections\n")
    return path


@pytest.mark.parametrize("own", ["", "ansible.builtin.junit"], ids=["none", "another"])
def test_a_friday_whose_callback_is_not_enabled_is_refused(
    run: Runner, world: World, outdated: Hosts, core: Environment, settings: Path, own: str
) -> None:
    """With the line to add, whatever is enabled already; and what that line says is enough."""
    environment = {"ANSIBLE_CONFIG": str(settings)}
    environment |= {"ANSIBLE_CALLBACKS_ENABLED": own} if own else {}
    with world.untouched():
        done = run("friday.yml", hosts=outdated, program=core.playbook, environment=environment)
    assert done.code == 2, done.output
    assert UNHEARD in done.problems()["friday.upgrade.journal"]
    value = ",".join(filter(None, (own, "friday.upgrade.journal")))
    assert own or f"`callbacks_enabled={value}` under [defaults] in {settings};" in done.text
    assert f"`export ANSIBLE_CALLBACKS_ENABLED={value}`" in done.text
    with world.untouched():
        environment["ANSIBLE_CALLBACKS_ENABLED"] = value
        done = run("friday.yml", "--check", hosts=outdated, program=core.playbook, environment=environment)
    assert done.code == 0, done.output
    assert UNHEARD not in done.text


def test_a_plan_without_the_callback_notes_it(run: Runner, outdated: Hosts, core: Environment, settings: Path) -> None:
    environment = {"ANSIBLE_CONFIG": str(settings)}
    done = run("playbooks/plan.yml", hosts=outdated, program=core.playbook, environment=environment)
    assert done.code == 0, done.output
    assert f"note: friday.upgrade.journal: {UNHEARD}" in done.text
    assert "`callbacks_enabled=friday.upgrade.journal` under [defaults]" in done.text


def test_a_role_without_its_guard_is_refused(run: Runner, outdated: Hosts, tmp_path: Path) -> None:
    """Who builds a play of Friday's roles gets no upgrade without a lock."""
    for role in ("survey", "gate", "upgrade", "reboot", "drain"):
        (tmp_path / f"{role}.yml").write_text(
            json.dumps([{"hosts": "node1", "gather_facts": False, "roles": [{"role": f"friday.upgrade.{role}"}]}])
        )
    done = run(str(tmp_path / "survey.yml"), hosts=outdated)
    assert done.code == 2
    assert "The guard did not run" in done.text
    done = run(*(str(tmp_path / f"{role}.yml") for role in ("gate", "upgrade", "reboot", "drain")), hosts=outdated)
    assert done.code == 2
    assert done.text.count("node1") > 0


def test_every_plugin_is_documented_from_anywhere(tmp_path: Path) -> None:
    """ansible-doc knows each of them, by the collection's name, from another folder."""
    environment = {**os.environ, "HOME": str(tmp_path), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    for kind, folder in (("module", "modules"), ("callback", "callback"), ("lookup", "lookup")):
        names = {f"friday.upgrade.{path.stem}" for path in (ROOT / "plugins" / folder).glob("*.py")}
        command = [f"{sys.prefix}/bin/ansible-doc", "--json", "-t", kind]
        done = subprocess.run(
            [*command, *sorted(names)], cwd=tmp_path, env=environment, capture_output=True, check=True
        )
        known = json.loads(done.stdout)
        assert known.keys() == names
        for name, entry in known.items():
            assert entry["doc"]["short_description"], name
            assert entry.get("examples") or kind == "callback", name
    actions = {path.stem for path in (ROOT / "plugins/action").glob("*.py")}
    assert actions <= {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
