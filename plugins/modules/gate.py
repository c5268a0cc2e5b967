#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate
short_description: Ask whether a wave may start
version_added: 0.1.0
description:
  - Checks the record, the lock, the health of the cluster and the hosts that Ansible has lost. Any of them can keep the
    wave closed.
author: [Friday contributors]
options:
  wave:
    type: int
    description: Number of the wave, from 1. 0 stands for a run with nothing to do.
    required: true
  lost:
    type: list
    description: Hosts of the play that have failed or were unreachable so far.
    elements: str
    default: []
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Ask
  friday.upgrade.gate:
    wave: 2
    lost: "{{ ansible_play_hosts_all | difference(ansible_play_hosts) }}"
  register: gate_result
"""

RETURN = r"""
open:
  description: Whether the wave may start.
  returned: success
  type: bool
reason:
  description: Why it may not.
  returned: success
  type: str
"""
