# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""status.yml: the truth of each host, from the cluster's record and this controller's journal, with nothing changed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import cordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import NEEDS
from tests.playbooks.machines import Machine
from tests.playbooks.runs import Hosts, Run, Runner
from tests.playbooks.world import World
from tests.support.control_plane import Cluster
from tests.support.records import records
from tests.support.things import wait_until

K = EventKind
RUN, BEFORE = "20261122-161500-3f2a", "20261115-161500-aaaa"
HOSTS: Hosts = {"first": {"friday_node_name": "node1"}, "node2": {}}
STORY: tuple[tuple[EventKind, str, dict[str, Any]], ...] = (
    (K.RUN_STARTED, "", {"holder": "ann@tower:4711"}),
    (K.RUN_PLANNED, "", {"plan_digest": "abc", "hosts": ["first", "node2"], "waves": 2}),
    (K.WAVE_STARTED, "", {"wave": 1}),
    (K.STATE, "first", {"state": "verified", "boot_id": Machine("node1").boot_id, "kernel": "test"}),
    (K.STATE, "first", {"state": "done"}),
    (K.WAVE_STARTED, "", {"wave": 2}),
    (K.STATE, "node2", {"state": "cordoned", "boot_id": "another", "kernel": "6.1"}),
    (K.STATE, "node2", {"state": "drained"}),
    (K.STEP, "node2", {"step": "upgrade"}),
    (K.NOTE, "node2", {"message": "apt's lock is waited for"}),
    (K.STATE, "node2", {"state": "upgraded"}),
    (K.STEP, "node2", {"step": "reboot"}),
)
UPGRADING, NOTED, UPGRADED, REBOOTING = 9, 10, 11, 12


def told(count: int) -> list[Event]:
    """The first events of the story."""
    began = time.time() - 3600
    return [
        Event(number, began + number, RUN, kind, host, data)
        for number, (kind, host, data) in enumerate(STORY[:count], start=1)
    ]


def journaled(state: Path, count: int) -> Path:
    """The journal of the story, so far; returns its file."""
    writer = journal.Journal(state / RUN)
    for event in told(count):
        writer.append(RUN, event.kind, event.host, event.data, clock=lambda at=event.time: at)
    return writer.path


@pytest.fixture
def recorded(world: World) -> Iterator[Callable[[str, int], str]]:
    """Makes a namespace with the record of the story so far; node2 is cordoned by it, as it says."""

    def make(namespace: str, count: int) -> str:
        world.home(namespace)
        cluster_record.write(world.api, namespace, fold(told(count)))
        cordon.cordon(world.api, "node2", RUN)
        return namespace

    yield make
    cordon.uncordon(world.api, "node2")


def ask(run: Runner, world: World, state: Path, *options: str, **variables: object) -> Run:
    with world.untouched():
        return run(
            "playbooks/status.yml", *options, hosts=HOSTS, variables={"friday_state_dir": str(state), **variables}
        )


def test_a_cluster_that_has_no_record(run: Runner, world: World, tmp_path: Path) -> None:
    done = ask(run, world, tmp_path)
    assert done.code == 0, done.output
    assert "lock free" in done.text
    assert "run none is recorded" in done.text
    assert not list(tmp_path.iterdir()), "nothing is written here either"


def test_a_name_that_is_none_is_refused(run: Runner, world: World, tmp_path: Path) -> None:
    done = ask(run, world, tmp_path, friday_rum="20261122-161500-3f2a")
    assert done.code == 2, done.output
    assert "friday_rum: there is no such variable fix: did you mean friday_run?" in done.text


def test_a_run_that_died_is_told_by_another_controller(
    run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    """Its lock looks abandoned, a reboot was under way, and a node of no host of it bears an older run's cordon."""
    _earlier(world, "friday-died")
    namespace = recorded("friday-died", REBOOTING)
    world.lock(namespace, "ann@tower:4711", RUN)
    world.abandon(namespace)
    cordon.cordon(world.api, "node3", BEFORE)
    try:
        done = ask(run, world, tmp_path, "--check", friday_namespace=namespace)
    finally:
        cordon.uncordon(world.api, "node3")
    assert done.code == 0, done.output
    assert f"lock held by run {RUN} of ann@tower, process 4711, since" in done.text
    assert re.search(r"looks abandoned: renewed \d+s ago", done.text), "its clock, which is slow, says minutes"
    assert f"run {RUN} of ann@tower:4711" in done.text
    assert "did not finish cleanly" in done.text
    assert "from the record in the cluster (event 12)" in done.text
    assert "(node1)" in done.output
    table = _cells(done.output)
    assert "reboot was under way when the run died: it has booted since, runs kernel test" in table["node2"]
    assert table["node2"].startswith("upgraded")
    assert table["first"].endswith("done")
    assert "1. node2: rerun the same command" in done.text
    assert f"Friday's cordons on other nodes: node cordoned by ----- {'-' * 24} node3 run {BEFORE}" in done.text
    assert f"{BEFORE} 1970-01-01 00:00:01 UTC 0 of 0 done pass" in done.text


def _earlier(world: World, namespace: str) -> None:
    """The record of a run before the one of the story."""
    world.home(namespace)
    cluster_record.write(world.api, namespace, fold([Event(1, 1.0, BEFORE, K.RUN_STARTED), _ended(2)]))


def _ended(seq: int) -> Event:
    return Event(seq, 2.0, BEFORE, K.RUN_FINISHED, data={"outcome": "pass"})


def _cells(output: str) -> dict[str, str]:
    """The last column of the table of hosts, with its second, by host: what was recorded and what that means."""
    lines = output.splitlines()
    head = next(line for line in lines if line.startswith("host ") and "what that means" in line)
    begin, middle, end = (head.index(name) for name in ("recorded", "its node now", "what that means"))
    found: dict[str, tuple[str, str]] = {}
    host = ""
    for line in lines[lines.index(head) + 2 :]:
        if not line.strip():
            break
        named = line[:begin].strip()
        host = named if named and not named.startswith("(") else host
        state, means = found.get(host, ("", ""))
        found[host] = (f"{state} {line[begin:middle].strip()}".strip(), f"{means} {line[end:].strip()}".strip())
    return {name: f"{state} | {means}" for name, (state, means) in found.items()}


def test_a_run_that_lives_is_left_alone(
    run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    world.lock("friday-lives", "ann@tower:4711", RUN)
    cluster_record.write(world.api, "friday-lives", fold(told(UPGRADING)))
    cordon.cordon(world.api, "node2", RUN)
    done = ask(run, world, tmp_path, friday_namespace="friday-lives")
    cordon.uncordon(world.api, "node2")
    assert done.code == 0, done.output
    assert "alive: renewed" in done.text and "running now" in done.text
    assert "| upgrade is under way" in _cells(done.output)["node2"]
    assert "What to do next" not in done.output


def test_a_journal_that_is_ahead_of_the_record(
    run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    namespace = recorded("friday-ahead", UPGRADING)
    journaled(tmp_path, UPGRADED)
    done = ask(run, world, tmp_path, friday_namespace=namespace)
    assert "the journal here goes to event 11, the record in the cluster to event 9" in done.text
    assert "the following is from the journal" in done.text
    assert _cells(done.output)["node2"].startswith("upgraded")


def test_a_record_that_is_ahead_of_the_journal(
    run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    namespace = recorded("friday-behind", UPGRADED)
    journaled(tmp_path, UPGRADING)
    done = ask(run, world, tmp_path, friday_namespace=namespace)
    assert "the journal here goes to event 9, the record in the cluster to event 11" in done.text
    assert "the journal has lost its end, and the following is from the record" in done.text
    assert _cells(done.output)["node2"].startswith("upgraded")


def test_a_torn_journal(run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path) -> None:
    namespace = recorded("friday-torn", UPGRADING)
    path = journaled(tmp_path, NOTED)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":11,"ti')
    done = ask(run, world, tmp_path, friday_namespace=namespace)
    assert "the last line is torn (13 bytes, after event 10)" in done.text
    assert "what lies between is not kept in the record" in done.text
    found = _cells(done.output)["node2"]
    assert found.startswith("drained") and "packages may be half installed" in found
    assert path.read_bytes() == whole + b'{"seq":11,"ti', "a reader mends nothing"


def test_a_damaged_journal_is_not_trusted(
    run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    namespace = recorded("friday-damaged", UPGRADING)
    path = journaled(tmp_path, UPGRADED)
    path.write_bytes(path.read_bytes().replace(b'"seq":3,', b'"seq":x,'))
    done = ask(run, world, tmp_path, friday_namespace=namespace)
    assert "line 3 is not an event of a journal" in done.text
    assert "from the record in the cluster (event 9)" in done.text


def test_another_run_can_be_asked_for(
    run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    _earlier(world, "friday-other")
    namespace = recorded("friday-other", UPGRADING)
    done = ask(run, world, tmp_path, friday_namespace=namespace, friday_run=BEFORE)
    assert done.code == 0, done.output
    assert f"run {BEFORE} started 1970-01-01 00:00:01 UTC, ended 1970-01-01 00:00:02 UTC" in done.text
    missing = ask(run, world, tmp_path, friday_namespace=namespace, friday_run="20260101-000000-0000")
    assert missing.code == 2
    assert f"run 20260101-000000-0000 does not exist; the cluster has records of {RUN}, {BEFORE}" in missing.text


def test_a_record_that_cannot_be_read_hides_no_other(
    run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    namespace = "friday-broken"
    world.home(namespace)
    labels = {cluster_record.MANAGED_BY: "friday", cluster_record.RUN_LABEL: BEFORE}
    body = {"metadata": {"name": f"friday-run-{BEFORE}", "labels": labels}, "data": {"meta": "no"}}
    world.things.create(f"/api/v1/namespaces/{namespace}/configmaps", body)
    recorded(namespace, UPGRADING)
    done = ask(run, world, tmp_path, friday_namespace=namespace)
    assert done.code == 0, done.output
    assert f"ConfigMap friday-run-{BEFORE} is not the record of a run" in done.text
    assert "packages may be half installed" in _cells(done.output)["node2"]


def test_the_same_as_data(run: Runner, world: World, recorded: Callable[[str, int], str], tmp_path: Path) -> None:
    """What a playbook of one's own gets."""
    namespace = recorded("friday-data", UPGRADING)
    answer, book = tmp_path / "answer.json", tmp_path / "book.yml"
    tasks = [
        {"ansible.builtin.import_role": {"name": "friday.upgrade.status"}},
        {"ansible.builtin.copy": {"content": "{{ status_result | to_json }}", "dest": str(answer), "mode": "0600"}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    book.write_text(json.dumps([play]))
    done = run(str(book), hosts=HOSTS, variables={"friday_namespace": namespace})
    assert done.code == 0, done.output
    data = json.loads(answer.read_text())
    assert (data["changed"], data["life"], data["lock"], data["source"]) == (False, "free", None, "record")
    assert (data["run"]["run"], data["run"]["seq"]) == (RUN, UPGRADING)
    first, second = data["hosts"]
    assert (first["host"], first["node"], first["state"], first["boot"]) == ("first", "node1", "done", "same")
    assert (second["step"], second["boot"], second["as_expected"]) == ("upgrade", "other", False)
    assert second["seen"]["cordoned_by"] == RUN
    assert second["step_since"] > 0


def test_nodes_that_may_not_be_read(
    run: Runner, world: World, cluster: Cluster, recorded: Callable[[str, int], str], tmp_path: Path
) -> None:
    """The record speaks alone then, and it is said that it does."""
    namespace = recorded("friday-blind", UPGRADING)
    blind = cluster.kubeconfig("blind", organization="")
    world.things.grant("blind", "blind", [need.rule() for need in NEEDS if need.resource != "nodes"], "friday-blind")
    wait_until(lambda: _may_list(blind, namespace))
    done = ask(run, world, tmp_path, friday_namespace=namespace, friday_kubeconfig=str(blind))
    assert done.code == 0, done.output
    assert "nodes could not be read, so this is the record alone:" in done.text
    assert "packages may be half installed" in _cells(done.output)["node2"]


def _may_list(kubeconfig: Path, namespace: str) -> bool:
    try:
        return records(connect(str(kubeconfig)), namespace) != ()
    except KubeError:
        return False


def test_a_limit_is_refused(run: Runner, world: World, tmp_path: Path) -> None:
    """It would leave out the only play, and end with exit code 0."""
    done = ask(run, world, tmp_path, "--limit", "node2")
    assert done.code not in (0, 99), done.output
    assert "--limit" in done.text


def test_no_way_to_the_cluster(run: Runner, world: World, tmp_path: Path) -> None:
    done = ask(run, world, tmp_path, friday_kubeconfig=str(tmp_path / "missing"))
    assert done.code == 2
    assert "missing: no such file" in done.text
