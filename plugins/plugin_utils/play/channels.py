# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``friday_notify``, read where it is needed and kept nowhere: its addresses are secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import Templar

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels import parse
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.channel import Channel

VARIABLE = "friday_notify"


def channels_in(task_vars: Mapping[str, Any]) -> tuple[Channel, ...]:
    """Where people are told, by the variables of a task. What is wrong with them was reported by the guard."""
    try:
        return _parsed(task_vars["hostvars"]["localhost"].get(VARIABLE))
    except (AnsibleError, TypeError):
        return ()


def channels_of(manager: Any) -> tuple[Channel, ...]:
    """The same by Ansible's variable manager, when there is no task any more. Never raises."""
    try:
        host = manager._inventory.get_host("localhost") or manager._inventory.localhost
        variables = manager.get_vars(host=host, include_hostvars=False)
        if VARIABLE not in variables:
            return ()
        return _parsed(Templar(loader=manager._loader, variables=variables).template(variables[VARIABLE]))
    except Exception:  # of Ansible's insides, which differ by version: the report is written all the same
        return ()


def _parsed(value: Any) -> tuple[Channel, ...]:
    return parse(to_data(value or []))[0]
