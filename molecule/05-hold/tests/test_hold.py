# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run


def test_a_host_on_which_something_changed_stays_cordoned(cluster: Cluster, run: Run) -> None:
    assert cluster.cordons() == {"node2": run.name}


def test_the_record_says_where_and_why(run: Run) -> None:
    known = run.hosts["node2"]
    assert (known["state"], known["step"]) == ("failed", "upgrade")
    assert "the package manager does not end" in known["message"]
    assert run.meta["stop"]
    assert run.meta["outcome"] == "fail"


def test_the_report_says_what_to_do(run: Run) -> None:
    report = run.json("report.json")
    assert report["summary"]["hosts"]["node2"] == "failed"
    assert any("node2" in line for line in report["advice"])


def test_the_lock_is_free_again(cluster: Cluster) -> None:
    assert cluster.lock() == ""
