#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evict
short_description: Drain the node of a host
version_added: 0.1.0
description:
  - Evicts the node's pods through the Eviction API and waits until they are gone. Tries again when a
    PodDisruptionBudget refuses, until C(friday_drain_timeout) is over, and then names it. Never deletes, never forces.
author: [Friday contributors]
options: {}
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Drain
  friday.upgrade.evict:
"""

RETURN = r"""
evicted:
  description: Pods that were evicted, as namespace/name.
  returned: always
  type: list
  elements: str
waiting:
  description: Pods that could not be evicted in time, with the reason.
  returned: when the deadline is over
  type: dict
"""
