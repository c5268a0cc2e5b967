# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that Friday asks of the API server, put together from the rooms that ask it."""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster import rights
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.rights import Need
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe import cluster

_LEASE, _RECORD = "hold the lock", "keep the record of the run"

NEEDS: tuple[Need, ...] = (
    *cluster.NEEDS,
    Need("get", "", "nodes", "cordon and uncordon"),
    Need("patch", "", "nodes", "cordon and uncordon"),
    Need("create", "", "pods/eviction", "drain"),
    # In a namespace, the namespace itself: a Role grants it.
    Need("get", "", "namespaces", _LEASE, "friday", note="check that the namespace exists"),
    Need("create", "", "namespaces", _LEASE, "missing", note="not in the manifest, which creates the namespace"),
    Need(
        "list",
        "coordination.k8s.io",
        "leases",
        "make sure that no other Friday is running",
        name="friday",
        note="in any namespace: two Fridays may use different ones",
    ),
    *(Need(verb, "coordination.k8s.io", "leases", _LEASE, "friday") for verb in ("get", "create", "update")),
    *(Need(verb, "", "configmaps", _RECORD, "friday") for verb in ("get", "list", "create", "patch", "delete")),
)
"""Every right that Friday needs. Whatever else the plugins come to ask of the API server belongs here.

``manifests/rights.yaml`` is made from this (``make reference``) and grants just this, but for what is needed while the
namespace is missing: it makes that.
"""


def check_rights(api: Api, namespace: str) -> tuple[Problem, ...]:
    """Return a problem for each right of :data:`NEEDS` that we lack; empty when there is none."""
    return rights.lacking(api, namespace, NEEDS)
