# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run


def test_the_first_wave_was_started_and_no_other(run: Run) -> None:
    assert run.meta["wave"] == 1


def test_the_run_was_stopped_by_the_host_that_failed(run: Run) -> None:
    states = {host: known["state"] for host, known in run.hosts.items()}
    (held,) = (host for host, state in states.items() if state == "held")
    assert run.meta["stop"].startswith(held)
    assert sorted(states.values()) == ["held", "planned"]


def test_nothing_was_touched(cluster: Cluster, run: Run) -> None:
    assert run.name not in cluster.cordons().values()
