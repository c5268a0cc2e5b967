#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages
short_description: Upgrade a node's packages as planned, and prove that it can start again
version_added: 0.1.0
description:
  - Finds out what the package manager would do now, refuses if that is not what was planned, downloads, installs
    without asking anything, and then checks that every package arrived in full and that the boot loader finds the new
    kernel with all of its files.
  - Configuration files that somebody has changed stay as they are. Nothing is removed that the plan did not remove. Old
    kernels stay, they are the way back. Services are not restarted by C(needrestart). A reboot is not made.
author:
  - Friday contributors (!UNKNOWN)
requirements:
  - Python 3.9 or newer on the node
  - apt 2.1.16 or newer on the node
options:
  scope:
    description:
      - V(all) is a full upgrade.
      - V(kernel) is the kernel alone, that is the installed packages that bring kernels of the running one's flavour,
        by what they depend on (such as C(linux-image-cloud-amd64), C(linux-virtual)), and what these need.
    type: str
    choices: [all, kernel]
    default: all
  expected:
    description:
      - What the upgrade changes according to the plan, as M(friday.upgrade.node_facts) returned it in C(pending).
      - If the upgrade would now bring another kernel, not bring the planned one, or remove a package that was not to be
        removed, the module fails and names it, with nothing changed. All other differences are returned.
      - What was planned and is installed by now counts as done, so that an interrupted upgrade can be continued.
      - Without it, nothing is compared, and nothing is removed.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the package.
        type: str
        required: true
      installed:
        description: Version before; empty for a new package.
        type: str
        default: ""
      candidate:
        description: Version after; empty for a removal.
        type: str
        default: ""
      kind:
        description: What kind of package it is. Not used here; the plan has it.
        type: str
        choices: [kernel, headers, other]
        default: other
      downgrade:
        description: Whether the candidate is older than what is installed. A downgrade that is not planned is refused.
        type: bool
        default: false
      initramfs:
        description: Whether it makes an initramfs anew. Not used here; the plan has it.
        type: bool
      role:
        description: What the package is to the node. Not used here; the plan has it.
        type: str
        default: ""
  target_kernel:
    description:
      - Release of the kernel that the next boot is to run according to the plan.
      - If the boot loader would start another one, the module fails, with nothing changed. If it turns out to start
        another one when all is installed, the module fails too.
    type: str
  download_only:
    description:
      - Compare with the plan and download, and install nothing.
    type: bool
    default: false
  update_cache:
    description:
      - Fetch the lists of packages first.
      - In check mode a copy of the lists is refreshed, used and removed.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that each of refreshing, downloading and installing may take.
      - An installation that takes longer is not stopped, since that would leave packages half configured. The module
        fails and names the process.
    type: int
    default: 3600
extends_documentation_fragment: [friday.upgrade.lock_timeout]
attributes:
  check_mode:
    support: full
    description: Reports what would be done, and whether that matches the plan.
  diff_mode:
    support: full
    description: Returns the versions before and after.
notes:
  - Needs root.
seealso:
  - module: friday.upgrade.node_facts
"""

EXAMPLES = r"""
- name: Upgrade the kernel to the planned one
  friday.upgrade.packages:
    scope: kernel
    expected: "{{ survey.facts.pending }}"
    lock_timeout: 600
    timeout: 1800
  register: upgrade

- name: Say what a full upgrade would change
  friday.upgrade.packages:
    update_cache: true
  check_mode: true
  diff: true
"""

RETURN = r"""
changed:
  description:
    - Whether packages were changed, or would be in check mode.
    - Also when it failed; false says then that nothing was changed.
  returned: always
  type: bool
changes:
  description: What was to be changed; empty when there was nothing to do.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the package.
      type: str
    installed:
      description: Version before; empty for a new package.
      type: str
    candidate:
      description: Version after; empty for a removal.
      type: str
  sample: [{name: linux-image-6.12.107+deb13-cloud-amd64, installed: "", candidate: 6.12.107-1}]
differences:
  description: Differences from the plan that do not forbid the upgrade, one sentence each.
  returned: always
  type: list
  elements: str
  sample: ["tzdata 2026a-0+deb13u1 -> 2026b-0+deb13u1: was not planned"]
target_kernel:
  description: Release of the kernel that the next boot runs.
  returned: always
  type: str
  sample: 6.12.107+deb13-cloud-amd64
reboot_required:
  description: Whether the node runs something older than what is installed now.
  returned: success, except in check mode
  type: bool
phase:
  description:
    - Where it failed. V(check) and V(download) leave the node as it was; after V(install) and V(verify) it must not be
      rebooted before somebody has looked.
  returned: failure
  type: str
  sample: download
output:
  description: Last 40 lines of the package manager.
  returned: always
  type: list
  elements: str
seconds:
  description: How long it took.
  returned: always
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.friday.upgrade.plugins.module_utils import package_manager
from ansible_collections.friday.upgrade.plugins.module_utils.facts import refresher
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import (
    HEADERS,
    KERNEL,
    OTHER,
    Change,
    Limits,
)
from ansible_collections.friday.upgrade.plugins.module_utils.system import System, Unreadable
from ansible_collections.friday.upgrade.plugins.module_utils.upgrade import Failed, Upgrade

EXPECTED = {
    "name": {"type": "str", "required": True},
    "installed": {"type": "str", "default": ""},
    "candidate": {"type": "str", "default": ""},
    "kind": {"type": "str", "choices": [KERNEL, HEADERS, OTHER], "default": OTHER},
    "downgrade": {"type": "bool", "default": False},
    "initramfs": {"type": "bool"},
    "role": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "scope": {"type": "str", "choices": ["all", "kernel"], "default": "all"},
            "expected": {"type": "list", "elements": "dict", "options": EXPECTED},
            "target_kernel": {"type": "str"},
            "download_only": {"type": "bool", "default": False},
            "update_cache": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 300},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    started = time.monotonic()
    asked = module.params
    limits = Limits(lock=asked["lock_timeout"], work=asked["timeout"])
    expected = asked["expected"] and [
        Change(each["name"], each["installed"], each["candidate"], each["downgrade"]) for each in asked["expected"]
    ]

    system = System()
    try:
        manager = package_manager.find(system)
    except Unreadable as reason:
        module.fail_json(msg=str(reason), changed=False, phase="check")
    upgrade = Upgrade(system, manager, asked["scope"], expected, limits, asked["target_kernel"] or "")
    try:
        if asked["update_cache"]:
            refresher(limits, module.tmpdir if module.check_mode else "")(manager)
        upgrade.check()
        works = not module.check_mode and not asked["download_only"]
        if works:
            if upgrade.changes:
                upgrade.perform()
            upgrade.verify()
        elif asked["download_only"] and upgrade.changes and not module.check_mode:
            upgrade.download()
        result = upgrade.result()
        if works:
            result["reboot_required"] = upgrade.reboot_required()
    except (Failed, Unreadable) as reason:
        seconds = round(time.monotonic() - started, 1)
        module.fail_json(
            msg=str(reason), phase=upgrade.phase, changed=upgrade.changed, seconds=seconds, **upgrade.result()
        )
    if module._diff:
        result["diff"] = upgrade.diff()
    changed = bool(upgrade.changes) and not asked["download_only"]
    module.exit_json(changed=changed, seconds=round(time.monotonic() - started, 1), **result)


if __name__ == "__main__":
    main()
