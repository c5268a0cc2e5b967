# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""manifests/rights.yaml as it is shipped, edited where it says what to change, and applied to the test cluster."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.rights import Need

MANIFEST = Path(__file__).resolve().parents[2] / "manifests/rights.yaml"
OPERATORS = "friday:operators"
"""The group that the manifest gives the rights to."""

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ClusterRole": f"{_RBAC}/clusterroles",
    "ClusterRoleBinding": f"{_RBAC}/clusterrolebindings",
    "Role": f"{_RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{_RBAC}/namespaces/{{}}/rolebindings",
}

Json = dict[str, Any]


def documents(namespace: str = "friday", agents: str = "kube-system") -> list[Json]:
    """The manifest's objects, for a namespace of Friday's and one of the agents.

    Its marked lines are changed and nothing else, as its head tells people to.
    """
    text = MANIFEST.read_text(encoding="utf-8")
    for marker, name in (("friday_namespace", namespace), ("agents", agents)):
        text = re.sub(rf"(?m): \S+ # {marker}$", f": {name}", text)
    return list(yaml.safe_load_all(text))


def apply(api: Api, objects: Iterable[Json]) -> None:
    """Make what isn't there yet."""
    for item in objects:
        path = _PATHS[item["kind"]].format(item["metadata"].get("namespace"))
        try:
            api.request("POST", path, body=item)
        except ApiError as error:
            if error.status != 409:
                raise


def remove(api: Api, objects: Iterable[Json]) -> None:
    """Take away what is there of them."""
    for item in objects:
        path = _PATHS[item["kind"]].format(item["metadata"].get("namespace"))
        with contextlib.suppress(ApiError):
            api.request("DELETE", f"{path}/{item['metadata']['name']}")


def without(need: Need, user: str, objects: Iterable[Json]) -> list[Json]:
    """The roles of the manifest less one right, under another name and for one user."""
    return [_renamed(item, user, need) for item in objects if item["kind"].endswith(("Role", "Binding"))]


def _renamed(item: Json, user: str, need: Need) -> Json:
    name = f"{user}-{item['metadata']['name']}"
    changed = {**item, "metadata": {**item["metadata"], "name": name}}
    if "rules" in item:
        return {**changed, "rules": [rule for old in item["rules"] for rule in _less(old, need)]}
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    return {**changed, "roleRef": {**item["roleRef"], "name": name}, "subjects": [subject]}


def _less(rule: Json, need: Need) -> list[Json]:
    """A rule without one right; none of it is left when it had no other."""
    if need.group not in rule["apiGroups"] or need.resource not in rule["resources"] or need.verb not in rule["verbs"]:
        return [rule]
    others = [resource for resource in rule["resources"] if resource != need.resource]
    verbs = [verb for verb in rule["verbs"] if verb != need.verb]
    split = [{**rule, "resources": others}, {**rule, "resources": [need.resource], "verbs": verbs}]
    return [part for part in split if part["resources"] and part["verbs"]]
