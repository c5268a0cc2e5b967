#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bpf_objects
short_description: Read what a node's BPF programs were loaded from, and which of them are live
version_added: 0.1.0
description:
  - Finds the object files of Cilium's agent, those that O(paths) names, and those in the programs and libraries of
    processes that hold BPF programs; asks C(bpftool) for the programs that are live; reads the sysctls that programs
    are loaded under.
  - Of an agent's configuration it reads only what is put into the programs (their read-only data).
  - It changes nothing. What could not be read is named in RV(unknown) with the reason, and it does not fail for it.
author:
  - Friday contributors (!UNKNOWN)
requirements:
  - Python 3.9 or newer on the node
  - "bpftool on the node (Debian: package C(bpftool); Ubuntu: C(linux-tools-generic))"
options:
  paths:
    description:
      - Further object files, folders of C(.o) and C(.elf) files, patterns (C(/opt/agent/*.o)), or programs that carry
        objects.
    type: list
    elements: str
    default: []
  content:
    description:
      - SHA-256 of the objects whose content is to be returned too.
    type: list
    elements: str
    default: []
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
  - module: friday.upgrade.capture_bpf
"""

EXAMPLES = r"""
- name: Capture the objects of Cilium and of an agent of one's own
  friday.upgrade.bpf_objects:
    paths: [/opt/agent/programs]
  register: bpf
"""

RETURN = r"""
changed:
  description: Always false.
  returned: always
  type: bool
objects:
  description: The objects, one of each kind where an agent writes one for each endpoint.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: What it is called in a report (its path on the node)., type: str}
    path: {description: Where it is on the node., type: str}
    sha256: {description: Of its content., type: str}
    size: {description: In bytes., type: int}
    contents: {description: Contents of maps (hexadecimal) that the agent puts in., type: dict}
    carried: {description: It was found in what a process runs., type: bool}
live:
  description: Programs that are loaded now, but for those of systemd's units and of container runtimes. Null when they
    could not be read.
  returned: always
  type: list
  elements: dict
  sample: [{name: cil_from_netdev, type: sched_cls, tag: f03f3c893109830e}]
sysctls:
  description: Values of the sysctls that programs are loaded under.
  returned: always
  type: dict
modules:
  description: Modules of the kernel that are loaded.
  returned: always
  type: list
  elements: str
dkms:
  description: Those of them that DKMS has built.
  returned: always
  type: list
  elements: str
data:
  description: SHA-256 to content, as base64 of zlib's form.
  returned: when O(content) was given
  type: dict
unknown:
  description: What was not read, with the reason.
  returned: always
  type: dict
"""

import base64
import zlib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.friday.upgrade.plugins.module_utils import bpf_objects
from ansible_collections.friday.upgrade.plugins.module_utils.system import System, Unreadable


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "str", "default": []},
            "content": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        supports_check_mode=True,
    )
    system, wanted = System(), set(module.params["content"])
    read = bpf_objects.read(system, module.params["paths"])
    data = {}
    for each in read["objects"]:
        if each["sha256"] in wanted:
            try:
                content = bpf_objects.content(system, each["path"])
            except Unreadable as error:
                read["unknown"][each["path"]] = str(error)
                continue
            data[each["sha256"]] = base64.b64encode(zlib.compress(content)).decode()
    module.exit_json(changed=False, **read, **({"data": data} if wanted else {}))


if __name__ == "__main__":
    main()
