# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run


def test_each_run_has_its_outcome(cluster: Cluster) -> None:
    last, before = cluster.runs()[:2]
    assert (before.meta["outcome"], before.hosts["node1"]["state"]) == ("inconclusive", "planned")
    assert (last.meta["outcome"], last.hosts["node1"]["state"]) == ("pass", "done")


def test_each_run_has_its_reports(cluster: Cluster) -> None:
    for run in cluster.runs()[:2]:
        assert run.json("report.json")["summary"]["outcome"] == run.meta["outcome"]
        assert run.name in (run.folder / "report.md").read_text(encoding="utf-8")
        assert run.name in (run.folder / "report.html").read_text(encoding="utf-8")


def test_the_lock_is_released(cluster: Cluster, run: Run) -> None:
    assert cluster.lock() == ""
    assert (run.folder / "released").exists()
