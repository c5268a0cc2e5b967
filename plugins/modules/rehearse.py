#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rehearse
short_description: Load the nodes' BPF programs on the kernels of a run
version_added: 0.1.0
description:
  - Brings kernels, objects and the loader to the host that the task runs on, if that is not the controller,
    and runs M(friday.upgrade.rehearsal) there. What was rehearsed before is taken from the controller's cache.
  - Builds the loader on the controller, once, unless it is given.
author: [Friday contributors]
options:
  loader:
    type: path
    description: A loader that was built in advance.
    default: ""
  go:
    type: path
    description: The C(go) program that builds it. Empty means the one on E(PATH).
    default: ""
extends_documentation_fragment: [friday.upgrade.cache]
attributes:
  check_mode:
    support: full
    description: Does the same.
seealso:
  - module: friday.upgrade.rehearsal
"""

EXAMPLES = r"""
- name: Rehearse
  friday.upgrade.rehearse:
  delegate_to: localhost
  register: asked
"""

RETURN = r"""
answers:
  description: Where the answers are in the cache, by the number of the group, and C(running) or C(candidate).
  returned: success
  type: dict
tried:
  description: Number of guests that were run.
  returned: success
  type: int
cached:
  description: Number of answers that were in the cache already.
  returned: success
  type: int
missing:
  description: By architecture of nodes for which there is no loader, why.
  returned: success
  type: dict
seconds:
  description: How long it took.
  returned: success
  type: float
accelerator:
  description: V(kvm) or V(tcg), empty when nothing had to be run.
  returned: success
  type: str
"""
