#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Compare a host with how it was
version_added: 0.1.0
description:
  - One round of checks. Compares, and passes, fails, or waits and asks for another round.
author: [Friday contributors]
options:
  phase:
    type: str
    description:
      - V(before) the host is touched, to V(verify) it after its reboot, during its V(soak), or at the V(last) look of
        the run.
    choices: [before, verify, soak, last]
    required: true
  host:
    type: dict
    description: What M(friday.upgrade.node_facts) registered on the host.
    required: true
  peer:
    type: dict
    description: What it registered on the peer.
    default: {}
  peer_name:
    type: str
    description: The peer's name in the inventory.
    default: ""
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Compare
  friday.upgrade.verify:
    phase: verify
    host: "{{ verify_host }}"
  register: verify_result
"""

RETURN = r"""
again:
  description: Another round is needed.
  returned: always
  type: bool
outcome:
  description: V(pass), V(fail) or V(inconclusive). The verdict with its findings is in the run's folder.
  returned: always
  type: str
"""
