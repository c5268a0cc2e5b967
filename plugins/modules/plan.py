#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Decide on the waves of a run
version_added: 0.1.0
description:
  - Weighs what the survey registered and a snapshot of the cluster, and refuses with all problems at once, or plans the
    waves.
  - Runs on the controller, as a part of a run that M(friday.upgrade.guard) has opened.
author: [Friday contributors]
options: {}
attributes:
  check_mode:
    support: full
    description: Decides the same.
"""

EXAMPLES = r"""
- name: Decide on the waves
  friday.upgrade.plan:
  register: plan_result
"""

RETURN = r"""
lineup:
  description: Hosts in planned order, each wave behind its marker (dicts with name, wave and marker).
  returned: success
  type: list
  elements: dict
serial:
  description: Sizes of the batches, markers included.
  returned: success
  type: list
  elements: int
hosts:
  description: What is planned for each host, by its name in the inventory.
  returned: success
  type: dict
problems:
  description: What stands in the way (dicts with subject, message and fix).
  returned: success
  type: list
  elements: dict
digest:
  description: Identifies what is planned.
  returned: success
  type: str
path:
  description: Where the plan is, as JSON.
  returned: success
  type: path
"""
