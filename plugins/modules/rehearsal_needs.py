#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rehearsal_needs
short_description: Find out what must be rehearsed
version_added: 0.1.0
description:
  - Groups the planned hosts by running kernel, candidate, BPF objects, their configuration and sysctls; equal hosts
    share one rehearsal. Names the kernels whose images are not on the controller yet.
  - Runs on the controller, as a part of a run that M(friday.upgrade.guard) has opened.
author: [Friday contributors]
options:
  kernel:
    type: str
    description: Release of a kernel to rehearse instead of the one that the upgrade would bring.
    default: ""
extends_documentation_fragment: [friday.upgrade.cache]
attributes:
  check_mode:
    support: full
    description: Reads the same.
"""

EXAMPLES = r"""
- name: What must be rehearsed
  friday.upgrade.rehearsal_needs:
  register: needs
"""

RETURN = r"""
kernels:
  description: Kernels to be fetched, each with the host that has it (C(host)), its C(name) and its C(source) for
    M(friday.upgrade.fetch_kernel).
  returned: success
  type: list
  elements: dict
trials:
  description: Whether there is anything to load.
  returned: success
  type: bool
"""
