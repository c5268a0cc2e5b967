# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is listed of the API server, a row for each resource: where it is, how it is read, and the right that it takes.

To read something new: its dataclass and field in ``model/snapshot.py``, a parser and a row here. The rights that the
guard asks for, ``manifests/rights.yaml`` and ``docs/reference/rights.md`` follow from the rows (``make reference``).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.rights import Need
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    CORDONED_BY,
    Apart,
    ApiService,
    CsiNode,
    DisruptionBudget,
    NetworkEndpoint,
    Node,
    Pod,
    Requirement,
    Spread,
    Taint,
    Toleration,
    VolumeAttachment,
    Webhook,
    Workload,
)

_CORDON_TAINT = "node.kubernetes.io/unschedulable"
SEE = "read the state of the cluster"

_ROLE = "node-role.kubernetes.io/"
_ETCD_ROLES = {"etcd", "control-plane", "master"}
_MATCHES_NOTHING = (Requirement("", "In", ()),)

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """One list of the API and how its objects are read.

    Attributes:
        field: of :class:`Snapshot`, and the key of ``unknown``. Several lists may fill one field.
        path: of the list, over all namespaces: ``/api/v1/pods``, ``/apis/apps/v1/deployments``.
        parse: gives any number of things for one object.
        where: where the right is needed, as in :class:`Need`; a list with ``cilium`` is read only with Cilium.
        optional: the API is not part of every cluster. Where it is not served, there is none of it, and that is known.
        note: what else is to be said of the right.
    """

    field: str
    path: str
    parse: Callable[[Json], Iterable[Any]]
    where: str = ""
    optional: bool = False
    note: str = ""

    @property
    def need(self) -> Need:
        """The right to list it."""
        _, root, *parts = self.path.split("/")
        group = parts[0] if root == "apis" else ""
        return Need("list", group, parts[-1], SEE, self.where, note=self.note)


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
        voter={"True": True, "False": False}.get(_condition(status, "EtcdIsVoter").get("status", "")),
        labels=dict(labels),
        taints=tuple(
            Taint(t.get("key", ""), t.get("value", ""), t.get("effect", "")) for t in spec.get("taints") or ()
        ),
        allocatable=_amounts(status.get("allocatable")),
        cordoned_at=next(
            (_time(t.get("timeAdded")) for t in spec.get("taints") or () if t.get("key") == _CORDON_TAINT), 0.0
        ),
    )


def _pod(item: Json) -> Iterable[Pod]:
    meta, spec, status = _meta(item), item.get("spec") or {}, item.get("status") or {}
    containers = status.get("containerStatuses") or ()
    states = [c.get("state") or {} for c in (*(status.get("initContainerStatuses") or ()), *containers)]
    waiting = [state["waiting"].get("reason", "") for state in states if state.get("waiting")]
    owner: Json = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), {})
    mirror = "kubernetes.io/config.mirror" in (meta.get("annotations") or {})
    affinity: Json = spec.get("affinity") or {}
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
        tolerates_cordon=any(map(_tolerates_cordon, spec.get("tolerations") or ())),
        image=(spec.get("containers") or [{}])[0].get("image", "") if mirror else "",
        requests=_requests(spec),
        selector=tuple(sorted((spec.get("nodeSelector") or {}).items())),
        affinity=_node_affinity(affinity.get("nodeAffinity") or {}),
        tolerations=tuple(
            Toleration(t.get("key", ""), t.get("operator", "Equal"), t.get("value", ""), t.get("effect", ""))
            for t in spec.get("tolerations") or ()
        ),
        apart=tuple(
            Apart(term.get("topologyKey", ""), _selector(term.get("labelSelector")))
            for term in (affinity.get("podAntiAffinity") or {}).get(_REQUIRED) or ()
        ),
        spread=tuple(
            Spread(c.get("topologyKey", ""), int(c.get("maxSkew", 1)), _selector(c.get("labelSelector")))
            for c in spec.get("topologySpreadConstraints") or ()
            if c.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
        ),
        grace=int(spec.get("terminationGracePeriodSeconds", 30) or 0),
        created=_time(meta.get("creationTimestamp")),
        ends_by=_time(meta.get("deletionTimestamp")),
        finalizers=tuple(meta.get("finalizers") or ()),
    )


def _time(text: str | None) -> float:
    """Seconds since the epoch of an RFC 3339 time; 0 where there is none."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_SUFFIXES = {
    **{suffix: 1000**power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{f"{suffix}i": 1024**power for power, suffix in enumerate(("K", "M", "G", "T", "P", "E"), start=1)},
}


def _amount(name: str, text: Any) -> int:
    """A quantity of the API: cpu in thousandths, all else in units, rounded up.

    See apimachinery's pkg/api/resource: decimal numbers with m, k, M, Ki, Mi and so on, or an exponent.
    """
    found = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkKMGTPE]?i?)", str(text))
    small = {"n": 9, "u": 6, "m": 3}.get(found[2]) if found else None
    if not found or (not small and found[2] not in _SUFFIXES):
        raise ValueError(f"{text!r} is not a quantity")
    value = Decimal(found[1]) / 10**small if small else Decimal(found[1]) * _SUFFIXES[found[2]]
    return math.ceil(value * 1000 if name == "cpu" else value)


def _amounts(quantities: Json | None) -> dict[str, int]:
    return {name: _amount(name, text) for name, text in (quantities or {}).items()}


def _requests(spec: Json) -> dict[str, int]:
    """What the scheduler reserves for a pod: of its containers together, or of an init container if that is more.

    Init containers that restart (sidecars) stay, and add up with the others.
    """
    total: Counter[str] = Counter()
    first: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        asked = _amounts((container.get("resources") or {}).get("requests"))
        if container.get("restartPolicy") == "Always":
            total.update(asked)
        first |= Counter(asked)
    for container in spec.get("containers") or ():
        total.update(_amounts((container.get("resources") or {}).get("requests")))
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                total[f"host port {port['hostPort']}/{port.get('protocol', 'TCP')}"] = 1
    found = total | first
    found.update(_amounts(spec.get("overhead")))
    return dict(found)


def _node_affinity(affinity: Json) -> tuple[tuple[Requirement, ...], ...]:
    terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()
    return tuple(
        tuple(
            Requirement(e["key"], e["operator"], tuple(e.get("values") or ()))
            for e in (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
        )
        for term in terms
    )


def _tolerates_cordon(toleration: Json) -> bool:
    """Whether it covers the taint of a cordoned node; without a key (operator Exists) it covers every taint."""
    return toleration.get("key", "") in ("", _CORDON_TAINT) and toleration.get("effect", "") in ("", "NoSchedule")


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
        always_allow=(item.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow",
        owner_kind=next((o["kind"] for o in meta.get("ownerReferences") or () if o.get("controller")), ""),
        error=_not_computed(meta, status),
    )


def _not_computed(meta: Json, status: Json) -> str:
    """Why the budget's numbers mean nothing; its controller says it in a condition."""
    condition = _condition(status, "DisruptionAllowed")
    if condition.get("reason") == "SyncFailed":
        return str(condition.get("message") or "the disruption controller gives no reason")
    if status.get("observedGeneration", meta.get("generation", 0)) < meta.get("generation", 0):
        return "the disruption controller has not seen its last change yet"
    return ""


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


def _network_endpoint(item: Json) -> Iterable[NetworkEndpoint]:
    """A CiliumEndpoint has the name of its pod; for its node it has an address only."""
    meta, status = _meta(item), item.get("status") or {}
    address = (status.get("networking") or {}).get("node", "")
    yield NetworkEndpoint(meta["namespace"], meta["name"], address, status.get("state", ""))


def _csi_node(item: Json) -> Iterable[CsiNode]:
    drivers = (item.get("spec") or {}).get("drivers") or ()
    yield CsiNode(_meta(item)["name"], tuple(driver["name"] for driver in drivers))


def _volume_attachment(item: Json) -> Iterable[VolumeAttachment]:
    meta, spec, status = _meta(item), item["spec"], item.get("status") or {}
    detaching = "deletionTimestamp" in meta
    error = status.get("detachError" if detaching else "attachError") or {}
    yield VolumeAttachment(
        name=meta["name"],
        node=spec["nodeName"],
        volume=spec["source"].get("persistentVolumeName", ""),
        attached=bool(status.get("attached")),
        detaching=detaching,
        error=error.get("message", ""),
    )


_ADMISSION = "/apis/admissionregistration.k8s.io/v1"

NODES = Resource("nodes", "/api/v1/nodes", _node)
RESOURCES: tuple[Resource, ...] = (
    NODES,
    Resource("pods", "/api/v1/pods", _pod, note="and make sure that evicted pods are gone"),
    Resource("workloads", "/apis/apps/v1/deployments", _replicated("Deployment")),
    Resource("workloads", "/apis/apps/v1/statefulsets", _replicated("StatefulSet")),
    Resource("workloads", "/apis/apps/v1/daemonsets", _daemon_set),
    Resource("budgets", "/apis/policy/v1/poddisruptionbudgets", _budget),
    Resource("webhooks", f"{_ADMISSION}/validatingwebhookconfigurations", _webhooks("ValidatingWebhookConfiguration")),
    Resource("webhooks", f"{_ADMISSION}/mutatingwebhookconfigurations", _webhooks("MutatingWebhookConfiguration")),
    Resource("api_services", "/apis/apiregistration.k8s.io/v1/apiservices", _api_service),
    Resource("csi_nodes", "/apis/storage.k8s.io/v1/csinodes", _csi_node),
    Resource("volume_attachments", "/apis/storage.k8s.io/v1/volumeattachments", _volume_attachment),
    Resource("endpoints", "/apis/cilium.io/v2/ciliumendpoints", _network_endpoint, where="cilium", optional=True),
)
