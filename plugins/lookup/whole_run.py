# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuse partial runs where no option of ansible-playbook can leave the refusal out: in a play's hosts."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils.play import invocation
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console

DOCUMENTATION = r"""
name: whole_run
short_description: Refuse a run that would skip a part of Friday
version_added: 0.1.0
description:
  - Returns its terms, and fails when C(ansible-playbook) was called with C(--limit), C(--tags), C(--skip-tags),
    C(--start-at-task) or C(--step).
  - Meant for C(hosts) of the first play, which is evaluated in every case. A limit or C(--start-at-task) skips
    every task that could refuse it, and a run that did nothing at all then ends with exit code 0.
author: [Friday contributors]
options:
  _terms:
    description: What to return.
    required: true
"""

EXAMPLES = r"""
- name: Guard
  hosts: "{{ lookup('friday.upgrade.whole_run', 'localhost') }}"
"""

RETURN = r"""
_list:
  description: The terms.
  type: list
  elements: str
"""


class LookupModule(LookupBase):
    """See the documentation above."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """Return the terms, or raise AnsibleError with all that is wrong with the call."""
        problems = () if invocation.only_listed() else invocation.refused()
        if problems:
            Display().display(console.problems_list(problems))
            raise AnsibleError("; ".join(problem.line() for problem in problems))
        return list(terms)
