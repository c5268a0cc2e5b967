#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recheck
short_description: Check once more before a reboot
version_added: 0.1.0
description:
  - Returns whether the host must reboot. If so, makes sure that its node is still the planned one (the same UID), is
    still cordoned by this run, and has no pod on it that a drain would evict. Packages take minutes, in which others
    work on the cluster too.
  - Fails with everything that is different, and changes nothing on the host.
author: [Friday contributors]
options:
  upgrade:
    type: dict
    description: What M(friday.upgrade.packages) registered on the host; empty when nothing was upgraded.
    default: {}
extends_documentation_fragment: [friday.upgrade.part_of_run]
"""

EXAMPLES = r"""
- name: Check whether the node is still as the drain left it
  friday.upgrade.recheck:
    upgrade: "{{ upgrade_result | default({}) }}"
  register: reboot_recheck
"""

RETURN = r"""
reboot:
  description: The host must reboot, and may.
  returned: success
  type: bool
kernel:
  description: Release of the kernel that it is to boot.
  returned: when it reboots
  type: str
"""
