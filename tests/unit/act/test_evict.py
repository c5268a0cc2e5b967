# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drain against an API server that refuses in every way, on a clock that costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act.evict import Evictions, evict
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Pod

BUDGET = {
    "kind": "Status",
    "reason": "TooManyRequests",
    "message": "Cannot evict pod as it would violate the pod's disruption budget.",
    "details": {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
            }
        ]
    },
}
BLOCKED = ApiError(429, BUDGET["message"], body=BUDGET)


class FakeCluster:
    """Pods on node ``a``. ``refuse`` says what an eviction of a pod is answered with; None grants it."""

    def __init__(self, *names: str, lasts: float = 2.0, refuse: Callable[[str, float], Exception | None] | None = None):
        self.there = {name: f"uid-{name}" for name in names}
        self.pods = [Pod("ns", name, uid=uid, node="a") for name, uid in self.there.items()]
        self.now, self.lasts = 0.0, lasts
        self.refuse = refuse or (lambda _name, _now: None)
        self.list_fails_until = 0.0
        self.asked: list[tuple[float, str]] = []
        self.bodies: list[Mapping[str, Any]] = []
        self._going: dict[str, float] = {}
        self._lock = threading.Lock()

    def request(self, method: str, path: str, *, body: Mapping[str, Any]) -> None:
        assert (method, path.rsplit("/", 1)[1]) == ("POST", "eviction"), "nothing but evictions"
        name = path.split("/")[-2]
        with self._lock:
            self.asked.append((self.now, name))
            self.bodies.append(body)
            refusal = self.refuse(name, self.now)
            if refusal:
                raise refusal
            self._going[name] = self.now + self.lasts

    def items(self, _path: str, *, fieldSelector: str) -> Iterator[dict[str, Any]]:
        assert fieldSelector == "spec.nodeName=a"
        if self.now < self.list_fails_until:
            raise ApiError(0, "no answer in time")
        gone = {name for name, when in self._going.items() if when <= self.now}
        return iter([{"metadata": {"uid": uid}} for name, uid in self.there.items() if name not in gone])

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def drain(self, deadline: float = 60, **options: Any) -> Evictions:
        return evict(self, self.pods, deadline, clock=lambda: self.now, sleep=self.sleep, **options)  # type: ignore[arg-type]


def test_all_at_once() -> None:
    cluster = FakeCluster("a", "b", "c", lasts=30)
    state = cluster.drain()
    assert state == Evictions(("ns/a", "ns/b", "ns/c"), {}, 30.0, True)
    assert sorted(cluster.asked) == [(0, "a"), (0, "b"), (0, "c")], "a granted eviction is not asked for again"


def test_nothing_to_do() -> None:
    assert FakeCluster().drain() == Evictions((), {}, 0.0, True)


def test_the_pod_that_was_observed_and_its_grace_period() -> None:
    cluster = FakeCluster("a")
    cluster.drain(grace=5)
    assert cluster.bodies[0]["apiVersion"] == "policy/v1"
    assert cluster.bodies[0]["deleteOptions"] == {"preconditions": {"uid": "uid-a"}, "gracePeriodSeconds": 5}
    cluster = FakeCluster("a")
    cluster.drain()
    assert cluster.bodies[0]["deleteOptions"] == {"preconditions": {"uid": "uid-a"}}


def test_blocked_pods_hold_up_nobody() -> None:
    """More of them than there are threads."""
    names = [f"blocked-{number}" for number in range(20)] + ["free"]
    cluster = FakeCluster(*names, refuse=lambda name, now: BLOCKED if name != "free" and now < 50 else None)
    lines: list[tuple[float, str]] = []
    state = cluster.drain(on_progress=lambda line: lines.append((cluster.now, line)))
    assert state.done
    assert next(now for now, line in lines if "ns/free gone" in line) == 2
    assert [now for now, name in cluster.asked if name == "blocked-0"] == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50]


def test_the_deadline_is_kept_and_the_reason_named() -> None:
    cluster = FakeCluster("a", refuse=lambda _name, _now: BLOCKED)
    lines: list[str] = []
    state = cluster.drain(12.5, on_progress=lines.append)
    reason = "PodDisruptionBudget web needs 2 healthy pods and has 2 currently"
    assert state == Evictions((), {"ns/a": reason}, 12.5, False)
    assert lines == [f"ns/a: {reason}"], "told once, not with every attempt"


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (ApiError(429, "too many requests, please try again later"), "the API server is busy: too many requests"),
        (ApiError(0, "can't connect: Connection refused"), "can't connect: Connection refused"),
        (ApiError(500, "This pod has more than one PodDisruptionBudget"), "more than one PodDisruptionBudget (500)"),
        (ApiError(403, "pods is forbidden"), "pods is forbidden (403)"),
        (
            ApiError(
                429, "x", body={"details": {"causes": [{"reason": "DisruptionBudget", "message": "in other words"}]}}
            ),
            "PodDisruptionBudget in other words",
        ),
        (
            ApiError(
                429,
                "x",
                body={
                    "details": {
                        "causes": [
                            {
                                "reason": "DisruptionBudget",
                                "message": "The disruption budget web is still being processed by the server.",
                            }
                        ]
                    }
                },
            ),
            "PodDisruptionBudget web is still being processed by the server.",
        ),
    ],
)
def test_every_refusal_is_tried_again(refusal: ApiError, reason: str) -> None:
    cluster = FakeCluster("a", refuse=lambda _name, now: refusal if now < 9 else None)
    assert reason in cluster.drain(3).waiting["ns/a"]
    assert cluster.drain().done


def test_gone_before_it_was_asked() -> None:
    cluster = FakeCluster("a", refuse=lambda _name, _now: ApiError(404, 'pods "a" not found'))
    cluster.there.clear()
    assert cluster.drain() == Evictions(("ns/a",), {}, 0.0, True)


def test_what_can_not_be_listed_is_not_gone() -> None:
    cluster = FakeCluster("a")
    cluster.list_fails_until = 20
    state = cluster.drain(10)
    assert not state.done
    assert state.waiting == {"ns/a": "evicted, but its node's pods can't be listed: no answer in time"}
    assert cluster.drain().done


def test_a_controller_that_slept_asks_for_nothing_before_it_knows_that_it_may() -> None:
    cluster = FakeCluster("a", refuse=lambda _name, _now: BLOCKED)

    def nap(_seconds: float) -> None:
        cluster.now += 3600

    cluster.sleep = nap  # type: ignore[method-assign]
    cluster.drain(7200, halted=lambda: "the lock is lost" if cluster.now else "")
    assert cluster.asked == [(0, "a")]
    cluster.asked.clear()
    assert not cluster.drain(7200, halted=lambda: "the lock is lost").done
    assert cluster.asked == []


def test_a_run_that_is_halted_in_a_long_list_asks_for_no_more_of_it() -> None:
    names = [f"pod-{number}" for number in range(40)]
    cluster = FakeCluster(*names)
    assert not cluster.drain(halted=lambda: "the lock is lost" if len(cluster.asked) >= 10 else "").done
    assert 10 <= len(cluster.asked) < 20, "those that were under way"
