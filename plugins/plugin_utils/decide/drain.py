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

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    DisruptionBudget,
    Pod,
    Requirement,
    Snapshot,
)

FINISHED = ("Succeeded", "Failed")
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

    def line(self) -> str:
        """The obstacle in one line, the pod first."""
        return f"{self.pod}: {self.cause} {self.message}"


@dataclass(frozen=True)
class Drain:
    """The drain of one node, as it would be now.

    Attributes:
        evict: pods to evict, by namespace and name.
        stay: pods that stay, each with the reason.
        obstacles: what would hold it up, lasting ones among them.
        disruptions: how many of the evicted pods each budget (``namespace/name``) selects.
    """

    evict: tuple[Pod, ...] = ()
    stay: tuple[tuple[Pod, str], ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
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
    budgets = _Budgets(snapshot.budgets)
    return {node: _drain(policy, budgets, on_node) for node, on_node in pods.items()}


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


def _drain(policy: Policy, budgets: _Budgets, pods: Collection[Pod]) -> Drain:
    evict: list[Pod] = []
    stay: list[tuple[Pod, str]] = []
    obstacles: list[Obstacle] = []
    disruptions: Counter[str] = Counter()
    for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name)):
        reason = _stays(pod)
        if reason:
            stay.append((pod, reason))
            continue
        guards = budgets.of(pod)
        forbidden = [] if pod.terminating else _forbidden(policy, pod, guards)
        if forbidden:
            stay.append((pod, "may not be evicted"))
            obstacles += forbidden
            continue
        evict.append(pod)
        for budget in guards:
            disruptions[full_name(budget)] += 1
            obstacles += _held_up(pod, budget)
    return Drain(tuple(evict), tuple(stay), tuple(obstacles), dict(disruptions))


def _stays(pod: Pod) -> str:
    if pod.phase in FINISHED:
        return "has finished"
    if pod.owner_kind == "Node":
        return "static pod"
    if pod.owner_kind == "DaemonSet":
        return "belongs to a DaemonSet"
    return ""


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


def _held_up(pod: Pod, budget: DisruptionBudget) -> list[Obstacle]:
    if _ignores_budgets(pod):
        return []
    if not pod.ready and budget.current_healthy >= budget.desired_healthy > 0:
        return []  # unhealthyPodEvictionPolicy IfHealthyBudget, the default: it takes nothing from the budget
    if budget.disruptions_allowed > 0:
        return []
    name, cause = full_name(pod), full_name(budget)
    if 0 < budget.expected_pods <= budget.desired_healthy:
        message = (
            f"never allows a disruption: it requires {budget.desired_healthy} of {budget.expected_pods} pods healthy"
        )
        return [Obstacle(name, cause, message, "add a replica, or change the budget", True)]
    message = (
        f"allows no disruption now: only {budget.current_healthy} of {budget.expected_pods} pods healthy, "
        f"{budget.desired_healthy} required"
    )
    return [Obstacle(name, cause, message, "wait for its pods, or fix them")]
