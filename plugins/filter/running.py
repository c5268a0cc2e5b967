# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which kernel runs since which boot, from the words of a host that has only just come back."""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: running
short_description: Read the running kernel and its boot id
version_added: 0.1.0
author: [Friday contributors]
description:
  - Reads the answer of a host to C(echo "now runs $(uname -r) since boot $(cat /proc/sys/kernel/random/boot_id)"), and
    ignores whatever else a login shell has printed around it.
  - A raw command answers as soon as there is a shell. A module would need Python, which must be started first.
options:
  _input:
    description: What the host answered.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Note the kernel and the boot id
  friday.upgrade.event:
    kind: state
    data: "{{ {'state': 'rebooted'} | combine(reboot_result.stdout | friday.upgrade.running) }}"
"""

RETURN = r"""
_value:
  description: C(kernel), as C(uname -r) prints it, and C(boot_id).
  type: dict
"""

_ANSWER = re.compile(r"\bnow runs (\S+) since boot (\S+)")


def running(answer: str) -> dict[str, str]:
    """Return ``kernel`` and ``boot_id``. Raises AnsibleFilterError when the host said something else."""
    found = _ANSWER.search(str(answer))
    if found is None:
        raise AnsibleFilterError(f"the host did not report its kernel and boot id, but {str(answer)[:200]!r}")
    return {"kernel": found[1], "boot_id": found[2]}


class FilterModule:
    """The filter, as Ansible looks for it."""

    def filters(self) -> dict[str, object]:
        """Name -> function."""
        return {"running": running}
