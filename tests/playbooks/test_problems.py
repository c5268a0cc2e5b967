# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bad input and sick clusters: everything that is wrong is told in one run, before anything is touched."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.playbooks.machines import INSTALLED, META, Machine, Package
from tests.playbooks.runs import REPORTS, Hosts, Run, Runner
from tests.playbooks.world import World
from tests.support.control_plane import free_port


def assert_refused(done: Run, expected: Mapping[str, str]) -> None:
    """The run failed, and told these problems (subject -> part of its messages) on the console and in the reports."""
    assert done.code == 2, done.output
    told = done.problems()
    assert told.keys() == expected.keys()
    for subject, part in expected.items():
        assert part in told[subject], subject
    for name in REPORTS:
        assert done.path(name).stat().st_size > 0
    page = _bare(html.unescape(done.path("report.html").read_text(encoding="utf-8")))
    console = _bare(done.output)
    problems = done.report()["problems"]
    for problem in problems:
        assert _bare(f"{problem['subject']}: {problem['message']}") in console
        assert _bare(problem["message"]) in page
    assert f"{len(problems)} problem" in done.text
    assert done.report()["summary"]["outcome"] == "fail"
    assert not done.plan().waves
    assert done.events()[-1].data["outcome"] == "fail"


def _bare(text: str) -> str:
    """Without white space: the console wraps its lines, the page is indented."""
    return "".join(text.split())


@pytest.fixture(scope="module")
def everything_wrong(run: Runner, world: World, outdated: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A real Friday with all that an operator can get wrong at once, on a cluster that is not well either."""
    base = tmp_path_factory.mktemp("wrong")
    no_sudo = base / "sudo"
    no_sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    no_sudo.chmod(0o755)
    hosts = {
        "node1": outdated["node1"],
        "twin": {**outdated["node1"], "friday_node_name": "node1"},
        "node2": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()},
        "nod3": {"ansible_connection": "local", "ansible_become_exe": str(no_sudo)},
        "stranger": {
            "ansible_connection": "local",
            "ansible_become": False,
            "friday_notify": [{"url": "http://127.0.0.1:1/"}],
            "ansible_python_interpreter": str(base / "no/python3"),
        },
    }
    variables = {
        "friday_sock": 5,
        "friday_wave_sizes": [4, 0],
        "friday_soak": "a while",
        "friday_packages": "everything",
        "friday_evict_unmanaged": "perhaps",
        "friday_lease_ttl": "long",
        "friday_canary": "node9",
    }
    # Root becomes itself without sudo, unless it is told otherwise.
    sudo = {"ANSIBLE_BECOME_ALLOW_SAME_USER": "1"}
    with world.unhealthy(), world.untouched():
        return run("friday.yml", hosts=hosts, variables=variables, environment=sudo)


def test_everything_is_told_at_once(everything_wrong: Run) -> None:
    assert_refused(
        everything_wrong,
        {
            "friday_sock": "there is no such variable",
            "friday_wave_sizes": "must be a list of numbers of hosts (1 or more)",
            "friday_soak": "must be a whole number of seconds",
            "friday_packages": "must be all or kernel",
            "friday_evict_unmanaged": "must be true or false",
            "friday_lease_ttl": "must be a whole number of seconds from 15 to 3600",
            "friday_canary": "node9 is not one of the hosts to upgrade",
            "friday_notify": "where it has no effect",
            "node1": "is the node of more than one host: node1, twin",
            "node2": "is unreachable",
            "nod3": "no root privileges",
            "stranger": "no usable Python",
            "node3": "is a node of the cluster, but not a host of the inventory",
            "Deployment apps/web": "2 of 3",
        },
    )


def test_a_host_that_does_not_answer_is_asked_once(everything_wrong: Run) -> None:
    """It may take the connection a minute to give up."""
    assert everything_wrong.output.count("fatal: [node2]: UNREACHABLE!") == 1


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("node1", "is the same machine as twin"),
        ("node2", "has no zone"),
        ("node2", "CNI: node node2 is not Ready"),
        ("node3", "CNI: node node3 is cordoned, but not by Friday"),
        ("nod3", "sudo: a password is required"),
        ("nod3", "is not a node of the cluster"),
        ("stranger", "is not a node of the cluster"),
    ],
)
def test_one_subject_may_have_several(everything_wrong: Run, subject: str, message: str) -> None:
    assert message in everything_wrong.problems()[subject]


@pytest.mark.parametrize("fix", ["did you mean friday_soak?", "did you mean node3?", "for example friday_soak: 900"])
def test_what_to_do_is_told(everything_wrong: Run, fix: str) -> None:
    assert f"fix: {fix}" in everything_wrong.text


def test_packages_and_room(run: Runner, world: World, tmp_path: Path) -> None:
    lost = (*INSTALLED, Package("lost", "1.0", depends="gone"))
    machines = {
        "node1": Machine("node1", installed=lost),
        "node2": Machine("node2", states={"tool": "install ok half-configured"}),
        "node3": Machine("node3", states={META: "hold ok installed"}),
    }
    hosts = {name: machine.make(tmp_path / name) for name, machine in machines.items()}
    room = {"friday_min_free_root_mib": 1024**2, "friday_packages": "kernel"}
    with world.untouched(own_records=True):
        done = run("friday.yml", hosts=hosts, variables=room)
    assert_refused(
        done,
        {
            "node1": "could not be read (kernels, pending): apt-get: E: Unmet dependencies",
            "node2": "has broken packages: tool (half-configured)",
            "node3": f"holds packages that would be upgraded: {META}",
        },
    )
    assert "MiB free on /, 1048576 MiB required (friday_min_free_root_mib)" in done.problems()["node2"]


def test_another_machine_than_the_node(run: Runner, world: World, outdated: Hosts) -> None:
    """A wrong ansible_host: the upgrade would go to another machine than the one that is drained."""
    hosts = {"node1": outdated["node1"], "node2": outdated["node3"], "node3": outdated["node2"]}
    with world.untouched(own_records=True):
        done = run("friday.yml", hosts=hosts)
    expected = "is not the machine of node {} (their boot ids differ)"
    assert_refused(done, {name: expected.format(name) for name in ("node2", "node3")})


def test_hosts_outside_of_friday_only(run: Runner, world: World, outdated: Hosts) -> None:
    """What is wrong with them is no problem, and nothing happens to them."""
    hosts = {
        **{
            name: {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python3"}
            for name in outdated
        },
        "node2": outdated["node2"],
    }
    with world.untouched():
        done = run("playbooks/plan.yml", hosts=hosts, variables={"friday_only": ["node2"]})
    assert done.code == 0, done.output
    assert [host.host for host in done.plan().hosts()] == ["node2"]
    assert {(host.host, host.reason) for host in done.plan().skipped} == {
        ("node1", "not in friday_only"),
        ("node3", "not in friday_only"),
    }


def test_no_hosts(run: Runner, world: World) -> None:
    with world.untouched(own_records=True):
        done = run("friday.yml", hosts={})
    assert done.code == 2, done.output
    assert "friday_hosts: no host of the inventory took part in the survey" in done.text


def test_an_inventory_that_cannot_be_read(run: Runner, tmp_path: Path) -> None:
    """It is an error, never a smaller fleet."""
    (tmp_path / "broken.yml").write_text("all: [hosts\n")
    done = run("friday.yml", "-i", str(tmp_path / "broken.yml"), hosts={})
    assert done.code not in (0, 99)
    assert "broken.yml" in done.output
    assert done.folder is None


def test_a_state_folder_that_cannot_be_made(run: Runner, world: World, outdated: Hosts, tmp_path: Path) -> None:
    """Without a journal nothing begins, and no lock is taken."""
    (tmp_path / "file").write_text("")
    variables = {"friday_state_dir": str(tmp_path / "file/state"), "friday_sock": 1}
    with world.untouched():
        done = run("friday.yml", hosts=outdated, variables=variables)
    assert done.code == 2, done.output
    assert "2 problems to solve before anything is touched" in done.text
    assert "friday_sock: there is no such variable" in done.text
    assert "friday_state_dir: " + str(tmp_path / "file/state") in done.text
    assert "cannot be created: Not a directory" in done.text
