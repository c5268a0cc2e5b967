#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: available_kernels
short_description: List the kernels that a node's package sources have
version_added: 0.1.0
description:
  - Lists those of the running kernel's flavour (C(cloud-amd64), C(generic)), with the packages that hold their images
    and modules. It changes nothing.
author:
  - Friday contributors (!UNKNOWN)
requirements:
  - Python 3.9 or newer on the node
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in check mode, and reads the same.
  diff_mode:
    support: none
    description: Returns details of what would change.
seealso:
  - module: friday.upgrade.kernel_image
"""

EXAMPLES = r"""
- name: List the available kernels
  friday.upgrade.available_kernels:
  register: available
"""

RETURN = r"""
changed:
  description: Always false.
  returned: always
  type: bool
kernels:
  description: The kernels, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    release: {description: As C(uname -r) prints it., type: str}
    packages: {description: "What holds its image and its modules: dictionaries with name and version.", type: list}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.friday.upgrade.plugins.module_utils import package_manager
from ansible_collections.friday.upgrade.plugins.module_utils.system import System, Unreadable


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    system = System()
    try:
        running = system.read("/proc/sys/kernel/osrelease").strip()
        kernels = package_manager.offered_kernels(package_manager.find(system), running)
    except Unreadable as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, kernels=[_told(*each) for each in kernels])


def _told(release: str, packages: list[tuple[str, str]]) -> dict[str, Any]:
    return {"release": release, "packages": [{"name": name, "version": version} for name, version in packages]}


if __name__ == "__main__":
    main()
