# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that can't begin gives back what it has taken, and leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.action import guard
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock.lease import Lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.journal import JournalError
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.recorder import Recorder
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

NO_ROOM = OSError(28, "No space left on device")
HELD = Lease("friday", "ann@host-a:100:run", "run", 60, "uid", "1", 1000.0)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "run").mkdir()
    return Session("run", str(tmp_path / "run"), Policy())


@pytest.fixture
def action() -> guard.ActionModule:
    return guard.ActionModule.__new__(guard.ActionModule)


@pytest.mark.parametrize(
    ("step", "error"), [((Session, "keep"), NO_ROOM), ((Recorder, "tell"), JournalError("no room"))]
)
def test_the_lock_is_given_back_when_the_run_cannot_be_kept(
    session: Session,
    action: guard.ActionModule,
    step: tuple[type, str],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped: list[tuple[Path, int]] = []
    pruned: list[str] = []

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(action, "_lock", lambda own: replace(own, recorded=True, keeper=4711), raising=False)
    monkeypatch.setattr(guard.keeper, "stop", lambda folder, pid: stopped.append((folder, pid)))
    monkeypatch.setattr(guard.cluster_record, "prune", lambda _api, _namespace, runs: pruned.extend(runs))
    monkeypatch.setattr(Session, "api", lambda _self: None)
    monkeypatch.setattr(*step, fail)
    with pytest.raises(type(error)):
        action._begun(session)
    assert stopped == [(Path(session.folder), 4711)]
    assert pruned == ["run"], "what the journal had no room for went into the record"
    assert not Path(session.folder).exists()


@pytest.mark.parametrize(
    ("part", "error"),
    [("keeper.start", NO_ROOM), ("keeper.start", ApiError(0, "no answer")), ("lease.check_alone", ApiError(403, "no"))],
)
def test_the_lock_is_given_back_when_nobody_can_keep_it(
    session: Session, action: guard.ActionModule, part: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[Lease] = []

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Session, "api", lambda _self: None)
    monkeypatch.setattr(guard.lease, "take", lambda *_, **__: HELD)
    monkeypatch.setattr(guard.lease, "check_alone", lambda *_: None)
    monkeypatch.setattr(guard.lease, "release", lambda _api, held: released.append(held))
    monkeypatch.setattr(f"{guard.__name__}.{part}", fail)
    with pytest.raises(type(error)):
        action._begun(session)
    assert released == [HELD]
    assert not Path(session.folder).exists()
