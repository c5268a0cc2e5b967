# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run


def test_a_host_that_is_only_recorded_as_done_is_no_pass(run: Run) -> None:
    assert (run.meta["outcome"], run.hosts["node1"]["state"]) == ("fail", "done")
    assert run.meta["finished"] > run.meta["started"]


def test_it_has_its_reports(run: Run) -> None:
    assert run.json("report.json")["summary"]["outcome"] == "fail"
    assert run.name in (run.folder / "report.md").read_text(encoding="utf-8")
    assert run.name in (run.folder / "report.html").read_text(encoding="utf-8")


def test_the_lock_is_released(cluster: Cluster, run: Run) -> None:
    assert cluster.lock() == ""
    assert run.json("keeper.json")["released"]
