#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cordon
short_description: Cordon or uncordon the node of a host
version_added: 0.1.0
description:
  - Cordons with the annotation C(friday.upgrade/cordoned-by), and takes back only a cordon that has it.
author: [Friday contributors]
options:
  state:
    type: str
    description: What the node must be.
    choices: [cordoned, uncordoned]
    required: true
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Cordon
  friday.upgrade.cordon:
    state: cordoned
"""

RETURN = r"""
msg:
  description: What was done.
  returned: always
  type: str
"""
