#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verdict
short_description: End a run of Friday
version_added: 0.1.0
description:
  - Compares the cluster, and each host that was upgraded, with how they were before. Writes the report as HTML,
    Markdown and JSON, posts the message, releases the lock. Fails unless every planned host is done
    or nothing was to be done.
  - Runs on the controller, as a part of a run that M(friday.upgrade.guard) has opened.
author: [Friday contributors]
options: {}
attributes:
  check_mode:
    support: full
    description: Reports on the plan; posts no message.
"""

EXAMPLES = r"""
- name: End the run
  friday.upgrade.verdict:
"""

RETURN = r"""
outcome:
  description: C(pass), C(fail), C(inconclusive) or C(nothing-to-do).
  returned: always
  type: str
report:
  description: Path of the HTML report.
  returned: always
  type: path
"""
