# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How this ansible-playbook was called, as far as it decides which plays and tasks run."""

from __future__ import annotations

from typing import Any

from ansible import context
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import invocation
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem


def refused() -> tuple[Problem, ...]:
    """Problems of the call itself; empty when all plays run whole."""
    arguments = context.CLIARGS
    return invocation.partial_run(
        limit=str(arguments.get("subset") or ""),
        tags=[str(tag) for tag in arguments.get("tags") or ()],
        skip_tags=[str(tag) for tag in arguments.get("skip_tags") or ()],
        start_at_task=str(arguments.get("start_at_task") or ""),
        step=bool(arguments.get("step")),
    )


def by_extra_vars(name: str) -> bool:
    """Whether the variable was given on the command line (``--extra-vars``)."""
    return name in load_extra_vars(DataLoader())


def only_listed() -> bool:
    """True when nothing runs at all: ``--syntax-check``, ``--list-tasks`` and their like."""
    arguments: Any = context.CLIARGS
    return any(arguments.get(name) for name in ("syntax", "listtasks", "listtags", "listhosts"))
