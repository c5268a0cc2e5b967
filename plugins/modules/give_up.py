#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: give_up
short_description: Give up a host that did not get through
version_added: 0.1.0
description:
  - Records in which state the host is left, takes back this run's cordon where nothing was changed yet, and keeps later
    waves from starting. Always fails.
author: [Friday contributors]
options:
  task:
    type: str
    description: Name of the task that failed.
    default: ""
  result:
    type: dict
    description: Its result.
    default: {}
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Give the host up
  friday.upgrade.give_up:
    task: "{{ ansible_failed_task.name }}"
    result: "{{ ansible_failed_result }}"
"""

RETURN = r"""
state:
  description: C(held) or C(failed).
  returned: always
  type: str
"""
