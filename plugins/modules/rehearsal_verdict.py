#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rehearsal_verdict
short_description: Weigh rehearsals, and keep the waves closed when a candidate kernel is refused
version_added: 0.1.0
description:
  - Compares how the programs loaded on the candidate kernels with how they loaded on the running ones. A live program
    that only the candidate refuses stops the run, and so does an inconclusive rehearsal, unless the policy accepts
    that.
  - Runs on the controller, as a part of a run that M(friday.upgrade.guard) has opened.
author: [Friday contributors]
options:
  kernels:
    type: list
    elements: dict
    description: Results of M(friday.upgrade.fetch_kernel), one for each kernel that was fetched.
    default: []
  asked:
    type: dict
    description: Result of M(friday.upgrade.rehearse).
    default: {}
extends_documentation_fragment: [friday.upgrade.cache]
attributes:
  check_mode:
    support: full
    description: Reads the same.
"""

EXAMPLES = r"""
- name: Weigh
  friday.upgrade.rehearsal_verdict:
    kernels: "{{ kernels.results }}"
    asked: "{{ asked }}"
"""

RETURN = r"""
stopped:
  description: Whether the run is stopped by it.
  returned: success
  type: bool
groups:
  description: The verdict for each group of hosts, with every program.
  returned: success
  type: list
  elements: dict
"""
