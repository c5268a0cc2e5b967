# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told at the end of a run, whatever its controller lacks."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import finish
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


def test_a_report_without_the_kubernetes_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that is refused for want of it has a report too."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(finish.metadata, "version", missing)
    session = Session("run", str(tmp_path), Policy(), plan_only=True)
    session.recorder.tell(EventKind.RUN_STARTED, holder="ann@tower:1", version="1", check=True)
    data = finish.report_data(session)
    assert data.versions["kubernetes client"] == "not installed"
    written, notes = finish.write(session, data)
    assert Path(written["report"]).exists()
    assert notes == []
