# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks and soaks take their time on a clock that nobody sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.action import verify
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rounds import Progress
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Layer, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import SOAK, VERIFY, HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import looks
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import LAST_VERDICT_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Pause
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from tests.unit.checks import three_nodes as lab
from tests.unit.run.test_earlier_run import NEXT, a_session


def test_a_soak_begins_with_the_last_look_of_the_verification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "boottime", lambda: 50.0)
    session = Session("20261122-161500-3f2a", str(tmp_path), Policy())
    session.files.save(Progress(started=5.0, looked=42.0), "hosts", "n1", "progress-verify.json")
    assert verify._began(session, "n1", SOAK) == 42.0
    assert verify._began(session, "n1", VERIFY) == 50.0


@pytest.mark.parametrize("phase", ["before", "verify", "soak"])
def test_what_was_seen_before_the_lock_was_waited_for_is_not_judged(
    tmp_path: Path, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the time count in which nobody looked."""
    monkeypatch.setattr(keeper, "boottime", lambda: 1000.0)
    session = Session("20261122-161500-3f2a", str(tmp_path), Policy())
    session.files.save(Progress(started=100.0, looked=400.0), "hosts", "n1", f"progress-{phase}.json")
    monkeypatch.setattr(Pause, "await_lock", lambda _self: 550.0)
    action = verify.ActionModule.__new__(verify.ActionModule)
    action.session = lambda _vars: session
    result = action.act({"phase": phase, "host": {}, "peer": {}, "peer_name": ""}, {"inventory_hostname": "n1"})
    assert result["again"] and not result.get("failed")
    known = session.files.load(Progress, "hosts", "n1", f"progress-{phase}.json")
    assert known is not None
    assert (known.started, known.looked) == (650.0, 400.0)


def test_the_last_look_is_kept_for_the_verdict_and_changes_nothing_of_a_host_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the host is not as it was: it is done, and what follows is said of the whole run."""
    monkeypatch.setattr(keeper, "boottime", lambda: 1000.0)
    session = a_session(tmp_path, NEXT)
    session.recorder.tell(EventKind.STATE, "node2", state=HostState.REBOOTED, kernel=lab.NEW, boot_id="boot-2b")
    session.recorder.tell(EventKind.STATE, "node2", state=HostState.DONE)
    before, seen = lab.healthy(), lab.incident()
    for name, look in ((looks.BEFORE, before), (looks.SEEN, seen)):
        looks.keep(session.files, "node2", name, look, session.files.save(look.snapshot, "looks", f"{name}.json"))
    session.files.save(Progress(started=0.0, looked=0.0, failures=1), "hosts", "node2", "progress-last.json")
    action = verify.ActionModule.__new__(verify.ActionModule)
    action.session = lambda _vars: session
    answers = {name: {"facts": to_data(facts)} for name, facts in seen.facts.items()}
    arguments = {"phase": "last", "host": answers["node2"], "peer": answers["node1"], "peer_name": "node1"}
    result = action.act(arguments, {"inventory_hostname": "node2"})
    assert (result["outcome"], result["failed"], result["again"]) == ("fail", False, False)
    kept = session.files.load(Verdict, "hosts", "node2", LAST_VERDICT_FILE)
    assert kept is not None and kept.cause is not None and kept.cause.layer is Layer.BPF
    assert session.recorder.record().hosts["node2"].state is HostState.DONE
