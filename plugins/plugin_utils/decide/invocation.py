# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways to call ansible-playbook that would leave out a part of Friday that the rest relies on."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

_NO_LIMIT = "leave it out; to upgrade some hosts only, set friday_only"
HARMLESS = frozenset(("molecule-notest", "notest"))  # molecule always skips these; nothing of Friday's bears them


def partial_run(
    limit: str, tags: Sequence[str], skip_tags: Sequence[str], start_at_task: str, step: bool
) -> tuple[Problem, ...]:
    """Problems of a call that would run only parts of the plays.

    A limit drops the plays on localhost and ends with "no hosts matched" and exit code 0, a tag filter or a task that
    doesn't match does the same: nothing done, reported as success.
    """
    whole = "run the same playbook as a whole, without it"
    problems = []
    if limit:
        problems.append(
            Problem("--limit", f"a limit ({limit}) would drop plays that Friday's safety depends on", _NO_LIMIT)
        )
    if set(tags) - {"all"}:
        problems.append(Problem("--tags", f"a tag filter ({', '.join(tags)}) would skip steps", whole))
    skipped = sorted(set(skip_tags) - HARMLESS)
    if skipped:
        problems.append(Problem("--skip-tags", f"a tag filter ({', '.join(skipped)}) would skip steps", whole))
    if start_at_task:
        problems.append(Problem("--start-at-task", f"starting at {start_at_task!r} would skip the guard", whole))
    if step:
        problems.append(Problem("--step", "steps that are answered with no would be skipped", whole))
    return tuple(problems)
