# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""plan.yml, and friday.yml with --check, on hosts that have something to do; a Friday that has nothing to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from tests.playbooks.machines import CANDIDATE, META, RUNNING
from tests.playbooks.runs import REPORTS, ROOT, Hosts, Run, Runner
from tests.playbooks.world import NODES, World
from tests.support.records import records


@pytest.fixture(scope="module")
def planned(run: Runner, world: World, outdated: Hosts) -> Run:
    """plan.yml, as talkative as it gets: what is a secret stays one."""
    talkative = {"ANSIBLE_DISPLAY_OK_HOSTS": "1", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "1"}
    with world.untouched():
        return run("playbooks/plan.yml", "-vvvv", hosts=outdated, environment=talkative, watched=True)


@pytest.fixture(scope="module")
def checked(run: Runner, world: World, outdated: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """friday.yml --check, from another folder."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    config = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    with world.untouched():
        return run(str(ROOT / "friday.yml"), "--check", hosts=outdated, cwd=elsewhere, environment=config)


@pytest.fixture(scope="module")
def idle(run: Runner, world: World, current: Hosts) -> Run:
    """A whole Friday, for the kernel alone, on hosts whose kernel is the newest."""
    variables = {"friday_packages": "kernel", "friday_namespace": "friday-idle"}
    with world.untouched(own_records=True):
        done = run("friday.yml", hosts=current, variables=variables, watched=True)
    stored = records(world.api, "friday-idle")
    assert [(each.outcome, each.hosts) for each in stored] == [("nothing-to-do", {})]
    return done


def test_the_plan_is_shown(planned: Run) -> None:
    assert planned.code == 0, planned.output
    assert re.search(r"^Plan [0-9a-f]{12}: 3 hosts in 3 waves, ~1h", planned.output, re.MULTILINE)
    rows = re.findall(r"^(\d) (\S+(?: \d/\d)?) +(node\d)  (zone-\w)", planned.output, re.MULTILINE)
    assert rows == [
        ("1", "canary", "node1", "zone-a"),
        ("2", "zone-b 1/1", "node2", "zone-b"),
        ("3", "zone-c 1/1", "node3", "zone-c"),
    ]
    assert "PLAN  3 hosts in 3 waves; nothing was changed" in planned.output


def test_the_plan_is_written(planned: Run) -> None:
    plan = planned.plan()
    assert [(wave.number, wave.zone, [host.host for host in wave.hosts]) for wave in plan.waves] == [
        (number, zone, [name]) for number, (name, zone) in enumerate(NODES.items(), start=1)
    ]
    for host in plan.hosts():
        assert (host.kernel, host.target_kernel, host.reboot) == (RUNNING, CANDIDATE, True)
        assert {change.name for change in host.packages} == {f"linux-image-{CANDIDATE}", META, "tool"}
        assert host.evictions == (f"apps/web-1-{host.host[-1]}",)
        assert not host.blockers
        assert host.reason


def test_the_reports_and_the_journal_are_written(planned: Run) -> None:
    for name in REPORTS:
        assert planned.path(name).stat().st_size > 0
    report = planned.report()
    assert report["summary"]["outcome"] == "pass"
    assert report["check"] is True
    assert [event.kind for event in planned.events()] == [
        EventKind.RUN_STARTED,
        EventKind.RUN_PLANNED,
        EventKind.RUN_FINISHED,
    ]
    assert str(planned.path("report.html")) in planned.output


def test_processes_were_watched(planned: Run, idle: Run) -> None:
    """That the secret is in no command line (see Runner) says something only if command lines were seen."""
    assert [command for command in planned.commands if "playbooks/plan.yml" in command]
    assert [command for command in idle.commands if keeper.__name__ in command]


def test_a_check_plans_the_same_from_anywhere(planned: Run, checked: Run) -> None:
    assert checked.code == 0, checked.output
    assert checked.plan() == planned.plan()
    assert "PLAN  3 hosts in 3 waves; nothing was changed" in checked.output
    for name in REPORTS:
        assert checked.path(name).stat().st_size > 0


def test_a_check_leaves_the_package_lists_alone(outdated: Hosts, planned: Run, run: Runner, tmp_path: Path) -> None:
    """plan.yml refreshes them; --check uses a copy. What is accepted is told, in the plan and in the report."""
    del planned
    lists = Path(str(outdated["node1"]["ansible_python_interpreter"])).parent / "var/lib/apt/lists"
    before = {path.name: path.stat().st_mtime_ns for path in lists.iterdir()}
    assert [name for name in before if name.endswith("_Packages")]
    done = run("playbooks/plan.yml", "--check", hosts=outdated, variables={"friday_accept": "dns,cordons"})
    assert done.code == 0, done.output
    assert "Accepted (friday_accept): dns, cordons\n  - nothing was found" in done.output
    assert "Accepted (friday_accept): dns, cordons" in done.path("report.html").read_text()
    assert {path.name: path.stat().st_mtime_ns for path in lists.iterdir()} == before


def test_nothing_to_do_ends_well(idle: Run) -> None:
    assert idle.code == 0, idle.output
    assert "NOTHING TO DO 3 hosts up to date" in idle.text
    assert idle.text.count(f"up to date (kernel {RUNNING})") == len(NODES)
    assert not idle.plan().waves
    assert {host.host for host in idle.plan().skipped} == set(NODES)
    assert idle.report()["summary"]["outcome"] == "nothing-to-do"
    for name in REPORTS:
        assert idle.path(name).stat().st_size > 0


def test_nothing_to_do_leaves_no_process_behind(idle: Run) -> None:
    running = keeper.read_state(idle.path(""))
    assert running is not None
    assert not keeper.alive(running.pid, running.pid_started)
    assert running.released
