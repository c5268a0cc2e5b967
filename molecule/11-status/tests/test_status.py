# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run


def test_nothing_was_touched(cluster: Cluster, run: Run) -> None:
    assert run.name not in cluster.cordons().values()
    assert {known["state"] for known in run.hosts.values()} == {"planned"}
