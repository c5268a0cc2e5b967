# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A right that Friday needs, as data, and the question to the API server whether we have it."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
    note: str = ""  # what else the reference page says of it

    def rule(self) -> dict[str, list[str]]:
        """The need as a rule of a Role or ClusterRole."""
        rule = {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]}
        return {**rule, "resourceNames": [self.name]} if self.name else rule


def lacking(api: Api, namespace: str, needs: Iterable[Need]) -> tuple[Problem, ...]:
    """Return a problem for each right that we lack (SelfSubjectAccessReview); empty when there is none.

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
    asked = [(need, place) for need in needs for place in places[need.where]]
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
        f"add to one of its {kind}s: {json.dumps(need.rule())}",
    )
