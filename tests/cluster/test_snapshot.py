# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The snapshot of a real API server, as a user who has no more rights than needed."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act.cordon import cordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    LISTS,
    ApiService,
    CsiNode,
    DisruptionBudget,
    NetworkEndpoint,
    Node,
    Pod,
    Requirement,
    Snapshot,
    Taint,
    Toleration,
    VolumeAttachment,
    Webhook,
    Workload,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.agent import read_agent
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from tests.support.control_plane import Cluster
from tests.support.things import Things, wait_until

RUN = "20261122-161500-3f2a"
INFO = {
    "kernelVersion": "6.1.0-56-cloud-amd64",
    "bootID": "b0071d",
    "machineID": "",
    "systemUUID": "",
    "osImage": "",
    "containerRuntimeVersion": "",
    "kubeletVersion": "",
    "kubeProxyVersion": "",
    "operatingSystem": "",
    "architecture": "",
}


def mine(things: Things, items: Any) -> list[Any]:
    return [item for item in items if item.namespace == things.namespace]


def test_what_it_says_of_itself(api: Api, cluster: Cluster) -> None:
    snapshot = read_snapshot(api, clock=lambda: 1234.5)
    assert (snapshot.time, snapshot.server, snapshot.version) == (1234.5, cluster.server, "v1.36.3")
    assert snapshot.unknown == {}
    assert snapshot.cni == ""
    assert snapshot.agents == ()
    assert from_data(Snapshot, to_data(snapshot)) == snapshot


def test_nodes(api: Api, things: Things) -> None:
    made = things.node(
        "a",
        labels={
            "topology.kubernetes.io/zone": "zone-a",
            "node-role.kubernetes.io/control-plane": "",
            "node-role.kubernetes.io/etcd": "true",
        },
        spec={"podCIDR": "10.42.1.0/24"},
        status={
            "nodeInfo": INFO,
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "EtcdIsVoter", "status": "True"}],
            "allocatable": {"cpu": "3920m", "memory": "16308604Ki", "pods": "110", "example.org/gpu": "2"},
            "addresses": [
                {"type": "Hostname", "address": "node1"},
                {"type": "InternalIP", "address": "192.168.77.11"},
            ],
        },
    )
    plain = things.node("b", status={"conditions": [{"type": "Ready", "status": "Unknown"}]})["metadata"]["name"]
    name = made["metadata"]["name"]
    cordon(api, name, RUN)
    nodes = {node.name: node for node in read_snapshot(api).nodes}
    assert nodes[name] == Node(
        name=name,
        uid=made["metadata"]["uid"],
        zone="zone-a",
        roles=("control-plane", "etcd"),
        ready=True,
        unschedulable=True,
        cordoned_by=RUN,
        kernel="6.1.0-56-cloud-amd64",
        boot_id="b0071d",
        internal_ip="192.168.77.11",
        etcd=True,
        voter=True,
        labels=made["metadata"]["labels"],
        taints=(Taint("node.kubernetes.io/not-ready", "", "NoSchedule"),),  # of every new node, by admission
        allocatable={"cpu": 3920, "memory": 16308604 * 1024, "pods": 110, "example.org/gpu": 2},
    )
    assert nodes[plain].ready is None
    assert not nodes[plain].etcd


def test_etcd_as_a_static_pod(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    mirror = {"kubernetes.io/config.mirror": "abc", "kubernetes.io/config.source": "file"}
    things.pod("etcd", node, {"component": "etcd"}, annotations=mirror)
    snapshot = read_snapshot(api)
    assert next(found for found in snapshot.nodes if found.name == node).etcd
    pod = mine(things, snapshot.pods)[0]
    assert (pod.owner_kind, pod.owner_name) == ("Node", node)


def test_pods(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}}
    container = {"image": "example", "imageID": "", "ready": False}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": "u", "controller": True}
    made = things.pod(
        "web-5d-x",
        node,
        {"app": "web"},
        spec={"hostNetwork": True, "volumes": [{"name": "scratch", "emptyDir": {}}]},
        status={
            "conditions": [{"type": "Ready", "status": "False"}],
            "podIP": "10.42.1.7",
            "containerStatuses": [{"name": "main", "restartCount": 3, "state": waiting, **container}],
        },
        ownerReferences=[owner],
    )
    things.pod("bare", node)
    web, bare = sorted(mine(things, read_snapshot(api).pods), key=lambda pod: pod.name, reverse=True)
    assert web == Pod(
        namespace=things.namespace,
        name="web-5d-x",
        uid=made["metadata"]["uid"],
        node=node,
        phase="Running",
        ready=False,
        restarts=3,
        waiting="CrashLoopBackOff",
        owner_kind="ReplicaSet",
        owner_name="web-5d",
        labels={"app": "web"},
        host_network=True,
        pod_ip="10.42.1.7",
        local_storage=True,
        tolerations=tuple(  # of every pod, by admission
            Toleration(f"node.kubernetes.io/{what}", "Exists", "", "NoExecute") for what in ("not-ready", "unreachable")
        ),
        created=web.created,
    )
    assert abs(web.created - time.time()) < 60
    assert (bare.ready, bare.owner_kind, bare.local_storage, bare.terminating) == (True, "", False, False)
    things.api.request("DELETE", f"/api/v1/namespaces/{things.namespace}/pods/bare")
    assert next(p for p in mine(things, read_snapshot(api).pods) if p.name == "bare").terminating


def test_workloads(api: Api, things: Things) -> None:
    base, labels = f"/apis/apps/v1/namespaces/{things.namespace}", {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    for kind in ("Deployment", "StatefulSet"):
        path = f"{base}/{kind.lower()}s"
        things.create(path, {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec})
        things.status(f"{path}/web", {"replicas": 3, "readyReplicas": 2, "availableReplicas": 2})
    things.daemon_set("agent", labels)
    status = {"desiredNumberScheduled": 4, "currentNumberScheduled": 4, "numberMisscheduled": 0, "numberReady": 3}
    things.status(f"{base}/daemonsets/agent", {**status, "numberAvailable": 3})
    assert sorted(mine(things, read_snapshot(api).workloads), key=lambda w: w.kind) == [
        Workload("DaemonSet", things.namespace, "agent", 4, 3),
        Workload("Deployment", things.namespace, "web", 3, 2),
        Workload("StatefulSet", things.namespace, "web", 3, 2),
    ]


def test_budgets(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    things.pod("web-0", node, {"app": "web", "tier": "front"})
    path = f"/apis/policy/v1/namespaces/{things.namespace}/poddisruptionbudgets"
    selectors: dict[str, Any] = {
        "all": {},
        "front": {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "edge"]},
                {"key": "batch", "operator": "DoesNotExist"},
            ],
        },
        "none": None,
    }
    for name, selector in selectors.items():
        spec = {"minAvailable": 1, "selector": selector}
        things.create(
            path, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
        )
    wait_until(lambda: all("observedGeneration" in (item.get("status") or {}) for item in things.api.items(path)))
    every, front, nothing = sorted(mine(things, read_snapshot(api).budgets), key=lambda budget: budget.name)
    assert every == DisruptionBudget(things.namespace, "all", (), 0, 1, 1, 1)
    assert front.selector == (
        Requirement("app", "In", ("web",)),
        Requirement("tier", "In", ("front", "edge")),
        Requirement("batch", "DoesNotExist"),
    )
    assert (front.current_healthy, front.desired_healthy, front.expected_pods) == (1, 1, 1)
    assert nothing.selector == (Requirement("", "In", ()),), "no selector selects nothing (policy/v1)"
    assert nothing.expected_pods == 0


def test_webhooks_and_their_endpoints(api: Api, things: Things) -> None:
    base = "/apis/admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["x"], "operations": ["CREATE"]}]
    name = f"{things.namespace}.example.com"
    common = {"name": name, "rules": rules, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    service = {"service": {"namespace": things.namespace, "name": "hook"}}
    for kind, client, policy in (
        ("Validating", service, {"failurePolicy": "Fail"}),
        ("Mutating", {"url": "https://example.com/hook"}, {"failurePolicy": "Ignore"}),
    ):
        things.create(
            f"{base}/{kind.lower()}webhookconfigurations",
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": f"{kind}WebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [{**common, "clientConfig": client, **policy}],
            },
        )

    def webhooks() -> list[Webhook]:
        return [webhook for webhook in read_snapshot(api).webhooks if webhook.name == name]

    at = f"{things.namespace}/hook"
    validating = Webhook("ValidatingWebhookConfiguration", name, name, "Fail", at, ready_endpoints=0)
    mutating = Webhook("MutatingWebhookConfiguration", name, name, "Ignore", "", ready_endpoints=None)
    assert webhooks() == [validating, mutating]
    for family, addresses in (("IPv4", ("10.42.1.1", "10.42.1.2", "10.42.1.3")), ("IPv6", ("fd00::1",))):
        endpoints = [
            {
                "addresses": [address],
                "conditions": {} if number == 0 else {"ready": number == 1},
                "targetRef": {"kind": "Pod", "name": f"hook-{number}", "uid": f"uid-{number}"},
            }
            for number, address in enumerate(addresses)
        ]
        things.create(
            f"/apis/discovery.k8s.io/v1/namespaces/{things.namespace}/endpointslices",
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": f"hook-{family.lower()}", "labels": {"kubernetes.io/service-name": "hook"}},
                "addressType": family,
                "endpoints": endpoints,
            },
        )
    assert webhooks()[0].ready_endpoints == 2, "an absent condition counts as ready; a pod counts once"


def test_api_services(api: Api, things: Things) -> None:
    name = f"v1.{things.namespace}.example.com"
    spec = {
        "group": f"{things.namespace}.example.com",
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": things.namespace, "name": "missing"},
    }
    things.create(
        "/apis/apiregistration.k8s.io/v1/apiservices",
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name}, "spec": spec},
    )

    def found() -> tuple[ApiService, ...]:
        return read_snapshot(api).api_services

    # The API server's own groups are not listed: they are available whenever it answers.
    wait_until(lambda: [service.name for service in found()] == [name] and found()[0].message != "")
    assert not found()[0].available
    assert found()[0].message.startswith("ServiceNotFound: ")


def test_storage(api: Api, things: Things) -> None:
    node, version = things.node("a")["metadata"]["name"], "storage.k8s.io/v1"
    drivers = [{"name": name, "nodeID": node, "topologyKeys": []} for name in ("rbd.csi.ceph.com", "nfs.csi.k8s.io")]
    made = {"apiVersion": version, "kind": "CSINode", "metadata": {"name": node}, "spec": {"drivers": drivers}}
    things.create(f"/apis/{version}/csinodes", made)
    path, attachments = f"/apis/{version}/volumeattachments", {}
    for volume, status in {
        "pv-up": {"attached": True},
        "pv-failed": {"attached": False, "attachError": {"message": "no route to host"}},
        "pv-stuck": {"attached": True, "detachError": {"message": "the device is busy"}},
    }.items():
        name = f"{things.namespace}-{volume}"
        spec = {"attacher": "rbd.csi.ceph.com", "nodeName": node, "source": {"persistentVolumeName": volume}}
        meta = {"name": name, "finalizers": ["example.com/attacher"]}
        things.create(path, {"apiVersion": version, "kind": "VolumeAttachment", "metadata": meta, "spec": spec})
        things.status(f"{path}/{name}", status)
        attachments[volume] = name
    things.api.request("DELETE", f"{path}/{attachments['pv-stuck']}")
    try:
        snapshot = read_snapshot(api)
    finally:
        for name in attachments.values():
            things.api.request("PATCH", f"{path}/{name}", body={"metadata": {"finalizers": None}})
    assert [each for each in snapshot.csi_nodes if each.node == node] == [
        CsiNode(node, ("rbd.csi.ceph.com", "nfs.csi.k8s.io"))
    ]
    assert {each.volume: each for each in snapshot.volume_attachments if each.node == node} == {
        "pv-up": VolumeAttachment(attachments["pv-up"], node, "pv-up", attached=True),
        "pv-failed": VolumeAttachment(attachments["pv-failed"], node, "pv-failed", error="no route to host"),
        "pv-stuck": VolumeAttachment(
            attachments["pv-stuck"], node, "pv-stuck", attached=True, detaching=True, error="the device is busy"
        ),
    }


def test_dns_service(api: Api, things: Things) -> None:
    assert read_snapshot(api).dns_service == ""
    things.create(
        "/api/v1/namespaces/kube-system/services",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "labels": {"k8s-app": "kube-dns"}},
            "spec": {"clusterIP": "10.96.0.10", "ports": [{"port": 53, "protocol": "UDP"}]},
        },
    )
    assert read_snapshot(api).dns_service == "10.96.0.10"


@pytest.fixture
def cilium_endpoints(things: Things) -> str:
    """The definition of CiliumEndpoint, as much as is needed to store one; gives the path in the test's namespace."""
    names = {"kind": "CiliumEndpoint", "plural": "ciliumendpoints", "singular": "ciliumendpoint"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v2", "served": True, "storage": True, "schema": schema}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    things.create(
        path,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "ciliumendpoints.cilium.io"},
            "spec": {"group": "cilium.io", "scope": "Namespaced", "names": names, "versions": [version]},
        },
    )

    def served() -> bool:
        status = things.api.get(f"{path}/ciliumendpoints.cilium.io").get("status") or {}
        conditions = status.get("conditions") or ()
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    wait_until(served)
    where = f"/apis/cilium.io/v2/namespaces/{things.namespace}/ciliumendpoints"
    wait_until(lambda: _answers(things.api, where))
    return where


def _answers(api: Api, path: str) -> bool:
    try:
        return bool(api.get(path))
    except Exception:
        return False


def test_cilium(api: Api, things: Things, cilium_endpoints: str) -> None:
    status = {"addresses": [{"type": "InternalIP", "address": "192.168.77.99"}]}
    node = things.node("a", status=status)["metadata"]["name"]
    things.pod("web-0", node)
    assert (read_snapshot(api).cni, read_snapshot(api).endpoints) == ("", ()), "a definition alone is no network"
    things.daemon_set("cilium", {"k8s-app": "cilium"})
    for name, state in (("web-0", "ready"), ("gone", "not-ready")):
        endpoint = {"state": state, "networking": {"node": "192.168.77.99"}}
        meta = {"name": name, "namespace": things.namespace}
        body = {"apiVersion": "cilium.io/v2", "kind": "CiliumEndpoint", "metadata": meta, "status": endpoint}
        things.create(cilium_endpoints, body)
    snapshot = read_snapshot(api, cni_nodes=[node])
    assert snapshot.cni == "cilium"
    assert sorted(snapshot.endpoints, key=lambda endpoint: endpoint.name, reverse=True) == [
        NetworkEndpoint(things.namespace, "web-0", node, "ready"),
        NetworkEndpoint(things.namespace, "gone", node, "not-ready"),
    ]
    assert [(agent.node, agent.error) for agent in snapshot.agents] == [(node, "no agent pod on this node")]
    assert snapshot.unknown == {}


def test_cilium_without_its_endpoints(api: Api, things: Things) -> None:
    """The API server has no such resource, as with Cilium's disable-endpoint-crd: that is known, not unread."""
    things.daemon_set("cilium", {"k8s-app": "cilium"})
    snapshot = read_snapshot(api)
    assert (snapshot.cni, snapshot.endpoints, snapshot.unknown) == ("cilium", (), {})


def test_an_agent_on_a_node_that_does_not_answer(api: Api, things: Things) -> None:
    """As after a reboot into a broken network: the kubelet takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": silent.getsockname()[1]}},
        }
        node = things.node("a", status=status)["metadata"]["name"]
        agent = {"name": "cilium-agent", "image": "example"}
        things.pod("cilium-x", node, {"k8s-app": "cilium"}, spec={"containers": [agent]})
        pod = Pod(things.namespace, "cilium-x", node=node, ready=True)
        began = time.monotonic()
        found = read_agent(api, pod, node, timeout=1)
        assert time.monotonic() - began < 8
        assert found.error
        assert (found.node, found.pod, found.ready) == (node, f"{things.namespace}/cilium-x", True)


class Kubelet(BaseHTTPRequestHandler):
    """A kubelet that has the agent's log, and can't start anything in its container."""

    REFUSED = "argument list too long: BPF program is too large. Processed 1000001 insn"
    LOG = f"program cil_from_netdev: load program: {REFUSED}"

    def do_GET(self) -> None:
        wanted = self.path.startswith("/containerLogs/") and self.path.endswith("/cilium-agent?tailLines=2000")
        body = (
            f"level=info msg=hello\nVerifier error: {self.LOG} (9 line(s) omitted)\n" if wanted else "no such container"
        )
        self.send_response(200 if wanted else 404)
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads along."""


def test_an_agent_that_is_down_has_its_log(api: Api, cluster: Cluster, things: Things) -> None:
    pair = cluster.authority.certificate("kubelet", hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubelet) as kubelet:
        kubelet.socket = context.wrap_socket(kubelet.socket, server_side=True)
        threading.Thread(target=kubelet.serve_forever, daemon=True).start()
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.server_port}},
        }
        node = things.node("a", status=status)["metadata"]["name"]
        agent = {"name": "cilium-agent", "image": "example"}
        things.pod("cilium-x", node, {"k8s-app": "cilium"}, spec={"containers": [agent]})
        found = read_snapshot(api, cni_nodes=[node]).agents[0]
        kubelet.shutdown()
    assert found.refusals == (Kubelet.LOG,)
    assert found.error
    assert "forbidden" not in found.error


def test_what_may_not_be_read_is_unknown_and_the_rest_is_there(cluster: Cluster, things: Things) -> None:
    user = f"{things.namespace}-half"
    api = connect(str(cluster.kubeconfig(user, organization="")))
    rules = [
        {"apiGroups": [""], "resources": ["nodes", "services"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "daemonsets"], "verbs": ["list"]},
    ]
    things.grant(user, user, rules)
    node = things.node("a")["metadata"]["name"]
    things.daemon_set("cilium", {"k8s-app": "cilium"})
    wait_until(lambda: "nodes" not in read_snapshot(api).unknown)
    snapshot = read_snapshot(api, cni_nodes=[node])
    assert node in {found.name for found in snapshot.nodes}
    assert set(snapshot.unknown) == set(LISTS) - {"nodes"}
    assert f'User "{user}" cannot list resource "pods"' in snapshot.unknown["pods"]
    assert snapshot.pods == ()
    assert snapshot.workloads == (), "half of the workloads would mislead"
    assert "the agents' pods could not be read" in snapshot.unknown["agents"]
