# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run


def test_the_lock_is_free(cluster: Cluster) -> None:
    assert cluster.lock() == ""


def test_the_run_knows_that_it_has_lost_it(run: Run) -> None:
    assert "released" in (run.folder / "lost").read_text(encoding="utf-8")


def test_it_is_recorded_who_did_it_and_why(cluster: Cluster, run: Run) -> None:
    stored = cluster.get("configmap", f"friday-run-{run.name}", "--namespace=friday")
    assert stored["data"]["unlocked"].endswith(": the scenario says so")
    kinds = [line for line in (run.folder / "journal.jsonl").read_text().splitlines() if '"lock-broken"' in line]
    assert len(kinds) == 1
