#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: event
short_description: Journal an event of a host
version_added: 0.1.0
description:
  - Writes one event of the host to the journal, which is on disk when the task ends, and brings the record in the
    cluster up to it.
author: [Friday contributors]
options:
  kind:
    type: str
    description: A step begins, a state is reached, or a note is made.
    choices: [step, state, note]
    required: true
  data:
    type: dict
    description: Data of the event, such as C(step), C(state) or C(message), and what else belongs to it.
    default: {}
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Note that the host is about to reboot
  friday.upgrade.event:
    kind: step
    data:
      step: reboot
"""

RETURN = r"""
seq:
  description: Number of the event in the journal.
  returned: success
  type: int
"""
