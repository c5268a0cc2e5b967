# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cordon, drain and the record on a real API server, as a user who has no more rights than needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act.cordon import cordon, uncordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.act.evict import evict
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import CORDONED_BY, Pod
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record
from tests.support.records import records
from tests.support.things import Things

RUN, OLD, OLDER = "20261122-161500-3f2a", "20261115-161500-aaaa", "20261108-161500-bbbb"


def marks(api: Api, node: str) -> tuple[bool, str | None]:
    found = api.get(f"/api/v1/nodes/{node}")
    annotations = found["metadata"].get("annotations") or {}
    return bool(found["spec"].get("unschedulable")), annotations.get(CORDONED_BY)


def cordon_by_hand(things: Things, node: str, value: bool = True) -> None:
    things.api.request("PATCH", f"/api/v1/nodes/{node}", body={"spec": {"unschedulable": value}})


def test_cordon_and_uncordon(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    assert cordon(api, node, RUN).changed
    assert marks(api, node) == (True, RUN)
    again = cordon(api, node, RUN)
    assert (again.changed, again.cordoned) == (False, True)
    done = uncordon(api, node, RUN)
    assert (done.changed, done.cordoned) == (True, False)
    assert marks(api, node) == (False, None)
    assert not uncordon(api, node, RUN).changed


def test_a_cordon_tells_what_the_node_ran(api: Api, things: Things) -> None:
    fields = ("architecture", "containerRuntimeVersion", "kubeProxyVersion", "kubeletVersion", "machineID", "osImage")
    info = {**dict.fromkeys((*fields, "operatingSystem", "systemUUID"), ""), "kernelVersion": "6.1", "bootID": "one"}
    node = things.node("a", status={"nodeInfo": info})["metadata"]["name"]
    for done in (cordon(api, node, RUN), cordon(api, node, RUN), uncordon(api, node)):
        assert (done.kernel, done.boot_id) == ("6.1", "one")


def test_somebody_elses_cordon_stays_theirs(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    cordon_by_hand(things, node)
    found = cordon(api, node, RUN)
    assert (found.changed, found.cordoned) == (False, True)
    assert "somebody else" in found.message
    assert marks(api, node) == (True, None)
    left = uncordon(api, node)
    assert (left.changed, left.cordoned) == (False, True)
    assert marks(api, node) == (True, None)


def test_an_earlier_runs_cordon(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    cordon(api, node, "20261101-000000-aaaa")
    left = uncordon(api, node, RUN)
    assert (left.changed, left.cordoned) == (False, True)
    assert "20261101-000000-aaaa" in left.message
    assert cordon(api, node, RUN).changed
    assert marks(api, node) == (True, RUN)
    assert uncordon(api, node).changed
    assert marks(api, node) == (False, None)


def test_a_cordon_that_was_undone_by_hand(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    cordon(api, node, RUN)
    cordon_by_hand(things, node, False)
    assert uncordon(api, node, RUN).changed
    assert marks(api, node) == (False, None)


def test_cordon_of_no_node(api: Api) -> None:
    with pytest.raises(ApiError, match='nodes "nobody" not found'):
        cordon(api, "nobody", RUN)


def observed(made: dict[str, Any]) -> Pod:
    meta = made["metadata"]
    return Pod(meta["namespace"], meta["name"], uid=meta["uid"], node=made["spec"]["nodeName"])


def test_eviction_waits_for_the_budget_and_names_it(api: Api, things: Things, kubelet: Callable[[], None]) -> None:
    kubelet()
    a, b = (things.node(name)["metadata"]["name"] for name in "ab")
    web = {"app": "web"}
    here, free = things.pod("web-0", a, web), things.pod("free", a)
    things.pod("web-1", b, web)
    things.budget("web", web, minimum=2)
    lines: list[str] = []

    stuck = evict(api, [observed(here), observed(free)], 3, retry_seconds=0.5, grace=1, on_progress=lines.append)
    assert not stuck.done
    assert stuck.evicted == (f"{things.namespace}/free",), "a blocked pod holds up nobody else"
    reason = "PodDisruptionBudget web needs 2 healthy pods and has 2 currently"
    assert stuck.waiting == {f"{things.namespace}/web-0": reason}
    assert 3 <= stuck.seconds < 5
    assert any(reason in line for line in lines)

    # A third replica makes room: the same drain then goes through while it is being tried.
    timer = threading.Timer(1.5, lambda: things.pod("web-2", b, web))
    timer.start()
    done = evict(api, [observed(here)], 30, retry_seconds=0.5, grace=1, on_progress=lines.append)
    timer.join()
    assert done.done
    assert done.evicted == (f"{things.namespace}/web-0",)
    assert done.seconds >= 1.5
    assert lines[-1] == f"{things.namespace}/web-0 gone, 0 left"


def test_a_pod_that_terminates_slowly_is_waited_for(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    pod = observed(things.pod("slow", node))
    waiting = evict(api, [pod], 1.5, retry_seconds=0.5)
    assert waiting.waiting == {f"{things.namespace}/slow": "evicted, terminating"}
    assert not waiting.done
    things.api.request("DELETE", f"/api/v1/namespaces/{things.namespace}/pods/slow", body={"gracePeriodSeconds": 0})
    assert evict(api, [pod], 5).done


def test_another_pod_of_the_same_name_is_left_alone(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    now = things.pod("db-0", node)
    done = evict(api, [replace(observed(now), uid="11111111-2222-3333-4444-555555555555")], 5)
    assert done.done, "the pod that was observed is gone"
    found = api_get_pod(things, "db-0")
    assert found["metadata"]["uid"] == now["metadata"]["uid"]
    assert "deletionTimestamp" not in found["metadata"]


def api_get_pod(things: Things, name: str) -> dict[str, Any]:
    return things.api.get(f"/api/v1/namespaces/{things.namespace}/pods/{name}")  # type: ignore[no-any-return]


def test_two_budgets_for_a_pod_are_told(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    pod = things.pod("web-0", node, {"app": "web"})
    things.budget("one", {"app": "web"}, minimum=0)
    things.budget("two", {"app": "web"}, minimum=0)
    state = evict(api, [observed(pod)], 1, retry_seconds=0.5)
    assert "more than one PodDisruptionBudget" in state.waiting[f"{things.namespace}/web-0"]


def a_record(hosts: Iterable[str], seq: int = 7, **fields: Any) -> RunRecord:
    states = {host: HostRecord(HostState.PLANNED, 1000.5, message="waits …") for host in hosts}
    return RunRecord(run=RUN, started=1000.0, holder="me", plan_digest="abc", wave=1, seq=seq, hosts=states, **fields)


def test_record_round_trip(api: Api, things: Things) -> None:
    home = things.namespace
    assert cluster_record.read(api, home, RUN) is None
    written = a_record(["node3", "node1", "rack 2/node:2", "rack 2/node_2"])
    cluster_record.write(api, home, written)
    read = cluster_record.read(api, home, RUN)
    assert read == written
    assert list(read.hosts) == list(written.hosts), "in the planned order"
    labels = api.get(f"/api/v1/namespaces/{home}/configmaps/friday-run-{RUN}")["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "friday"


def test_records_are_listed_newest_first(api: Api, things: Things) -> None:
    """Not by their ids and times, which are by the clocks of their controllers: by when they came to be here."""
    cluster_record.write(api, things.namespace, RunRecord(run=RUN, started=3.0, seq=1))
    time.sleep(1.1)  # the API server tells whole seconds
    cluster_record.write(api, things.namespace, RunRecord(run=OLDER, started=1.0, seq=1))
    time.sleep(1.1)
    cluster_record.write(api, things.namespace, RunRecord(run=OLD, started=2.0, seq=1))
    cluster_record.write(api, things.namespace, RunRecord(run=RUN, started=3.0, seq=2))
    stored = cluster_record.read_stored(api, things.namespace)
    assert stored.runs == tuple(found.run for found in stored.records) == (OLD, OLDER, RUN)


def test_that_a_lock_was_broken_outlives_what_the_run_writes(api: Api, things: Things) -> None:
    """The run may live after all, and knows nothing of it."""
    home, words = things.namespace, "2026-11-22 16:20:00 UTC by bob@host-b: gone"
    cluster_record.write(api, home, a_record(["node1"], seq=7))
    cluster_record.write_unlocked(api, home, RUN, words)
    cluster_record.write(api, home, a_record(["node1"], seq=8, stop="the lock is lost"))
    found = cluster_record.read(api, home, RUN)
    assert found is not None
    assert (found.seq, found.stop, found.unlocked) == (8, "the lock is lost", words)
    cluster_record.write_unlocked(api, home, RUN, "")
    assert cluster_record.read(api, home, RUN) == replace(found, unlocked="")


def test_that_a_lock_was_broken_is_recorded_where_nothing_else_is(api: Api, things: Things) -> None:
    cluster_record.write_unlocked(api, things.namespace, RUN, "words")
    assert cluster_record.read(api, things.namespace, RUN) == RunRecord(RUN, unlocked="words")


def test_one_that_cannot_be_read_hides_no_other(api: Api, things: Things) -> None:
    home, broken = things.namespace, "20261101-000000-aaaa"
    cluster_record.write(api, home, a_record(["node1"]))
    labels = {cluster_record.MANAGED_BY: "friday", cluster_record.RUN_LABEL: broken}
    body = {"metadata": {"name": f"friday-run-{broken}", "labels": labels}, "data": {"meta": "no"}}
    things.create(f"/api/v1/namespaces/{home}/configmaps", body)
    stored = cluster_record.read_stored(api, home)
    assert [each.run for each in stored.records] == [RUN]
    assert list(stored.unreadable) == [broken]
    assert stored.unreadable[broken].startswith(f"ConfigMap friday-run-{broken} is not the record of a run")


def test_old_records_are_deleted_whole_and_no_other(api: Api, things: Things) -> None:
    home = things.namespace
    for run in (OLDER, OLD, RUN):
        cluster_record.write(api, home, replace(a_record([f"node{number}" for number in range(1001)]), run=run))
    things.create(f"/api/v1/namespaces/{home}/configmaps", {"metadata": {"name": "somebody-elses"}})
    assert cluster_record.prune(api, home, [OLD, OLDER]) == (OLD, OLDER)
    left = [item["metadata"]["name"] for item in api.items(f"/api/v1/namespaces/{home}/configmaps")]
    ours = [f"friday-run-{RUN}", f"friday-run-{RUN}-1", f"friday-run-{RUN}-2"]
    assert sorted(set(left) - {"kube-root-ca.crt"}) == [*ours, "somebody-elses"]
    assert cluster_record.prune(api, home, [OLD]) == (OLD,), "gone is gone"


def test_what_was_left_half_deleted_goes_too(api: Api, admin_api: Api, things: Things) -> None:
    home = things.namespace
    cluster_record.write(api, home, a_record([f"node{number}" for number in range(501)]))
    admin_api.request("DELETE", f"/api/v1/namespaces/{home}/configmaps/friday-run-{RUN}")
    assert list(cluster_record.read_stored(api, home).unreadable) == [RUN]
    assert cluster_record.prune(api, home, [RUN]) == (RUN,)
    assert cluster_record.read_stored(api, home) == cluster_record.Stored((), (), {})


def test_a_record_that_is_written_meanwhile_stays(api: Api, things: Things) -> None:
    home = things.namespace
    cluster_record.write(api, home, a_record(["node1"], seq=7))

    class Racing:
        def items(self, path: str, **query: Any) -> list[Any]:
            found = list(api.items(path, **query))
            cluster_record.write(api, home, a_record(["node1"], seq=8))
            return found

        def request(self, *arguments: Any, **more: Any) -> Any:
            return api.request(*arguments, **more)

    assert cluster_record.prune(Racing(), home, [RUN]) == ()  # type: ignore[arg-type]
    found = cluster_record.read(api, home, RUN)
    assert found is not None and found.seq == 8


def test_an_older_fold_never_overwrites_the_runs_state(api: Api, things: Things) -> None:
    home = things.namespace
    cluster_record.write(api, home, a_record(["node1"], seq=9, stop="node1 failed"))
    cluster_record.write(api, home, a_record(["node1"], seq=8))
    found = cluster_record.read(api, home, RUN)
    assert found is not None
    assert (found.seq, found.stop) == (9, "node1 failed")


def test_hosts_that_write_at_the_same_time_lose_nothing(api: Api, things: Things) -> None:
    hosts = [f"node{number}" for number in range(8)]
    base = a_record(hosts, seq=1)
    cluster_record.write(api, things.namespace, base)

    def work(number: int) -> None:
        for step, state in enumerate((HostState.CORDONED, HostState.DRAINED, HostState.UPGRADED)):
            mine = {**base.hosts, hosts[number]: HostRecord(state, float(step))}
            cluster_record.write(api, things.namespace, replace(base, hosts=mine, seq=2 + step), hosts=[hosts[number]])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    found = cluster_record.read(api, things.namespace, RUN)
    assert found is not None
    assert {host.state for host in found.hosts.values()} == {HostState.UPGRADED}
    assert found.seq == 4


def test_the_record_of_five_thousand_hosts_fits(api: Api, admin_api: Api, things: Things) -> None:
    home = things.namespace
    states = {
        f"worker-{number:05}.rack-{number % 40}.example.com": HostRecord(
            HostState.FAILED,
            1764000000.123456,
            "verify",
            "6.12.117+deb13-cloud-amd64",
            "b" * 36,
            "🔥" * 5000,
            step_since=1764000000.123456,
            target_kernel="6.12.118+deb13-cloud-amd64",
            packages="c" * 16,
            resumes=RUN,
        )
        for number in reversed(range(5000))
    }
    long = "🔥" * 300_000
    members = {host: f"{host} in zone-{number % 3}" for number, host in enumerate(states)}
    written = RunRecord(
        run=RUN, started=1.0, seq=60000, members=members, hosts=states, message=long, stop=long, unlocked=long
    )
    cluster_record.write(api, home, written)
    found = cluster_record.read(api, home, RUN)
    assert found is not None
    assert list(found.hosts) == list(states), "in the planned order"
    assert found.members == members
    assert {len(host.message) for host in found.hosts.values()} == {cluster_record.LONGEST_MESSAGE}
    assert records(api, home) == (found,)

    last = next(reversed(states))
    done = {**states, last: HostRecord(HostState.DONE, 2.0)}
    cluster_record.write(api, home, replace(written, hosts=done, seq=60001), hosts=[last])
    found = cluster_record.read(api, home, RUN)
    assert found is not None
    assert (found.hosts[last].state, found.seq) == (HostState.DONE, 60001)

    admin_api.request("DELETE", f"/api/v1/namespaces/{home}/configmaps/friday-run-{RUN}-3")
    with pytest.raises(ValueError, match="only 9 of its 10 parts exist"):
        cluster_record.read(api, home, RUN)


def test_a_stranger_of_that_name_is_no_record(api: Api, things: Things) -> None:
    path = f"/api/v1/namespaces/{things.namespace}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"friday-run-{RUN}"}, "data": {"meta": "no"}}
    things.create(path, body)
    with pytest.raises(ValueError, match=f"ConfigMap friday-run-{RUN} is not the record of a run"):
        cluster_record.read(api, things.namespace, RUN)
