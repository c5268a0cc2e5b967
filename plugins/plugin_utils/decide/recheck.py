# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last question before a reboot: is it still our node, is it empty, and is it still kept empty?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drain, full_name, unread
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import PlannedHost
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot

_LISTED = 5  # pods in a message; the rest is counted


def needed(planned: PlannedHost, upgraded: Mapping[str, Any]) -> bool:
    """Whether the host reboots. What an upgrade turns out to need (a new libc, say) cannot be planned.

    Args:
        upgraded: what the upgrade of its packages returned; empty when there was none.
    """
    return planned.reboot or bool(upgraded.get("reboot_required"))


def unknown(snapshot: Snapshot) -> str:
    """Why the question cannot be answered from this look at the cluster; empty when it can."""
    if "nodes" in snapshot.unknown:
        return f"the nodes could not be read: {snapshot.unknown['nodes']}"
    return unread(snapshot)


def refusals(policy: Policy, snapshot: Snapshot, planned: PlannedHost, run: str) -> tuple[str, ...]:
    """All that has changed since the drain and makes the reboot hurt somebody; empty when nothing has.

    Args:
        snapshot: the cluster now; nodes and what a drain depends on are known in it.
        planned: the host, with the node as the plan found it.
        run: who must have cordoned it.
    """
    return tuple(_refusals(policy, snapshot, planned, run))


def _refusals(policy: Policy, snapshot: Snapshot, planned: PlannedHost, run: str) -> Iterator[str]:
    name = planned.node
    node = next((each for each in snapshot.nodes if each.name == name), None)
    if node is None:
        yield f"{name} is no longer a node of the cluster"
        return
    if planned.uid and node.uid != planned.uid:
        yield f"{name} is not the planned Node object: it was deleted and registered again"
    if not node.unschedulable:
        yield f"{name} was uncordoned by somebody else"
    elif node.cordoned_by != run:
        yield f"{name} was cordoned by {f'run {node.cordoned_by}' if node.cordoned_by else 'somebody else'}"
    # What tolerates the cordon comes back as often as it is evicted (cilium#28549), and is nobody's fault.
    evictable = drain(policy, snapshot, name).evict
    if pods := [full_name(pod) for pod in evictable if not pod.tolerates_cordon]:
        more = f" and {len(pods) - _LISTED} more" if len(pods) > _LISTED else ""
        yield f"{name} is no longer empty: {', '.join(pods[:_LISTED])}{more}"
