# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The snapshot of the cluster: every list of ``resources.py``, read side by side and put together. Nothing is judged.

A resource that can't be read is empty and named in ``unknown`` with the reason; the others are still worth having.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.rights import Need
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    AgentStatus,
    NetworkEndpoint,
    Node,
    Pod,
    Snapshot,
    Webhook,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe import agent
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.resources import NODES, RESOURCES, SEE, Resource

AGENT_LABELS = {"k8s-app": "cilium"}
"""Labels of Cilium's agents and of their DaemonSet, as upstream's chart sets them."""

NEEDS: tuple[Need, ...] = (
    *(resource.need for resource in RESOURCES),
    Need("list", "discovery.k8s.io", "endpointslices", SEE, note="which endpoints serve a webhook"),
    Need("list", "", "services", "find the DNS service", "dns"),
    *agent.NEEDS,
)
"""The rights that a snapshot takes."""

_CILIUM = "cilium"
# Who else of Cilium may carry that label: its operator, and Envoy where it is a DaemonSet of its own.
_NAME_LABEL = "app.kubernetes.io/name"
_AGENT_NAMES = ("", "cilium", "cilium-agent")
_READS_AT_ONCE = 6
_AGENTS_AT_ONCE = 8


def read_snapshot(
    api: Api,
    cni_nodes: Collection[str] = (),
    clock: Callable[[], float] = time.time,
    resources: Collection[Resource] = RESOURCES,
) -> Snapshot:
    """Read the cluster as it is now.

    Args:
        api: the connection.
        cni_nodes: the nodes whose network agents are asked themselves (a second or two for each; it takes CPU there).
        clock: gives the time of the snapshot, in seconds since the epoch.
        resources: the lists to read.
    """
    with _collector_paused():
        return _snapshot(api, cni_nodes, clock(), resources)


def read_nodes(api: Api) -> tuple[Node, ...]:
    """The nodes alone, as they are now.

    Raises:
        ApiError: they can't be listed.
    """
    return tuple(_read(api, NODES))


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Decoded JSON has no cycles, and making a million objects lets the collector visit all of them again and again.

    With 30,000 pods that is two thirds of the processor's time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _snapshot(api: Api, cni_nodes: Collection[str], moment: float, resources: Collection[Resource]) -> Snapshot:
    unknown: dict[str, str] = {}
    with ThreadPoolExecutor(3) as pool:
        readiness = pool.submit(_not_ready, api)
        version = pool.submit(lambda: str(api.get("/version").get("gitVersion", "")))
        dns = pool.submit(_dns_service, api)
        known = _lists(api, [resource for resource in resources if resource.where != "cilium"], unknown)
        snapshot = Snapshot(
            time=moment,
            server=api.server,
            version=_result("version", version.result, unknown, ""),
            dns_service=_result("dns_service", dns.result, unknown, ""),
            not_ready=readiness.result(),
            unknown=unknown,
            **known,
        )
    snapshot = replace(snapshot, nodes=_with_etcd_pods(snapshot), webhooks=_with_endpoints(api, snapshot.webhooks))
    return _with_cilium(api, snapshot, cni_nodes, [resource for resource in resources if resource.where == "cilium"])


def _lists(api: Api, resources: Iterable[Resource], unknown: dict[str, str]) -> dict[str, Any]:
    """The fields of a snapshot that these lists fill; those that can't be read are named in ``unknown`` instead."""
    found: dict[str, list[Any]] = {}
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        lists = [(resource.field, pool.submit(_read, api, resource)) for resource in resources]
        for field, future in lists:
            found.setdefault(field, []).extend(_result(field, future.result, unknown, []))
    # A field of which one list is missing (workloads, webhooks) is unknown as a whole: half of it would mislead.
    return {field: tuple(items) for field, items in found.items() if field not in unknown}


def _read(api: Api, resource: Resource) -> list[Any]:
    def once(page: Mapping[str, int]) -> list[Any]:
        return [thing for item in api.items(resource.path, **page) for thing in resource.parse(item)]

    try:
        return once({})
    except ApiError as error:
        if error.status == 404 and resource.optional:
            return []
        if error.status != 410:
            raise
        return once({"page": 0})


def _result(field: str, call: Callable[[], Any], unknown: dict[str, str], empty: Any) -> Any:
    try:
        return call()
    except ApiError as error:
        unknown[field] = str(error)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        unknown[field] = f"an object that could not be read: {error!r}"
    return empty


def _not_ready(api: Api) -> str:
    """What the API server says that keeps it from being ready: /readyz answers 500 then, a line for each part.

    A server that does not answer at all is found by the lists, and one that forbids the question is not asked.
    """
    try:
        api.text("/readyz")
    except ApiError as error:
        if error.status == 500:
            failing = [line.strip() for line in error.message.splitlines() if line.startswith("[-]")]
            return "; ".join(failing) or "/readyz answers 500"  # a long answer is cut
    return ""


def _dns_service(api: Api) -> str:
    """Cluster IP of the DNS service: CoreDNS keeps the label of its predecessor, in every distribution."""
    services = api.items("/api/v1/namespaces/kube-system/services", labelSelector="k8s-app=kube-dns")
    addresses = [(item["metadata"]["name"], (item.get("spec") or {}).get("clusterIP", "")) for item in services]
    return next((address for _, address in sorted(addresses) if address not in ("", "None")), "")


def _with_etcd_pods(snapshot: Snapshot) -> tuple[Node, ...]:
    """Mark the nodes that run etcd as a static pod, whatever their roles are called."""
    hosts = {p.node for p in snapshot.pods if p.owner_kind == "Node" and p.labels.get("component") == "etcd"}
    return tuple(replace(node, etcd=node.etcd or node.name in hosts) for node in snapshot.nodes)


def _with_endpoints(api: Api, webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
    """Fill in how many endpoints of each webhook's service are ready; None where that can't be read."""
    services = sorted({webhook.service for webhook in webhooks if webhook.service})
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        ready = dict(zip(services, pool.map(lambda service: _ready_endpoints(api, service), services), strict=True))
    return tuple(
        replace(
            webhook,
            ready_endpoints=None if found is None else len(found),
            endpoint_nodes=tuple(sorted(set((found or {}).values()))),
        )
        for webhook in webhooks
        for found in (ready.get(webhook.service),)
    )


def _ready_endpoints(api: Api, service: str) -> dict[str, str] | None:
    """Each ready endpoint with the name of its node; None when they can't be read."""
    namespace, name = service.split("/", 1)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    ready: dict[str, str] = {}
    try:
        for item in api.items(path, labelSelector=f"kubernetes.io/service-name={name}"):
            for endpoint in item.get("endpoints") or ():
                # An absent condition counts as ready; a pod with two addresses is in two slices.
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    target = endpoint.get("targetRef") or {}
                    who = target.get("uid") or target.get("name") or str(endpoint.get("addresses"))
                    ready[who] = endpoint.get("nodeName") or ""
    except ApiError:
        return None
    return ready


def _with_cilium(api: Api, snapshot: Snapshot, cni_nodes: Collection[str], resources: Collection[Resource]) -> Snapshot:
    pods = _agent_pods(snapshot)
    try:
        cilium = bool(pods) or any(api.items("/apis/apps/v1/daemonsets", labelSelector="k8s-app=cilium"))
    except ApiError as error:
        return replace(snapshot, unknown={**snapshot.unknown, "cni": str(error)})
    if not cilium:
        return snapshot
    unknown = dict(snapshot.unknown)
    known = _lists(api, resources, unknown)
    snapshot = replace(snapshot, cni=_CILIUM, unknown=unknown, **known)
    snapshot = replace(snapshot, endpoints=tuple(_on_nodes(snapshot)))
    return with_agents(api, snapshot, cni_nodes)


def with_agents(api: Api, snapshot: Snapshot, nodes: Collection[str]) -> Snapshot:
    """The snapshot with the answers of the network agents on these nodes, asked now; as it is without Cilium."""
    if snapshot.cni != _CILIUM or not nodes:
        return snapshot
    if reason := snapshot.unknown.get("pods"):
        return replace(
            snapshot, unknown={**snapshot.unknown, "agents": f"the agents' pods could not be read: {reason}"}
        )
    pods = _agent_pods(snapshot)
    with ThreadPoolExecutor(_AGENTS_AT_ONCE) as pool:
        asked = tuple(pool.map(lambda node: _agent(api, pods.get(node), node), sorted(nodes)))
    return replace(snapshot, agents=asked)


def _agent_pods(snapshot: Snapshot) -> dict[str, Pod]:
    """The agent's pod on each node; while it is replaced there are two, of which the one that stays counts."""
    agents = [
        pod
        for pod in snapshot.pods
        if AGENT_LABELS.items() <= pod.labels.items()
        and pod.labels.get(_NAME_LABEL, "") in _AGENT_NAMES
        and pod.labels.get("io.cilium/app") != "operator"
    ]
    return {pod.node: pod for pod in sorted(agents, key=lambda pod: not pod.terminating)}


def _agent(api: Api, pod: Pod | None, node: str) -> AgentStatus:
    if pod is None:
        return AgentStatus(node, error="no agent pod on this node")
    return agent.read_agent(api, pod, node)


def _on_nodes(snapshot: Snapshot) -> Iterable[NetworkEndpoint]:
    """The CiliumEndpoints with the names of their nodes: their pods', else those of the nodes with their addresses."""
    hosts = {(pod.namespace, pod.name): pod.node for pod in snapshot.pods}
    nodes = {node.internal_ip: node.name for node in snapshot.nodes if node.internal_ip}
    for endpoint in snapshot.endpoints:
        node = hosts.get((endpoint.namespace, endpoint.name)) or nodes.get(endpoint.node, endpoint.node)
        yield replace(endpoint, node=node)
