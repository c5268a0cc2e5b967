#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kernel_image
short_description: Get the image of a kernel that a node runs, or is about to run, without installing it
version_added: 0.1.0
description:
  - Takes the image from C(/boot) where the kernel is installed; otherwise the node's package manager downloads its
    packages from the node's own sources, verifies them, and they are unpacked into a temporary folder.
  - Returns which modules exist for the kernel, and the options that it was built with.
author:
  - Friday contributors (!UNKNOWN)
requirements:
  - Python 3.9 or newer on the node
options:
  release:
    description: The kernel's release, as C(uname -r) prints it when it runs.
    type: str
    required: true
  packages:
    description:
      - The packages that hold its image and its modules. Not needed where it is installed.
      - Without any, those that the package sources have for this release.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the package., type: str, required: true}
      version: {description: Version of the package., type: str, required: true}
  content:
    description: Return the image too.
    type: bool
    default: false
  timeout:
    description: Seconds that the download may take.
    type: int
    default: 600
extends_documentation_fragment: [friday.upgrade.lock_timeout]
attributes:
  check_mode:
    support: full
    description: Can run in check mode, and reads the same.
  diff_mode:
    support: none
    description: Returns details of what would change.
notes:
  - Needs root.
seealso:
  - module: friday.upgrade.fetch_kernel
"""

EXAMPLES = r"""
- name: The kernel that runs, and the one that the upgrade brings
  friday.upgrade.kernel_image:
    release: "{{ item.release }}"
    packages: "{{ item.packages }}"
  loop:
    - {release: 6.1.0-50-cloud-amd64, packages: []}
    - release: 6.12.107+deb13-cloud-amd64
      packages: [{name: linux-image-6.12.107+deb13-cloud-amd64, version: 6.12.107-1}]
"""

RETURN = r"""
changed:
  description: Always false.
  returned: always
  type: bool
release:
  description: As given.
  returned: always
  type: str
sha256:
  description: Of the image.
  returned: success
  type: str
size:
  description: Of the image, in bytes.
  returned: success
  type: int
modules:
  description: Names of the modules that exist for it, as C(lsmod) shows them. Null where they are in packages that
    were not named.
  returned: success
  type: list
  elements: str
config:
  description: SHA-256 of the file with the options that it was built with; empty when there is no such file.
  returned: success
  type: str
data:
  description: The image, as base64.
  returned: when O(content=true)
  type: str
config_data:
  description: That file, as base64 of zlib's form.
  returned: when O(content=true)
  type: str
"""

import base64
import hashlib
import zlib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.friday.upgrade.plugins.module_utils import kernel_image, package_manager
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Limits
from ansible_collections.friday.upgrade.plugins.module_utils.system import System, Unreadable


def main() -> None:
    package = {"name": {"type": "str", "required": True}, "version": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "dict", "options": package, "default": []},
            "content": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 300},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    system, release = System(), module.params["release"]
    packages = [(each["name"], each["version"]) for each in module.params["packages"]]
    try:
        image = kernel_image.installed(system, release)
        if image is None:
            manager = package_manager.find(system)
            packages = packages or package_manager.offered_packages(manager, release)
            if not packages:
                raise Unreadable(f"kernel {release} is not installed, and no package source has it")
            limits = Limits(module.params["lock_timeout"], module.params["timeout"])
            image = kernel_image.packaged(manager, release, packages, limits)
    except Unreadable as error:
        module.fail_json(msg=str(error), release=release)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or release}: {error.strerror}", release=release)
    modules = None if image.modules is None else sorted(image.modules)
    config = hashlib.sha256(image.config).hexdigest() if image.config else ""
    told = {"release": release, "sha256": image.sha256, "size": len(image.data), "modules": modules, "config": config}
    if module.params["content"]:
        told["data"] = base64.b64encode(image.data).decode()
        told["config_data"] = base64.b64encode(zlib.compress(image.config)).decode()
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
