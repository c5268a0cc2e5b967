# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The snapshot of the cluster: one paged list for each resource, read side by side. Nothing is judged here.

A resource that can't be read is empty and named in ``unknown`` with the reason; the others are still worth having.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    CORDONED_BY,
    AgentStatus,
    ApiService,
    DisruptionBudget,
    NetworkEndpoint,
    Node,
    Pod,
    Requirement,
    Snapshot,
    Webhook,
    Workload,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.agent import read_agent

AGENT_LABELS = {"k8s-app": "cilium"}
"""Labels of Cilium's agents and of their DaemonSet, as upstream's chart sets them."""

_READS_AT_ONCE = 6
_AGENTS_AT_ONCE = 8
_ROLE = "node-role.kubernetes.io/"
_ETCD_ROLES = {"etcd", "control-plane", "master"}
_MATCHES_NOTHING = (Requirement("", "In", ()),)

Json = Mapping[str, Any]


@dataclass(frozen=True)
class _Resource:
    """A list of the API and how its objects are read. ``parse`` gives any number of things for one object."""

    field: str  # of Snapshot, and the key of ``unknown``
    path: str
    parse: Callable[[Json], Iterable[Any]]
    kind: str = ""


def read_snapshot(api: Api, cni_nodes: Collection[str] = (), clock: Callable[[], float] = time.time) -> Snapshot:
    """Read the cluster as it is now.

    Args:
        api: the connection.
        cni_nodes: the nodes whose network agents are asked themselves (a second or two for each; it takes CPU there).
        clock: gives the time of the snapshot, in seconds since the epoch.
    """
    moment = clock()
    unknown: dict[str, str] = {}
    found: dict[str, list[Any]] = {}
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        lists = [(resource.field, pool.submit(_read, api, resource)) for resource in _RESOURCES]
        version = pool.submit(lambda: str(api.get("/version").get("gitVersion", "")))
        dns = pool.submit(_dns_service, api)
        for field, future in lists:
            found.setdefault(field, []).extend(_result(field, future.result, unknown, []))
    # A resource of which one list is missing (workloads, webhooks) is unknown as a whole: half of it would mislead.
    known: dict[str, Any] = {field: tuple(items) for field, items in found.items() if field not in unknown}
    snapshot = Snapshot(
        time=moment,
        server=api.server,
        version=_result("version", version.result, unknown, ""),
        dns_service=_result("dns_service", dns.result, unknown, ""),
        unknown=unknown,
        **known,
    )
    snapshot = replace(snapshot, nodes=_with_etcd_pods(snapshot), webhooks=_with_endpoints(api, snapshot.webhooks))
    return _with_cilium(api, snapshot, cni_nodes)


def read_nodes(api: Api) -> tuple[Node, ...]:
    """The nodes alone, as they are now.

    Raises:
        ApiError: they can't be listed.
    """
    return tuple(_read(api, _NODES))


def _read(api: Api, resource: _Resource) -> list[Any]:
    def once(page: Mapping[str, int]) -> list[Any]:
        return [thing for item in api.items(resource.path, **page) for thing in resource.parse(item)]

    try:
        return once({})
    except ApiError as error:
        if error.status != 410:
            raise
        return once({"page": 0})


def _result(field: str, call: Callable[[], Any], unknown: dict[str, str], empty: Any) -> Any:
    try:
        return call()
    except ApiError as error:
        unknown[field] = str(error)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        unknown[field] = f"an object that can't be read: {error!r}"
    return empty


def _meta(item: Json) -> Json:
    return item["metadata"]  # type: ignore[no-any-return]


def _node(item: Json) -> Iterable[Node]:
    meta, spec, status = _meta(item), item.get("spec") or {}, item.get("status") or {}
    labels, info = meta.get("labels") or {}, status.get("nodeInfo") or {}
    roles = tuple(sorted(name.removeprefix(_ROLE) for name in labels if name.startswith(_ROLE)))
    addresses = [a["address"] for a in status.get("addresses") or () if a.get("type") == "InternalIP"]
    yield Node(
        name=meta["name"],
        uid=meta.get("uid", ""),
        zone=labels.get("topology.kubernetes.io/zone", ""),
        roles=roles,
        ready={"True": True, "False": False}.get(_condition(status, "Ready").get("status", "")),
        unschedulable=bool(spec.get("unschedulable")),
        cordoned_by=(meta.get("annotations") or {}).get(CORDONED_BY, ""),
        kernel=info.get("kernelVersion", ""),
        boot_id=info.get("bootID", ""),
        internal_ip=addresses[0] if addresses else "",
        etcd=not _ETCD_ROLES.isdisjoint(roles),
    )


def _pod(item: Json) -> Iterable[Pod]:
    meta, spec, status = _meta(item), item.get("spec") or {}, item.get("status") or {}
    containers = status.get("containerStatuses") or ()
    states = [c.get("state") or {} for c in (*(status.get("initContainerStatuses") or ()), *containers)]
    waiting = [state["waiting"].get("reason", "") for state in states if state.get("waiting")]
    owner: Json = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), {})
    mirror = "kubernetes.io/config.mirror" in (meta.get("annotations") or {})
    yield Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta.get("uid", ""),
        node=spec.get("nodeName", ""),
        phase=status.get("phase", ""),
        ready=_condition(status, "Ready").get("status") == "True",
        restarts=sum(c.get("restartCount", 0) for c in containers),
        waiting=waiting[0] if waiting else "",
        owner_kind="Node" if mirror else owner.get("kind", ""),
        owner_name=spec.get("nodeName", "") if mirror else owner.get("name", ""),
        labels=dict(meta.get("labels") or {}),
        host_network=bool(spec.get("hostNetwork")),
        pod_ip=status.get("podIP", ""),
        local_storage=any("emptyDir" in volume for volume in spec.get("volumes") or ()),
        terminating="deletionTimestamp" in meta,
    )


def _replicated(kind: str) -> Callable[[Json], Iterable[Workload]]:
    def parse(item: Json) -> Iterable[Workload]:
        meta, status = _meta(item), item.get("status") or {}
        wanted = (item.get("spec") or {}).get("replicas", 1)
        yield Workload(kind, meta["namespace"], meta["name"], wanted, status.get("availableReplicas", 0))

    return parse


def _daemon_set(item: Json) -> Iterable[Workload]:
    meta, status = _meta(item), item.get("status") or {}
    wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    yield Workload("DaemonSet", meta["namespace"], meta["name"], wanted, available)


def _budget(item: Json) -> Iterable[DisruptionBudget]:
    meta, status = _meta(item), item.get("status") or {}
    yield DisruptionBudget(
        namespace=meta["namespace"],
        name=meta["name"],
        selector=_selector((item.get("spec") or {}).get("selector")),
        disruptions_allowed=status.get("disruptionsAllowed", 0),
        current_healthy=status.get("currentHealthy", 0),
        desired_healthy=status.get("desiredHealthy", 0),
        expected_pods=status.get("expectedPods", 0),
    )


def _selector(selector: Json | None) -> tuple[Requirement, ...]:
    """A label selector as requirements that all have to hold. In policy/v1, none selects nothing and {} everything."""
    if selector is None:
        return _MATCHES_NOTHING
    labels = [Requirement(key, "In", (value,)) for key, value in sorted((selector.get("matchLabels") or {}).items())]
    expressions = [
        Requirement(e["key"], e["operator"], tuple(e.get("values") or ()))
        for e in selector.get("matchExpressions") or ()
    ]
    return (*labels, *expressions)


def _webhooks(kind: str) -> Callable[[Json], Iterable[Webhook]]:
    def parse(item: Json) -> Iterable[Webhook]:
        for webhook in item.get("webhooks") or ():
            service = (webhook.get("clientConfig") or {}).get("service")
            yield Webhook(
                kind=kind,
                configuration=_meta(item)["name"],
                name=webhook["name"],
                failure_policy=webhook.get("failurePolicy", "Fail"),
                service=f"{service['namespace']}/{service['name']}" if service else "",
            )

    return parse


def _api_service(item: Json) -> Iterable[ApiService]:
    if not (item.get("spec") or {}).get("service"):
        return  # served by the API server itself
    available = _condition(item.get("status") or {}, "Available")
    message = ": ".join(part for part in (available.get("reason", ""), available.get("message", "")) if part)
    ok = available.get("status") == "True"
    yield ApiService(_meta(item)["name"], ok, "" if ok else message)


def _condition(status: Json, kind: str) -> Json:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


_NODES = _Resource("nodes", "/api/v1/nodes", _node)
_RESOURCES = (
    _NODES,
    _Resource("pods", "/api/v1/pods", _pod),
    _Resource("workloads", "/apis/apps/v1/deployments", _replicated("Deployment")),
    _Resource("workloads", "/apis/apps/v1/statefulsets", _replicated("StatefulSet")),
    _Resource("workloads", "/apis/apps/v1/daemonsets", _daemon_set),
    _Resource("budgets", "/apis/policy/v1/poddisruptionbudgets", _budget),
    *(
        _Resource(
            "webhooks",
            f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}webhookconfigurations",
            _webhooks(f"{kind}WebhookConfiguration"),
        )
        for kind in ("Validating", "Mutating")
    ),
    _Resource("api_services", "/apis/apiregistration.k8s.io/v1/apiservices", _api_service),
)


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
    return tuple(replace(webhook, ready_endpoints=ready.get(webhook.service)) for webhook in webhooks)


def _ready_endpoints(api: Api, service: str) -> int | None:
    namespace, name = service.split("/", 1)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    ready: set[str] = set()
    try:
        for item in api.items(path, labelSelector=f"kubernetes.io/service-name={name}"):
            for endpoint in item.get("endpoints") or ():
                # An absent condition counts as ready; a pod with two addresses is in two slices.
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    target = endpoint.get("targetRef") or {}
                    ready.add(target.get("uid") or target.get("name") or str(endpoint.get("addresses")))
    except ApiError:
        return None
    return len(ready)


def _with_cilium(api: Api, snapshot: Snapshot, cni_nodes: Collection[str]) -> Snapshot:
    agents = {pod.node: pod for pod in snapshot.pods if AGENT_LABELS.items() <= pod.labels.items()}
    try:
        cilium = bool(agents) or any(api.items("/apis/apps/v1/daemonsets", labelSelector="k8s-app=cilium"))
    except ApiError as error:
        return replace(snapshot, unknown={**snapshot.unknown, "cni": str(error)})
    if not cilium:
        return snapshot
    snapshot = replace(snapshot, cni="cilium")
    unknown = dict(snapshot.unknown)
    nodes = {node.internal_ip: node.name for node in snapshot.nodes if node.internal_ip}
    hosts = {(pod.namespace, pod.name): pod.node for pod in snapshot.pods}
    resource = _Resource(
        "endpoints", "/apis/cilium.io/v2/ciliumendpoints", lambda item: [_network_endpoint(item, hosts, nodes)]
    )
    endpoints = _result("endpoints", lambda: tuple(_read(api, resource)), unknown, ())
    if cni_nodes and "pods" in unknown:
        unknown["agents"] = f"the agents' pods are unknown: {unknown['pods']}"
        cni_nodes = ()
    with ThreadPoolExecutor(_AGENTS_AT_ONCE) as pool:
        asked = tuple(pool.map(lambda node: _agent(api, agents.get(node), node), sorted(cni_nodes)))
    return replace(snapshot, endpoints=endpoints, agents=asked, unknown=unknown)


def _agent(api: Api, pod: Pod | None, node: str) -> AgentStatus:
    if pod is None:
        return AgentStatus(node, error="no agent pod on this node")
    return read_agent(api, pod, node)


def _network_endpoint(item: Json, hosts: Mapping[tuple[str, str], str], nodes: Mapping[str, str]) -> NetworkEndpoint:
    """A CiliumEndpoint has the name of its pod; for its node it has an address only."""
    meta, status = _meta(item), item.get("status") or {}
    namespace, name = meta["namespace"], meta["name"]
    address = (status.get("networking") or {}).get("node", "")
    node = hosts.get((namespace, name)) or nodes.get(address, address)
    return NetworkEndpoint(namespace, name, node, status.get("state", ""))
