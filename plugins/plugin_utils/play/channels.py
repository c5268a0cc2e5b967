# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``friday_notify``, evaluated when somebody is to be told, and kept nowhere: its addresses are secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.template import Templar

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.notify import Told
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels import parse

VARIABLE = "friday_notify"


def of_task(templar: Any, task_vars: Mapping[str, Any]) -> Told:
    """Where people are told, by the variables of a task: those of the play, or localhost's own. Never raises."""
    try:
        if VARIABLE in task_vars:
            return _told(templar.template(task_vars[VARIABLE]))
        return _told(task_vars["hostvars"]["localhost"].get(VARIABLE))
    except Exception as error:  # of a template, or of whatever it looks up
        return _unreadable(error)


def of_play(play: Any) -> Told:
    """The same when there is no task any more, by the variables of the last play. Never raises."""
    try:
        manager = play.get_variable_manager()
        host = manager._inventory.get_host("localhost") or manager._inventory.localhost
        variables = manager.get_vars(play=play, host=host, include_hostvars=False)
        return _told(Templar(loader=manager._loader, variables=variables).template(variables.get(VARIABLE)))
    except Exception as error:  # also of Ansible's insides, which differ by version
        return _unreadable(error)


def _told(value: Any) -> Told:
    channels, problems = parse(to_data(value or []))
    return Told(channels, tuple(problem.line() for problem in problems))


def _unreadable(error: Exception) -> Told:
    """Without its words: they may quote an address."""
    return Told((), (f"{VARIABLE} could not be evaluated ({type(error).__name__}): nobody is told",))
