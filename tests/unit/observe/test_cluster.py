# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests/cluster can't show of the snapshot: lists that expire, objects that can't be read, agents."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import LISTS, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.resources import RESOURCES
from tests.unit.observe.fake_api import FakeApi

PATHS = (
    *(resource.path for resource in RESOURCES if resource.where != "cilium"),
    "/api/v1/namespaces/kube-system/services",
)


def cluster(**lists: Any) -> FakeApi:
    return FakeApi({path: [] for path in PATHS} | {"/version": {"gitVersion": "v1.36.3"}} | lists)


def read(api: FakeApi, *cni_nodes: str) -> Snapshot:
    return read_snapshot(api, cni_nodes, clock=lambda: 1.0)  # type: ignore[arg-type]


def node(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def pod(name: str, on: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "kube-system", "labels": labels}, "spec": {"nodeName": on}}


def test_a_list_that_expires_on_the_way_is_begun_again_and_nothing_comes_twice() -> None:
    def nodes(page: int) -> Any:
        yield node("a")
        if page:
            raise ApiError(410, "The provided continue parameter is too old")
        yield node("b")

    snapshot = read(cluster(**{"/api/v1/nodes": nodes}))
    assert [found.name for found in snapshot.nodes] == ["a", "b"]
    assert snapshot.unknown == {}


def test_an_object_that_can_not_be_read_makes_its_resource_unknown() -> None:
    snapshot = read(cluster(**{"/api/v1/nodes": [node("a"), {"metadata": {}}]}))
    assert snapshot.nodes == ()
    assert "an object that could not be read: KeyError('name')" in snapshot.unknown["nodes"]


def test_one_of_two_lists_missing() -> None:
    path = "/apis/apps/v1/statefulsets"
    deployment = {"metadata": {"name": "web", "namespace": "a"}, "spec": {}}
    snapshot = read(cluster(**{"/apis/apps/v1/deployments": [deployment], path: ApiError(403, "no")}))
    assert snapshot.workloads == ()
    assert list(snapshot.unknown) == ["workloads"]


def test_an_api_that_is_not_in_every_cluster() -> None:
    rows = [replace(row, optional=row.field == "budgets") for row in RESOURCES]
    api = cluster(**{"/api/v1/nodes": [node("a")]})
    absent = {row.path for row in rows if row.field in ("budgets", "workloads")}
    api.lists = {path: found for path, found in api.lists.items() if path not in absent}
    snapshot = read_snapshot(api, clock=lambda: 1.0, resources=rows)  # type: ignore[arg-type]
    assert set(snapshot.unknown) == {"workloads", "cni"}, "what is part of every cluster and can't be read is unknown"
    assert snapshot.budgets == ()
    api.lists["/apis/policy/v1/poddisruptionbudgets"] = ApiError(403, "no")
    assert "budgets" in read_snapshot(api, resources=rows).unknown, "that it may not be read says nothing"  # type: ignore[arg-type]


def test_every_field_is_filled_by_a_row_or_is_the_agents() -> None:
    assert {row.field for row in RESOURCES} | {"agents"} == set(LISTS)


def test_the_collector_is_paused_while_objects_are_made_and_not_for_longer() -> None:
    def nodes(_page: int) -> Any:
        yield node("paused" if not gc.isenabled() else "running")

    assert gc.isenabled()
    assert [found.name for found in read(cluster(**{"/api/v1/nodes": nodes})).nodes] == ["paused"]
    assert gc.isenabled()


def test_nothing_answers() -> None:
    api = FakeApi(dict.fromkeys((*PATHS, "/version"), ApiError(0, "can't connect: Connection refused")))
    snapshot = read(api, "node1")
    assert set(snapshot.unknown) >= {"nodes", "pods", "workloads", "version", "dns_service", "cni"}
    assert snapshot.cni == ""


def test_a_webhooks_service_that_can_not_be_read_has_no_number() -> None:
    service = {"service": {"namespace": "a", "name": "hook"}}
    hook = {"metadata": {"name": "c"}, "webhooks": [{"name": "h", "clientConfig": service}]}
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    slices = "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices"
    api = cluster(**{path: [hook], slices: ApiError(403, "no")})
    webhook = read(api).webhooks[0]
    assert (webhook.failure_policy, webhook.ready_endpoints) == ("Fail", None)


def test_the_agents_of_the_nodes_that_are_asked() -> None:
    api = cluster(
        **{
            "/api/v1/nodes": [node("a"), node("b")],
            "/api/v1/pods": [
                pod("cilium-a", "a", **{"k8s-app": "cilium"}),
                pod("cilium-b", "b", **{"k8s-app": "cilium"}),
            ],
            "/apis/cilium.io/v2/ciliumendpoints": [],
        }
    )
    api.texts["/api/v1/namespaces/kube-system/pods/cilium-b/log"] = ""
    api.commands[("cilium-dbg", "status", "-o", "json")] = json.dumps({"cilium": {"state": "Ok"}})
    api.commands[("cilium-dbg", "endpoint", "list", "-o", "json")] = "[]"
    snapshot = read(api, "b")
    assert snapshot.cni == "cilium"
    assert [(agent.node, agent.state, agent.error) for agent in snapshot.agents] == [("b", "Ok", "")]
    assert read(api).agents == ()


def test_without_the_resource_there_are_no_cilium_endpoints_and_that_is_known() -> None:
    api = cluster(**{"/api/v1/pods": [pod("cilium-a", "a", **{"k8s-app": "cilium"})]})
    snapshot = read(api)
    assert (snapshot.cni, snapshot.endpoints, snapshot.unknown) == ("cilium", (), {})
    api.lists["/apis/cilium.io/v2/ciliumendpoints"] = ApiError(403, "no")
    assert list(read(api).unknown) == ["endpoints"]


def test_neither_envoy_nor_the_operator_nor_a_pod_that_ends_is_asked_in_the_agents_place() -> None:
    agent = {"k8s-app": "cilium"}
    ending = pod("cilium-old", "a", **agent)
    ending["metadata"]["deletionTimestamp"] = "2026-11-27T22:00:00Z"
    pods = [
        pod("cilium-a", "a", **agent, **{"app.kubernetes.io/name": "cilium-agent"}),
        pod("cilium-envoy-a", "a", **agent, **{"app.kubernetes.io/name": "cilium-envoy"}),
        pod("cilium-operator-a", "a", **agent, **{"io.cilium/app": "operator"}),
        ending,
    ]
    api = cluster(**{"/api/v1/nodes": [node("a")], "/api/v1/pods": pods, "/apis/cilium.io/v2/ciliumendpoints": []})
    assert [status.pod for status in read(api, "a").agents] == ["kube-system/cilium-a"]


def test_what_the_api_server_says_of_its_own_readiness() -> None:
    api = cluster()
    api.texts["/readyz"] = ApiError(500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed")
    assert read(api).not_ready == "[-]etcd failed: reason withheld"
    api.texts["/readyz"] = ApiError(403, "forbidden")
    assert read(api).not_ready == ""
    api.texts["/readyz"] = "ok"
    assert read(api).not_ready == ""
