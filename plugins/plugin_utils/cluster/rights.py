# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Friday has to be allowed to do, as data: asked for before a run, granted by manifests/rights.yaml."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

_RIGHTS_AT_ONCE = 8


@dataclass(frozen=True)
class Need:
    """One right that Friday needs.

    ``where`` is empty for the whole cluster, ``friday`` for Friday's own namespace, ``dns`` for kube-system. Two are
    for clusters with Cilium alone: ``cilium`` for the whole cluster, ``agents`` for the namespaces of its agents. One,
    ``missing``, is for the whole cluster while Friday's namespace isn't there.
    """

    verb: str
    group: str
    resource: str  # with its subresource: pods/eviction
    why: str
    where: str = ""
    name: str = ""  # of the only object that it is for; empty: all

    def rule(self) -> dict[str, list[str]]:
        """The need as a rule of a Role or ClusterRole."""
        rule = {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]}
        return {**rule, "resourceNames": [self.name]} if self.name else rule


_SNAPSHOT, _LEASE, _RECORD = "see the state of the cluster", "hold the lock", "keep the record of the run"
_AGENT = "ask the network agents"
NEEDS: tuple[Need, ...] = (
    *(
        Need("list", group, resource, _SNAPSHOT)
        for group, resource in (
            ("", "nodes"),
            ("", "pods"),
            ("apps", "deployments"),
            ("apps", "statefulsets"),
            ("apps", "daemonsets"),
            ("policy", "poddisruptionbudgets"),
            ("discovery.k8s.io", "endpointslices"),
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
            ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
            ("apiregistration.k8s.io", "apiservices"),
        )
    ),
    Need("list", "", "services", "find the DNS service", "dns"),
    Need("get", "", "nodes", "cordon and uncordon"),
    Need("patch", "", "nodes", "cordon and uncordon"),
    Need("create", "", "pods/eviction", "drain"),
    Need("list", "cilium.io", "ciliumendpoints", _SNAPSHOT, "cilium"),
    # The request for a web socket is a GET; from 1.35 on, the server asks for "create" as well (KEP-5325).
    Need("get", "", "pods/exec", _AGENT, "agents"),
    Need("create", "", "pods/exec", _AGENT, "agents"),
    Need("get", "", "pods/log", _AGENT, "agents"),
    # In a namespace, the namespace itself: a Role grants it.
    Need("get", "", "namespaces", _LEASE, "friday"),
    Need("create", "", "namespaces", _LEASE, "missing"),
    Need("list", "coordination.k8s.io", "leases", "see that no other Friday is at work", name="friday"),
    *(Need(verb, "coordination.k8s.io", "leases", _LEASE, "friday") for verb in ("get", "create", "update")),
    *(Need(verb, "", "configmaps", _RECORD, "friday") for verb in ("get", "list", "create", "patch", "delete")),
)
"""Everything that Friday asks of the API server. Whatever the plugins come to do, belongs here.

manifests/rights.yaml grants just this, but for what is needed while the namespace is missing: it makes that.
"""


def check_rights(api: Api, namespace: str) -> tuple[Problem, ...]:
    """Return a problem for each right of :data:`NEEDS` that we lack (SelfSubjectAccessReview); empty when all is well.

    ``namespace`` is Friday's own.
    """
    agents = _agent_namespaces(api)
    places: dict[str, tuple[str, ...]] = {
        "": ("",),
        "friday": (namespace,),
        "missing": ("",) if _is_missing(api, namespace) else (),
        "dns": ("kube-system",),
        "cilium": ("",) if agents else (),
        "agents": agents,
    }
    asked = [(need, place) for need in NEEDS for place in places[need.where]]
    with ThreadPoolExecutor(_RIGHTS_AT_ONCE) as pool:
        allowed = list(pool.map(lambda item: _allowed(api, *item), asked))
    missing = [item for item, yes in zip(asked, allowed, strict=True) if not yes]
    return tuple(_missing_right(api, need, place) for need, place in missing)


def _agent_namespaces(api: Api) -> tuple[str, ...]:
    """Where Cilium's agents are, by their DaemonSet and by themselves: one of the two may be hidden from us."""
    found: set[str] = set()
    for path in ("/apis/apps/v1/daemonsets", "/api/v1/pods"):
        try:
            found |= {item["metadata"]["namespace"] for item in api.items(path, labelSelector="k8s-app=cilium")}
        except ApiError:
            continue  # that we may not list them is a problem of its own
    return tuple(sorted(found))


def _is_missing(api: Api, namespace: str) -> bool:
    """True when the namespace isn't there. Whether it is may be hidden from us: then the right to see it is missing."""
    try:
        api.get(f"/api/v1/namespaces/{namespace}")
    except ApiError as error:
        return error.status == 404
    return False


def _allowed(api: Api, need: Need, place: str) -> bool:
    resource, _, subresource = need.resource.partition("/")
    attributes = {"verb": need.verb, "group": need.group, "resource": resource, "subresource": subresource}
    if place:
        attributes["namespace"] = place
    if need.name:
        attributes["name"] = need.name
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
    return bool(answer["status"].get("allowed"))


def _missing_right(api: Api, need: Need, place: str) -> Problem:
    resource = f"{need.resource}.{need.group}" if need.group else need.resource
    resource += f" named {need.name}" if need.name else ""
    where = f"in namespace {place}" if place else "in the whole cluster"
    kind = "Role" if place else "ClusterRole"
    return Problem(
        f"rights of {api.user or 'the user'}",
        f"may not {need.verb} {resource} {where} (needed to {need.why})",
        f"add to a {kind} of theirs: {json.dumps(need.rule())}",
    )
