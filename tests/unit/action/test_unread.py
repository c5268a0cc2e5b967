# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An API server that does not answer is no evidence: what the actions make of it, without a cluster."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.action import evict, gate, observe
from ansible_collections.friday.upgrade.plugins.plugin_utils.act.cordon import Change
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import LISTS, Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState, Step
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import give_up_host, wait_until_settled
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import Targets
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.journal import JournalError
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Halted
from tests.unit.checks import three_nodes as lab

HEALTHY = lab.healthy().snapshot
VARIABLES = {"inventory_hostname": "node2"}
NO_ANSWER = ApiError(0, "no answer")


class FakeSession:
    """A session whose journal is a list."""

    folder = "/nonexistent"

    def __init__(self, **policy: Any) -> None:
        self.run, self.policy = lab.RUN, Policy(**policy)
        self.told: list[Event] = []
        self.saved: list[Any] = []

    @property
    def files(self) -> FakeSession:
        return self

    recorder = pause = files

    def api(self) -> None: ...

    def halted(self) -> str:
        return ""

    lock_lost = halted

    def await_lock(self) -> float:
        return 0.0

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)

    def planned(self, host: str) -> PlannedHost:
        return next(planned for planned in self.plan().hosts() if planned.host == host)

    def plan(self) -> Plan:
        planned = PlannedHost("node2", "node2", "zone-b", "", lab.OLD, lab.NEW, True)
        return Plan(waves=(Wave(1, "canary", "zone-b", "", (planned,)),))

    outline = plan

    def targets(self) -> tuple[Any, ...]:
        return lab.TARGETS

    def all_targets(self) -> Targets:
        return Targets(lab.TARGETS)

    def record(self) -> RunRecord:
        return RunRecord(run=self.run)

    def load(self, *_: Any) -> None: ...

    def save(self, value: Any, *_: str) -> None:
        self.saved.append(value)

    def step(self, host: str, step: Step) -> None:
        self.tell(EventKind.STEP, host, step=step.name)

    def tell(self, kind: EventKind, host: str = "", **data: Any) -> None:
        self.told.append(Event(len(self.told) + 1, 0.0, self.run, kind, host, data))

    def states(self) -> list[Any]:
        return [event.data["state"] for event in self.told if event.kind is EventKind.STATE]


def act(module: Any, session: FakeSession, monkeypatch: pytest.MonkeyPatch, looks: list[Any], **arguments: Any) -> Any:
    """Run the action of ``module``; ``looks`` is what the cluster answers, one after the other."""
    clock = iter(range(0, 100000, 7))

    def look(*_: Any, **__: Any) -> Snapshot:
        answer = looks.pop(0) if len(looks) > 1 else looks[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    for name, stand_in in (
        ("look", look),
        ("with_agents", lambda _api, snapshot, _nodes: snapshot),
        ("keep_seen", lambda files, _host, snapshot, **_: files.save(snapshot)),
    ):
        monkeypatch.setattr(module, name, stand_in, raising=False)
    for where in (module, wait_until_settled):
        monkeypatch.setattr(where, "read_snapshot", look, raising=False)
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    action = object.__new__(module.ActionModule)
    action.session = lambda _variables: session
    return action.act(arguments, VARIABLES)


UNREAD = replace(HEALTHY, pods=(), unknown={"pods": "the server is busy (504)"})


@pytest.mark.parametrize("answer", [UNREAD, NO_ANSWER])
def test_a_drain_that_cannot_see_the_pods_has_not_drained(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession(drain_timeout=60)
    result = act(evict, session, monkeypatch, [answer])
    assert result["failed"] and "was not drained within 60 s" in result["msg"]
    assert session.states() == []


@pytest.mark.parametrize("answer", [UNREAD, NO_ANSWER])
def test_a_drain_looks_again(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession(drain_timeout=60)
    empty = replace(HEALTHY, pods=tuple(pod for pod in HEALTHY.pods if pod.node != "node2"))
    assert "failed" not in act(evict, session, monkeypatch, [answer, empty])
    assert session.states() == [HostState.DRAINED]


def test_a_look_without_an_answer_is_one_without_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession()
    result = act(observe, session, monkeypatch, [NO_ANSWER], phase="verify")
    assert "failed" not in result
    (seen,) = session.saved
    assert set(LISTS) <= seen.unknown.keys() and "no answer" in seen.unknown["nodes"]


def test_a_gate_waits_for_the_api_server_and_says_why_it_stays_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession(verify_timeout=60)
    result = act(gate, session, monkeypatch, [NO_ANSWER], wave=1, lost=[])
    assert not result["open"] and "no answer" in result["reason"]
    assert [event.kind for event in session.told] == [EventKind.STOP]


def test_a_gate_opens_once_the_api_server_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession(verify_timeout=600)
    result = act(gate, session, monkeypatch, [NO_ANSWER, NO_ANSWER, HEALTHY], wave=1, lost=[])
    # There are no facts of hosts in this session, which keeps the gate closed: it is the cluster's answer that counts.
    assert "no answer" not in result["reason"]


def test_a_gate_knows_whom_ansible_has_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """And waits for nothing then."""
    session = FakeSession(verify_timeout=600)
    asked: list[float] = []
    settled = gate.wait_until_settled.settled

    def noting(session: Any, patience: float, hosts: Any) -> Any:
        asked.append(patience)
        return settled(session, patience, hosts)

    monkeypatch.setattr(gate.wait_until_settled, "settled", noting)
    result = act(gate, session, monkeypatch, [HEALTHY], wave=1, lost=["node3"])
    assert not result["open"]
    assert result["reason"].startswith("node3: was lost during the run")
    assert asked == [0]


@pytest.mark.parametrize("error", [Halted("the lock is lost"), JournalError("no space")], ids=["lock", "disk"])
def test_what_may_not_begin_or_be_journaled_is_not_given_back(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = FakeSession()

    def step(*_: str) -> None:
        raise error

    session.step = step  # type: ignore[method-assign]
    monkeypatch.setattr(give_up_host.cordon, "uncordon", lambda *_: pytest.fail("it was uncordoned"))
    known = HostRecord(HostState.DRAINED, 0.0, step="drain")
    found, said = give_up_host.give_up(session, "node2", known)  # type: ignore[arg-type]
    assert (found, said) == (HostState.FAILED, f"; nothing on it was changed, and it is left cordoned: {error}")


@pytest.mark.parametrize(
    ("answers", "state", "remark"),
    [
        ([Change(True, False, "node2 uncordoned")], HostState.HELD, ""),
        ([NO_ANSWER, Change(True, False, "node2 uncordoned")], HostState.HELD, ""),
        ([Change(False, True, "node2 is cordoned by somebody else", True)], HostState.HELD, "; node2 is cordoned by"),
        ([NO_ANSWER] * 3, HostState.FAILED, "; nothing on it was changed, but it could not be uncordoned"),
    ],
)
def test_what_is_recorded_is_what_came_of_the_uncordoning(
    answers: list[Any], state: HostState, remark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = FakeSession()

    def uncordon(*_: Any) -> Change:
        assert [event.data for event in session.told] == [{"step": "uncordon"}], "an act is preceded by its event"
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    monkeypatch.setattr(give_up_host.cordon, "uncordon", uncordon)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    known = HostRecord(HostState.CORDONED, 0.0, step="drain")
    found, said = give_up_host.give_up(session, "node2", known)  # type: ignore[arg-type]
    assert found is state and said.startswith(remark) and bool(said) == bool(remark)
