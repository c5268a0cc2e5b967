# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run


def test_the_run_is_recorded_in_the_cluster(run: Run) -> None:
    assert run.meta["holder"]
    assert run.meta["started"] > 0
    assert run.hosts == {}


def test_the_lock_is_free_again(cluster: Cluster) -> None:
    assert cluster.lock() == ""


def test_refused_runs_are_not_recorded(cluster: Cluster, run: Run) -> None:
    begun = {folder.name for folder in run.folder.parent.iterdir()}
    recorded = {each.name for each in cluster.runs()}
    assert run.name in recorded
    assert begun - recorded, "the one with wrong variables, and the one that found the lock taken, leave a journal only"


def test_wrong_variables_are_told_together(run: Run) -> None:
    reports = [json.loads(path.read_text()) for path in sorted(run.folder.parent.glob("*/report.json"))]
    told = [{problem["subject"] for problem in report["problems"]} for report in reports]
    assert {"friday_sock", "friday_wave_sizes"} in told


def test_nothing_was_touched(cluster: Cluster) -> None:
    assert cluster.cordons() == {}
