# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guard and the plan on the lowest and the highest ansible-core (FRIDAY_ALL_CORES=1: on all, see cores.py)."""

from __future__ import annotations

import subprocess

import pytest

from tests.playbooks.cores import Environment
from tests.playbooks.runs import Hosts, Runner
from tests.playbooks.world import World


def test_it_is_that_version(core: Environment) -> None:
    done = subprocess.run([*core.playbook, "--version"], capture_output=True, text=True, check=True)
    assert f"[core {core.core}]" in done.stdout


@pytest.mark.parametrize("options", [("--limit", "node1"), ("--start-at-task", "x"), ("--step",), ("--tags", "x")])
def test_a_part_is_refused(run: Runner, outdated: Hosts, core: Environment, options: tuple[str, ...]) -> None:
    done = run("friday.yml", *options, hosts=outdated, program=core.playbook)
    assert done.code not in (0, 99), done.output
    assert f"1 problem to solve before anything is touched: 1. {options[0]}: " in done.text
    assert "TASK [" not in done.output


def test_problems_are_told(run: Runner, world: World, outdated: Hosts, core: Environment) -> None:
    hosts: Hosts = {
        "node1": {**outdated["node1"], "friday_zone": "{{ room }}"},
        "nod2": {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": "/nonexistent/python3",
        },
    }
    variables = {
        "friday_sock": 1,
        "friday_soak": "soon",
        "friday_hosts": "nodes",
        "friday_plan_only": "perhaps",
        "friday_rehearsal": "skip",
        "friday_candidate_kernel": "newest",
        "friday_notify": [{"url": "hooks.example.org"}],
    }
    with world.untouched():
        done = run("friday.yml", hosts=hosts, variables=variables, program=core.playbook)
    assert done.code == 2, done.output
    wrong = variables.keys() - {"friday_rehearsal"}
    assert done.problems().keys() == {*wrong, "node1", "nod2", "node2", "node3"}
    assert "friday_zone cannot be evaluated" in done.problems()["node1"]
    assert "is set in the inventory" in done.problems()["friday_hosts"]
    assert "friday_rehearsal: skip switches it off" in done.problems()["friday_candidate_kernel"]
    assert "no usable Python" in done.problems()["nod2"]
    assert done.report()["versions"]["ansible-core"] == core.core


def test_a_plan_is_made(run: Runner, world: World, outdated: Hosts, core: Environment) -> None:
    with world.untouched():
        done = run("playbooks/plan.yml", hosts=outdated, program=core.playbook)
    assert done.code == 0, done.output
    assert [host.host for host in done.plan().hosts()] == ["node1", "node2", "node3"]
    assert "WARNING" not in done.output
    assert "DEPRECAT" not in done.output


def test_the_hosts_are_those_that_the_command_line_names(
    run: Runner, world: World, outdated: Hosts, core: Environment
) -> None:
    """Others are not even looked at."""
    hosts = {**outdated, "database": {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent"}}
    with world.untouched():
        done = run("playbooks/plan.yml", "-e", "friday_hosts=node*", hosts=hosts, program=core.playbook)
    assert done.code == 0, done.output
    assert "database" not in done.output


def test_nothing_to_do_ends_well(run: Runner, world: World, current: Hosts, core: Environment) -> None:
    """As far as the play Waves, which then has nothing but its marker."""
    with world.untouched(own_records=True):
        done = run("friday.yml", hosts=current, variables={"friday_packages": "kernel"}, program=core.playbook)
    assert done.code == 0, done.output
    assert "NOTHING TO DO 3 hosts up to date" in done.text
