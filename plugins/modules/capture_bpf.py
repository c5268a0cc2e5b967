#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: capture_bpf
short_description: Bring a node's BPF objects to the controller
version_added: 0.1.0
description:
  - Runs M(friday.upgrade.bpf_objects) on the node, and brings each object that the controller does not have yet into
    its cache, by its content.
author: [Friday contributors]
options:
  paths:
    type: list
    elements: str
    description: Further object files, folders of them, or patterns.
    default: []
extends_documentation_fragment: [friday.upgrade.cache]
attributes:
  check_mode:
    support: full
    description: Reads the same.
seealso:
  - module: friday.upgrade.bpf_objects
"""

EXAMPLES = r"""
- name: Capture what is live
  friday.upgrade.capture_bpf:
    paths: [/opt/agent/programs]
  register: survey_bpf
  become: true
"""

RETURN = r"""
objects:
  description: As M(friday.upgrade.bpf_objects) returns them, those whose content is on the controller.
  returned: success
  type: list
  elements: dict
live:
  description: The programs that are live; null when that could not be read.
  returned: success
  type: list
  elements: dict
unknown:
  description: What could not be read, with the reason.
  returned: success
  type: dict
"""
