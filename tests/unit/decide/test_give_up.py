# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a host that did not get through."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.give_up import after_failure, lost_hosts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState

S = HostState


@pytest.mark.parametrize(
    ("state", "step", "left_before", "left"),
    [
        (S.PLANNED, "", False, S.HELD),
        (S.PLANNED, "before", False, S.HELD),
        (S.CORDONED, "drain", False, S.HELD),
        (S.DRAINED, "drain", False, S.HELD),
        (S.DRAINED, "upgrade", False, S.FAILED),  # apt may have changed anything by now
        (S.UPGRADED, "reboot", False, S.FAILED),
        (S.VERIFIED, "soak", False, S.FAILED),
        (S.PLANNED, "before", True, S.FAILED),  # an earlier run has changed it
        (S.CORDONED, "drain", True, S.FAILED),
        (S.DRAINED, "uncordon", False, S.HELD),  # it was being given back
        (S.SOAKED, "uncordon", False, S.FAILED),
    ],
)
def test_only_a_host_on_which_nothing_can_have_changed_is_held(
    state: HostState, step: str, left_before: bool, left: HostState
) -> None:
    assert after_failure(HostRecord(state, 1.0, step), left_before) is left


def test_lost_hosts_are_those_that_were_begun_and_have_come_to_no_end() -> None:
    states = {
        "not-begun": HostRecord(S.PLANNED, 1.0),
        "lost-at-once": HostRecord(S.PLANNED, 1.0, "before"),
        "lost-in-reboot": HostRecord(S.UPGRADED, 1.0, "reboot"),
        "done": HostRecord(S.DONE, 1.0, "uncordon"),
        "held": HostRecord(S.HELD, 1.0, "drain"),
        "failed": HostRecord(S.FAILED, 1.0, "verify"),
    }
    assert set(lost_hosts(RunRecord("r", hosts=states))) == {"lost-at-once", "lost-in-reboot"}


def test_what_can_fail_before_the_host_is_changed_comes_before_the_step_that_changes_it():
    """A download that fails in the step `upgrade` would leave the host cordoned: it counts as changed."""
    role = yaml.safe_load((Path(__file__).parents[3] / "roles/upgrade/tasks/main.yml").read_text())
    block = next(task["block"] for task in role if "block" in task)
    asked = [task.get("friday.upgrade.packages", {}).get("download_only") for task in block]
    begun = next(i for i, task in enumerate(block) if task.get("friday.upgrade.event", {}).get("kind") == "step")
    assert asked.index(True) < begun < asked.index(None, begun + 1)
    assert after_failure(HostRecord(HostState.DRAINED, 0.0, step="drain"), left_before=False) is HostState.HELD
    assert after_failure(HostRecord(HostState.DRAINED, 0.0, step="upgrade"), left_before=False) is HostState.FAILED
