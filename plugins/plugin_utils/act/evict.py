# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drain: evict pods through the Eviction API and wait until they are gone. Never deletes, never forces.

A pod that a PodDisruptionBudget protects is asked for again until the deadline, with the budget named, and holds up
nobody else. That a pod is gone is taken from the list of its node's pods, by uid: a StatefulSet's next pod has the same
name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Pod

_AT_ONCE = 8
_LOOK_SECONDS = 1.0
_BUDGET = re.compile(r"disruption budget (\S+) (.+)")


@dataclass(frozen=True)
class Evictions:
    """How far a drain has come. Pods are ``namespace/name``.

    ``waiting`` has every pod that is still there, with the reason; ``done`` is true when there is none.
    """

    evicted: tuple[str, ...] = ()
    waiting: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    done: bool = False


@dataclass
class _Pending:
    """A pod that is still there. ``due`` is when to ask (again) for its eviction, None once that was granted."""

    pod: Pod
    due: float | None
    reason: str = "not requested yet"


def evict(
    api: Api,
    pods: Sequence[Pod],
    deadline_seconds: float,
    retry_seconds: float = 5.0,
    grace: int | None = None,
    on_progress: Callable[[str], None] | None = None,
    halted: Callable[[], str] = str,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Evictions:
    """Evict ``pods`` and wait until they are gone, or until the deadline.

    Args:
        api: the connection.
        pods: as observed; ``uid`` makes sure that no pod of the same name is evicted in a pod's place.
        deadline_seconds: for all of it.
        retry_seconds: pause before a refused eviction is asked for again.
        grace: seconds instead of the pods' own grace period.
        on_progress: gets a line when pods are gone, and when evictions are refused for another reason than before.
        halted: a reason to ask for no more and to wait no longer; empty while there is none.
        clock, sleep: monotonic seconds.

    Never raises for a single pod or request: what the server said is the pod's reason for waiting.
    """
    began = clock()
    pending = {f"{pod.namespace}/{pod.name}": _Pending(pod, began) for pod in pods}
    evicted: list[str] = []
    told = ""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while True:
            now = clock()
            due = [item for item in pending.values() if item.due is not None and item.due <= now]
            list(pool.map(lambda item: _ask(api, item, grace, retry_seconds, clock, halted), due))
            gone = _gone(api, pending)
            evicted += gone
            pending = {name: item for name, item in pending.items() if name not in gone}
            state = Evictions(
                tuple(evicted), {name: item.reason for name, item in pending.items()}, clock() - began, not pending
            )
            line = _line(gone, pending)
            if on_progress and line not in ("", told):
                on_progress(line)
                told = line
            left = deadline_seconds - (clock() - began)
            if state.done or left <= 0 or halted():
                return state
            sleep(min(left, _LOOK_SECONDS, retry_seconds))


def _line(gone: Sequence[str], pending: dict[str, _Pending]) -> str:
    """What is worth telling now: who is gone, and who is refused why. Empty when there is nothing of either."""
    refused = [f"{name}: {item.reason}" for name, item in pending.items() if item.due is not None]
    parts = [f"{', '.join(gone)} gone, {len(pending)} left"] if gone else []
    return "; ".join((*parts, *refused))


def _ask(
    api: Api,
    item: _Pending,
    grace: int | None,
    retry_seconds: float,
    clock: Callable[[], float],
    halted: Callable[[], str],
) -> None:
    """Ask for one eviction and note what became of it."""
    if (
        halted()
    ):  # a machine that slept may have lost its lock, or it was lost while others of a long list were asked for
        return
    pod = item.pod
    options: dict[str, object] = {"preconditions": {"uid": pod.uid}} if pod.uid else {}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": options,
    }
    try:
        api.request("POST", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction", body=body)
    except ApiError as error:
        item.reason = _refusal(error)
        item.due = clock() + retry_seconds
        # Not found, or another pod of that name: the list of the node's pods will say that it is gone.
    else:
        item.due, item.reason = None, "evicted, terminating"


def _refusal(error: ApiError) -> str:
    """Put a refused eviction in words: the budget's, when it is one (429 with the cause DisruptionBudget)."""
    causes = (error.body.get("details") or {}).get("causes") or ()
    for cause in causes:
        if cause.get("reason") == "DisruptionBudget":
            named = _BUDGET.search(str(cause.get("message", "")))
            words = f"{named[1]} {named[2]}" if named else str(cause.get("message", ""))
            return f"PodDisruptionBudget {words}"
    if error.status == 404:
        return "the pod is gone"
    if error.status == 429:
        return f"the API server is busy: {error.message}"
    return error.message if not error.status else f"{error.message} ({error.status})"


def _gone(api: Api, pending: dict[str, _Pending]) -> list[str]:
    """Names of the pods that are no longer on their node. What can't be read counts as still there."""
    gone: list[str] = []
    for node in sorted({item.pod.node for item in pending.values()}):
        selector = f"spec.nodeName={node}"
        try:
            there = {item["metadata"]["uid"] for item in api.items("/api/v1/pods", fieldSelector=selector)}
        except ApiError as error:
            for item in pending.values():
                if item.pod.node == node and item.due is None:
                    item.reason = f"evicted, but its node's pods can't be listed: {error.message}"
            continue
        gone += [name for name, item in pending.items() if item.pod.node == node and item.pod.uid not in there]
    return gone
