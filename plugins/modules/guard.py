#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
short_description: Open a run of Friday
version_added: 0.1.0
description:
  - Refuses limits, tag filters and the like, checks every C(friday_*) variable, the connection to the cluster and the
    rights in it.
  - Takes the Lease, starts the companion process that renews it, opens the journal and the run record.
  - Everything that is wrong, but a lock held by somebody else, is left for M(friday.upgrade.plan) to report with the
    rest.
  - Runs on the controller, as a part of a run that M(friday.upgrade.guard) has opened.
author: [Friday contributors]
attributes:
  check_mode:
    support: full
    description: Takes no lock and opens no record.
"""

EXAMPLES = r"""
- name: Open the run
  friday.upgrade.guard:
  register: guard_run
"""

RETURN = r"""
session:
  description: Identity of the run, its folder, policy and connection to the cluster, and the problems found so far.
  returned: success
  type: dict
run:
  description: Id of the run.
  returned: success
  type: str
  sample: 20261122-161500-3f2a
policy:
  description: The validated policy.
  returned: success
  type: dict
unreadable:
  description: Names of the variables that cannot be evaluated, so that nothing later tries to.
  returned: success
  type: list
  elements: str
"""
