# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of a host's life: whole, in order, and with a word for each step and state wherever they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import status
from ansible_collections.friday.upgrade.plugins.plugin_utils.model import steps
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import STEPS, HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import report, view

ROOT = Path(__file__).resolve().parents[3]
UNDER_WAY = [state for state in HostState if state.under_way]


def test_each_state_has_a_word_where_it_is_shown() -> None:
    assert set(view.STATE_TEXT) == set(HostState)
    assert set(status.STANDS) == set(UNDER_WAY)


def test_each_step_has_a_word_where_it_is_shown() -> None:
    assert set(report.STEP_CLASSES) == set(STEPS)
    assert set(view.BEGUN_TEXT) == {step for step in STEPS if step.changes_host}
    page = (ROOT / "docs/reference/events-and-record.md").read_text(encoding="utf-8")
    assert all(f"`{step.name}`" in page for step in STEPS)


def test_the_states_follow_each_other_as_the_steps_do() -> None:
    reached = [step.reaches for step in STEPS]
    assert list(dict.fromkeys(reached)) == [*UNDER_WAY, HostState.DONE]
    assert reached == sorted(reached, key=list(HostState).index)


def test_the_roles_begin_the_steps_of_the_table_and_no_other() -> None:
    begun = set()
    for path in (ROOT / "roles").glob("*/tasks/*.yml"):
        for task in re.findall(r"^ +step: (\w+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            begun.add(task)
    by_actions = {"cordon", "drain", "recheck", "uncordon"}
    assert begun | by_actions == {step.name for step in STEPS}


def test_the_playbook_takes_a_host_through_them_in_their_order() -> None:
    plays = yaml.safe_load((ROOT / "playbooks/friday.yml").read_text(encoding="utf-8"))
    (waves,) = (play for play in plays if play["name"].startswith("Waves"))
    (host,) = (task for task in waves["tasks"] if "block" in task)
    files = [
        (task["ansible.builtin.import_role"]["name"].rpartition(".")[2], part)
        for task in host["block"]
        for part in [task["ansible.builtin.import_role"].get("tasks_from", "main")]
    ]
    where = {
        **{"before": ("verify", "before"), "cordon": ("drain", "main"), "drain": ("drain", "main")},
        **{
            "upgrade": ("upgrade", "main"),
            "recheck": ("reboot", "main"),
            "reboot": ("reboot", "main"),
            "verify": ("verify", "main"),
        },
        **{"soak": ("verify", "soak"), "uncordon": ("drain", "uncordon")},
    }
    assert list(dict.fromkeys(where[step.name] for step in STEPS)) == files


@pytest.mark.parametrize(
    ("state", "name", "step"),
    [
        (HostState.PLANNED, "", None),
        (HostState.PLANNED, "before", steps.BEFORE),
        (HostState.DRAINED, "drain", None),
        (HostState.DRAINED, "reboot", steps.REBOOT),
        (HostState.REBOOTED, "verify", steps.VERIFY),
        (HostState.FAILED, "verify", None),
        (HostState.DONE, "uncordon", None),
        (HostState.DRAINED, "of a newer Friday", None),
    ],
)
def test_the_step_in_hand_is_the_one_that_has_not_ended(state: HostState, name: str, step: steps.Step | None) -> None:
    assert steps.in_hand(state, name) is step


@pytest.mark.parametrize(
    ("state", "name", "changed"),
    [
        (HostState.PLANNED, "", False),
        (HostState.CORDONED, "drain", False),
        (HostState.DRAINED, "upgrade", True),
        (HostState.DRAINED, "verify", True),
        (HostState.DRAINED, "uncordon", False),
        (HostState.UPGRADED, "uncordon", True),
        (HostState.DRAINED, "of a newer Friday", True),
    ],
)
def test_a_host_counts_as_changed_from_the_beginning_of_the_first_step_that_changes_it(
    state: HostState, name: str, changed: bool
) -> None:
    assert steps.may_have_changed(state, name) is changed
