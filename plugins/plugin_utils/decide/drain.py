# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What draining a node means: which pods go, which stay, and what would hold it up.

The rules are those of ``kubectl drain`` (filters in k8s.io/kubectl/pkg/drain) and of the Eviction API
(pkg/registry/core/pod/storage/eviction.go), with the difference that nothing is ever forced.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import Identity, workload_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.placement import Placement
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    DisruptionBudget,
    Node,
    Pod,
    Requirement,
    Snapshot,
)

FINISHED = ("Succeeded", "Failed")
_PLAIN = ("ReplicaSet", "StatefulSet")
_LATE = 60  # seconds after which a pod that has not ended in time is told
_NEEDED = ("pods", "budgets")


@dataclass(frozen=True)
class Obstacle:
    """Something that would hold up the drain.

    Attributes:
        pod: ``namespace/name`` of the pod that can't go.
        cause: what has to change: a variable, or the name of a budget.
        message: why, as a clause that fits behind the cause.
        fix: what to do.
        lasting: waiting does not heal it, so that the drain is certain to fail.
    """

    pod: str
    cause: str
    message: str
    fix: str
    lasting: bool = False
    cause_is_pod: bool = False  # nothing but the pod itself

    def line(self) -> str:
        """The obstacle in one line, the pod first."""
        if self.cause_is_pod:
            return f"{self.pod} {self.message}"
        return f"{self.pod}: {self.cause} {self.message}"


@dataclass(frozen=True)
class Drain:
    """The drain of one node, as it would be now.

    Attributes:
        evict: pods to evict, by namespace and name.
        stay: pods that stay, each with the reason.
        obstacles: what would hold it up, lasting ones among them.
        bound: those that stay although they could be evicted: they can run nowhere else, and that is accepted.
        disruptions: how many of the evicted pods each budget (``namespace/name``) selects.
    """

    evict: tuple[Pod, ...] = ()
    stay: tuple[tuple[Pod, str], ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    bound: tuple[Pod, ...] = ()
    disruptions: dict[str, int] = field(default_factory=dict)

    @property
    def blockers(self) -> tuple[str, ...]:
        """The lasting obstacles, a line each: with any of them there is no point in beginning."""
        return tuple(obstacle.line() for obstacle in self.obstacles if obstacle.lasting)


def unread(snapshot: Snapshot) -> str:
    """Why a drain can't be judged by this snapshot; empty when it can. An unread list is empty, and means nothing."""
    reasons = [(name, snapshot.unknown[name]) for name in _NEEDED if name in snapshot.unknown]
    return "; ".join(f"{name} could not be read: {reason}" for name, reason in reasons)


def full_name(thing: Pod | DisruptionBudget) -> str:
    """``namespace/name``."""
    return f"{thing.namespace}/{thing.name}"


def selects(budget: DisruptionBudget, pod: Pod) -> bool:
    """True when the budget's selector matches the pod. An empty selector matches every pod of its namespace."""
    return budget.namespace == pod.namespace and all(_meets(pod.labels, wanted) for wanted in budget.selector)


def drain(policy: Policy, snapshot: Snapshot, node: str) -> Drain:
    """What draining ``node`` means now. For many nodes, :func:`drains` reads the snapshot once."""
    return drains(policy, snapshot, [node])[node]


def drains(policy: Policy, snapshot: Snapshot, nodes: Iterable[str]) -> dict[str, Drain]:
    """The drain of each of ``nodes``, in one pass over the pods."""
    pods: dict[str, list[Pod]] = {node: [] for node in nodes}
    for pod in snapshot.pods:
        if pod.node in pods:
            pods[pod.node].append(pod)
    cluster = _Cluster(policy, snapshot)
    return {node: _drain(policy, cluster, node, on_node) for node, on_node in pods.items()}


class _Cluster:
    """What the drain of a node depends on besides its pods."""

    def __init__(self, policy: Policy, snapshot: Snapshot):
        self.time = snapshot.time
        self.budgets = _Budgets(snapshot.budgets)
        self.nodes = {node.name: node for node in snapshot.nodes}
        self.places: dict[Identity, set[str]] = defaultdict(set)
        self.replicas: Counter[Identity] = Counter()
        for pod in snapshot.pods:
            if pod.phase not in FINISHED and not pod.terminating:
                self.replicas[workload_of(pod)] += 1
                if pod.ready:
                    self.places[workload_of(pod)].add(pod.node)
        self._placement = Placement(snapshot) if policy.accept_outage else None

    def bound(self, pod: Pod) -> bool:
        """True for a pod that no other node could run, and whose workload has no ready pod on another node."""
        elsewhere = self.places.get(workload_of(pod), set()) - {pod.node}
        return self._placement is not None and not elsewhere and self._placement.bound(pod)


class _Budgets:
    """Finds the budgets of a pod without trying all: most select by one label's value, which is looked up.

    Pods of one workload have the same labels, and so the same budgets, which are found once.
    """

    def __init__(self, budgets: Iterable[DisruptionBudget]):
        self._by_label: dict[tuple[str, str, str], list[DisruptionBudget]] = defaultdict(list)
        self._others: dict[str, list[DisruptionBudget]] = defaultdict(list)
        self._found: dict[tuple[str, tuple[tuple[str, str], ...]], list[DisruptionBudget]] = {}
        for budget in sorted(budgets, key=full_name):
            wanted = next((r for r in budget.selector if r.operator == "In"), None)
            for value in set(wanted.values) if wanted else ():
                self._by_label[budget.namespace, wanted.key if wanted else "", value].append(budget)
            if wanted is None:
                self._others[budget.namespace].append(budget)

    def of(self, pod: Pod) -> list[DisruptionBudget]:
        labels = (pod.namespace, tuple(pod.labels.items()))
        if labels not in self._found:
            self._found[labels] = self._find(pod)
        return self._found[labels]

    def _find(self, pod: Pod) -> list[DisruptionBudget]:
        candidates = [*self._others.get(pod.namespace, ())]
        for key, value in pod.labels.items():
            candidates += self._by_label.get((pod.namespace, key, value), ())
        return sorted((budget for budget in candidates if selects(budget, pod)), key=full_name)


def _meets(labels: dict[str, str], wanted: Requirement) -> bool:
    # A label that is absent is "not in" any set: apimachinery's labels.Requirement.Matches.
    if wanted.operator == "In":
        return labels.get(wanted.key) in wanted.values
    if wanted.operator == "NotIn":
        return labels.get(wanted.key) not in wanted.values
    if wanted.operator == "Exists":
        return wanted.key in labels
    if wanted.operator == "DoesNotExist":
        return wanted.key not in labels
    raise ValueError(f"a label selector has no operator {wanted.operator!r}")


def _drain(policy: Policy, cluster: _Cluster, node: str, pods: Collection[Pod]) -> Drain:
    bound: list[Pod] = []
    evict: list[Pod] = []
    stay: list[tuple[Pod, str]] = []
    obstacles: list[Obstacle] = []
    disruptions: Counter[str] = Counter()
    for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name)):
        reason = _stays(pod) or _came_back(pod, cluster.nodes.get(node))
        if reason:
            stay.append((pod, reason))
            continue
        if node in policy.accept_outage and not pod.terminating and cluster.bound(pod):
            stay.append((pod, "can run nowhere else: goes down with the node, and comes back with it"))
            bound.append(pod)
            continue
        guards = cluster.budgets.of(pod)
        forbidden = [] if pod.terminating else _forbidden(policy, pod, guards)
        if forbidden:
            stay.append((pod, "may not be evicted"))
            obstacles += forbidden
            continue
        evict.append(pod)
        obstacles += _slow(policy, pod, cluster.time)
        for budget in guards:
            disruptions[full_name(budget)] += 1
            single = pod.owner_kind in _PLAIN and not budget.owner_kind and cluster.replicas[workload_of(pod)] == 1
            obstacles += _held_up(policy, pod, budget, single)
    return Drain(tuple(evict), tuple(stay), tuple(obstacles), tuple(bound), dict(disruptions))


def _stays(pod: Pod) -> str:
    if pod.phase in FINISHED:
        return "has finished"
    if pod.owner_kind == "Node":
        return "static pod"
    if pod.owner_kind == "DaemonSet":
        return "belongs to a DaemonSet"
    return ""


def _came_back(pod: Pod, node: Node | None) -> str:
    """Why a pod that the scheduler may put on a cordoned node is left: evicting it again would never end."""
    if node is None or not node.unschedulable or not pod.tolerates_cordon:
        return ""
    if node.cordoned_at and pod.created and pod.created < node.cordoned_at:
        return ""
    return "tolerates the cordon, and would come back"


def _slow(policy: Policy, pod: Pod, now: float) -> list[Obstacle]:
    """What makes the drain wait for the end of a pod."""
    name = full_name(pod)
    if pod.terminating and (pod.finalizers or 0 < pod.ends_by < now - _LATE):
        since = f" since {_day(pod.ends_by - pod.grace)}" if pod.ends_by else ""
        held = f", kept by its finalizers {', '.join(pod.finalizers)}" if pod.finalizers else ""
        message = f"is terminating{since}{held}"
        return [Obstacle(name, "the pod", message, "find out why it does not end", cause_is_pod=True)]
    if not pod.terminating and pod.grace > policy.drain_timeout:
        message = f"may take {pod.grace} s to end, longer than friday_drain_timeout ({policy.drain_timeout} s)"
        return [Obstacle(name, "the pod", message, "raise friday_drain_timeout", cause_is_pod=True)]
    return []


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _forbidden(policy: Policy, pod: Pod, guards: Collection[DisruptionBudget]) -> list[Obstacle]:
    """Why this pod is not evicted at all; waiting heals none of these."""
    found = []
    if not pod.owner_kind and not policy.evict_unmanaged:
        message = "is not set, and the pod has no controller that would recreate it"
        found.append(
            Obstacle(full_name(pod), "friday_evict_unmanaged", message, "set it to true, or move the pod", True)
        )
    if pod.local_storage and not policy.delete_emptydir_data:
        message = "is not set, and eviction would delete the pod's emptyDir volumes"
        found.append(
            Obstacle(
                full_name(pod), "friday_delete_emptydir_data", message, "set it to true if their data may be lost", True
            )
        )
    if len(guards) > 1 and not _ignores_budgets(pod):
        # The Eviction API answers 500 to this, whatever the budgets allow.
        cause = ", ".join(full_name(budget) for budget in guards)
        message = "all select the pod, and the Eviction API accepts only one budget per pod"
        found.append(Obstacle(full_name(pod), cause, message, "let only one budget select it", True))
    return found


def _ignores_budgets(pod: Pod) -> bool:
    # canIgnorePDB in eviction.go: finished pods (which stay, above), pending ones and those that are leaving already.
    return pod.terminating or pod.phase == "Pending"


def _held_up(policy: Policy, pod: Pod, budget: DisruptionBudget, single: bool) -> list[Obstacle]:
    """How a budget keeps the pod. Only what no operator will free by itself is lasting.

    Operators (CloudNativePG, Longhorn, Rook, KubeVirt, Zalando) take a budget away because of the cordon, or move it.

    Args:
        single: the pod is the only one of a plain Deployment or StatefulSet.
    """
    if _ignores_budgets(pod) or (not pod.ready and budget.always_allow):
        return []
    accepted = full_name(budget) in policy.accept_budgets
    offer = f"or, if somebody frees it during the drain: friday_accept_budgets: [{full_name(budget)}]"
    if budget.error:
        message = f"cannot be computed, and so allows no disruption: {budget.error}"
        return [Obstacle(full_name(pod), full_name(budget), message, f"correct it; {offer}", not accepted)]
    if not pod.ready and budget.current_healthy >= budget.desired_healthy > 0:
        return []  # unhealthyPodEvictionPolicy IfHealthyBudget, the default: it takes nothing from the budget
    if budget.disruptions_allowed > 0:
        return []
    name, cause = full_name(pod), full_name(budget)
    if 0 < budget.expected_pods <= budget.desired_healthy:
        message = (
            f"never allows a disruption: it requires {budget.desired_healthy} of {budget.expected_pods} pods healthy"
        )
        fix = f"add a replica, or change the budget; {offer}"
        return [Obstacle(name, cause, message, fix, single and not accepted)]
    message = (
        f"allows no disruption now: only {budget.current_healthy} of {budget.expected_pods} pods healthy, "
        f"{budget.desired_healthy} required"
    )
    return [Obstacle(name, cause, message, "wait for its pods, or fix them")]
