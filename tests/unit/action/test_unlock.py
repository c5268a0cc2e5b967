# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock is broken after that was recorded, and when it could not be broken, nothing says that it was."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.action import unlock
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError, KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock.lease import Holder, NotBroken
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal

RUN = "20261122-161500-3f2a"
HOLDER = Holder(f"ann@tower:7:{RUN}", "ann", "tower", 7, RUN, 100.0, 200.0, 120)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was done in the cluster, in order."""
    acts: list[str] = []
    journal.Journal(tmp_path / RUN).append(RUN, EventKind.RUN_STARTED)
    monkeypatch.setattr(unlock, "connect", lambda *_: None)
    monkeypatch.setattr(unlock.lease, "current", lambda *_: HOLDER)
    monkeypatch.setattr(unlock.lease, "break_lease", lambda *_: acts.append("broken"))
    monkeypatch.setattr(unlock.cluster_record, "write_unlocked", lambda *a: acts.append(a[-1].rpartition(": ")[2]))
    return acts


def act(state_dir: Path) -> Any:
    action = object.__new__(unlock.ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    names = {"kubeconfig": "", "context": "", "namespace": "friday", "state_dir": str(state_dir)}
    return action.act({**names, "run": RUN, "reason": " it is\ngone "}, {"hostvars": {}, "groups": {"all": []}})


def test_it_is_recorded_first(done: list[str], tmp_path: Path) -> None:
    assert act(tmp_path)["changed"]
    assert done == ["it is gone", "broken"]
    assert fold(journal.read(tmp_path / RUN)).unlocked.endswith(": it is gone")


def test_what_cannot_be_recorded_is_not_done(done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ApiError(403, "configmaps is forbidden")

    monkeypatch.setattr(unlock.cluster_record, "write_unlocked", refuse)
    with pytest.raises(KubeError, match="forbidden"):
        act(tmp_path)
    assert done == []


def test_one_that_was_not_broken_after_all(done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_: Any) -> None:
        raise NotBroken("it is free")

    monkeypatch.setattr(unlock.lease, "break_lease", too_late)
    with pytest.raises(NotBroken):
        act(tmp_path)
    assert done == ["it is gone", ""]
    events = journal.read(tmp_path / RUN)
    assert [event.data.get("reason") for event in events] == [None, "it is gone", ""]
    assert fold(events).unlocked == ""
