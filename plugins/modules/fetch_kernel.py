#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_kernel
short_description: Bring a kernel's image from a node to the controller
version_added: 0.1.0
description:
  - Runs M(friday.upgrade.kernel_image) on the node, and keeps the image in the controller's cache.
  - Nothing is installed.
author: [Friday contributors]
options:
  source:
    type: dict
    description: The kernel, as M(friday.upgrade.rehearsal_needs) returns it.
    required: true
  timeout:
    type: int
    description: Seconds that a download may take.
    default: 600
extends_documentation_fragment: [friday.upgrade.cache, friday.upgrade.lock_timeout]
attributes:
  check_mode:
    support: full
    description: Does the same.
seealso:
  - module: friday.upgrade.kernel_image
"""

EXAMPLES = r"""
- name: Fetch
  friday.upgrade.fetch_kernel:
    source: "{{ item.source }}"
  loop: "{{ needs.kernels }}"
  delegate_to: "{{ item.host }}"
  become: true
"""

RETURN = r"""
release:
  description: The kernel's release.
  returned: success
  type: str
sha256:
  description: Of its image.
  returned: success
  type: str
size:
  description: Of its image, in bytes.
  returned: success
  type: int
"""
