#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unlock
short_description: Break the lock of a run
version_added: 0.1.0
description:
  - Takes the lock away from the run that is named, whether it is alive or not, and records who did it, when and why.
  - Refuses when the lock is free or another run's, and without a reason.
  - Warns when the holder seems to be alive. Its keeper then notices that the lease is lost, and no further step of that
    run begins, on any host.
  - Needed only to spare the wait for a dead run's lock, which expires by itself.
  - Runs on the controller.
author: [Friday contributors]
options:
  run:
    type: str
    description: Id of the run that holds the lock, as M(friday.upgrade.status) shows it.
    default: ""
  reason:
    type: str
    description: Why the lock is broken, in a few words. Recorded with the run.
    default: ""
extends_documentation_fragment: [friday.upgrade.cluster, friday.upgrade.state_dir]
attributes:
  check_mode:
    support: full
    description: Reports what it would do.
"""

EXAMPLES = r"""
- name: Break the lock of a run whose machine is gone
  friday.upgrade.unlock:
    run: 20261122-161500-3f2a
    reason: the laptop was stolen
"""

RETURN = r"""
lock:
  description: Who held the lock (C(run), C(user), C(host), C(pid), C(started), C(renewed), C(ttl)).
  returned: success
  type: dict
life:
  description: What one check showed of it, one of C(alive), C(abandoned), C(unclear).
  returned: success
  type: str
alive:
  description: The holder may be alive.
  returned: success
  type: bool
"""
