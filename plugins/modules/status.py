#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: Show where things stand
version_added: 0.1.0
description:
  - Reads who holds the lock, the record of the last run (or of another), this controller's journal of it, and what the
    cluster reports about each of its nodes now.
  - Explains for each host what that means, and what to do next. Changes nothing, takes no lock, and needs no guard.
  - Runs on the controller.
author: [Friday contributors]
options:
  run:
    type: str
    description: Id of the run to show. Empty means the last one of which there is a record.
    default: ""
extends_documentation_fragment: [friday.upgrade.cluster, friday.upgrade.state_dir]
attributes:
  check_mode:
    support: full
    description: Changes nothing in either mode.
"""

EXAMPLES = r"""
- name: Show where things stand
  friday.upgrade.status:
  register: friday_standing

- name: Start only when no run holds the lock
  ansible.builtin.assert:
    that: friday_standing.lock is none
"""

RETURN = r"""
lock:
  description: Who holds the lock (C(run), C(user), C(host), C(pid), C(started), C(renewed), C(ttl)), or null.
  returned: success
  type: dict
life:
  description: What one check shows of the lock, one of C(free), C(alive), C(abandoned), C(unclear).
  returned: success
  type: str
run:
  description: The run as it was recorded last; null when none is.
  returned: success
  type: dict
source:
  description: Where that is from, C(record) (the cluster's) or C(journal) (this controller's).
  returned: success
  type: str
active:
  description: The run holds the lock, and renews it.
  returned: success
  type: bool
notes:
  description: What is wrong with record or journal, or how they differ.
  returned: success
  type: list
  elements: str
hosts:
  description:
    - For each host of the run C(host), C(node), C(state), C(since), C(step), C(step_since), the node as it is now
      (C(seen)), whether it runs the boot that was recorded (C(boot)), what that C(means), what is C(todo), and whether
      all is C(as_expected).
  returned: success
  type: list
  elements: dict
cordons:
  description: Friday's cordons on nodes that are not hosts of the run, by node, with the run that made each.
  returned: success
  type: dict
earlier:
  description: The other runs, the newest first.
  returned: success
  type: list
  elements: dict
"""
