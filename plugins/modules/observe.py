#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: observe
short_description: Observe a host from the cluster
version_added: 0.1.0
description:
  - Takes a snapshot of the cluster with the network agent of the host's node, and returns which probes this round
    needs, and from where.
author: [Friday contributors]
options:
  phase:
    type: str
    description: V(before) the host is touched, to V(verify) it, during its V(soak), or at the V(last) look of the run.
    choices: [before, verify, soak, last]
    default: verify
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Observe the host
  friday.upgrade.observe:
    phase: verify
  register: verify_seen
"""

RETURN = r"""
wanted:
  description: The host must be checked. There is no last look when the run has stopped.
  returned: success
  type: bool
peer:
  description: Surviving host that checks this one from outside; empty when there is none.
  returned: success
  type: str
from_host:
  description: Probes for M(friday.upgrade.node_facts) on the host.
  returned: success
  type: list
  elements: dict
from_peer:
  description: Probes for M(friday.upgrade.node_facts) on the peer.
  returned: success
  type: list
  elements: dict
"""
