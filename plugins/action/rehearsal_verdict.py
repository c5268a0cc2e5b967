# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Weigh the rehearsals: see the documentation of the module friday.upgrade.rehearsal_verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import rehearsal as decide
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    Group,
    GroupVerdict,
    Rehearsal,
    Trial,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import (
    GROUPS_FILE,
    PROBLEMS_FILE,
    REHEARSAL_FILE,
    Problems,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import Groups, Store
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console


class ActionModule(FridayAction):
    """Compare what the candidate said with what the running kernel said; what is refused stops the run."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "cache": {"type": "path", "default": ""},
        "kernels": {"type": "list", "elements": "dict", "default": []},
        "asked": {"type": "dict", "default": {}},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rehearsal as data. The waves stay closed unless it lets them open."""
        session, store, asked = self.session(task_vars), Store(arguments["cache"]), arguments["asked"]
        found = session.files.load(Groups, GROUPS_FILE) or Groups()
        kernels = [each for each in arguments["kernels"] if each.get("failed") or each.get("unreachable")]
        # By architecture too: Ubuntu's releases and versions are the same for all of them.
        reasons = {
            (str(each["item"]["name"]), str(each["item"]["source"]["machine"])): _reason(each) for each in kernels
        }
        missing = asked.get("missing") or {}
        verdicts = []
        for number, group in enumerate(found.groups):
            running, candidate = ((each.name, each.machine) for each in (group.running, group.candidate))
            otherwise = missing.get(group.running.machine) or _reason(asked)
            if not group.state.objects and (why := reasons.get(candidate)):
                group = _with_unknown(group, f"kernel {group.candidate.release}", why)
            images = (store.image(group.running), store.image(group.candidate))
            keys = asked.get("answers", {}).get(str(number), {})
            answers = {
                each.name: (
                    _answer(store, keys, f"running {each.name}", reasons.get(running) or otherwise),
                    _answer(store, keys, f"candidate {each.name}", reasons.get(candidate) or otherwise),
                )
                for each in group.state.objects
            }
            verdicts.append(decide.weigh(group, answers, *images, session.policy))
        merged = decide.merged(verdicts)
        rehearsal = Rehearsal(
            newest=decide.newest(verdicts) if found.newest else (),
            groups=merged,
            skipped=found.skipped,
            seconds=float(asked.get("seconds") or 0.0),
            accelerator=str(asked.get("accelerator") or ""),
            cached=int(asked.get("cached") or 0),
            tried=int(asked.get("tried") or 0),
        )
        session.files.save(rehearsal, REHEARSAL_FILE)
        store.prune(time.time())
        self.show([console.rehearsal_table(rehearsal)])
        if found.newest:
            problems = decide.without_candidate(rehearsal.newest, found.unread)
        else:
            problems = decide.problems(merged, session.policy)
        if problems:
            earlier = session.files.load(Problems, PROBLEMS_FILE) or Problems()
            session.files.save(Problems((*earlier.problems, *problems)), PROBLEMS_FILE)
            session.recorder.tell(EventKind.STOP, reason=f"rehearsal: {_told(merged)}")
        told = {name: value for name, value in to_data(rehearsal).items() if name != "skipped"}  # Ansible's own key
        return {"changed": False, "stopped": bool(problems), **told}


def _with_unknown(group: Group, what: str, why: str) -> Group:
    return replace(group, state=replace(group.state, unknown={**group.state.unknown, what: why}))


def _answer(store: Store, keys: Mapping[str, str], name: str, otherwise: str) -> Trial:
    """What was answered, whether it came to its end or not; without any, why there is none."""
    known = store.last_trial(keys[name]) if name in keys else None
    return known or Trial(error=f"could not be done: {otherwise}")


def _told(verdicts: Sequence[GroupVerdict]) -> str:
    worst = decide.worst(verdicts)
    return f"{worst.candidate} on {', '.join(worst.hosts)}: {worst.word.value}: {'; '.join(worst.reasons[:1])}"


def _reason(result: Mapping[str, Any]) -> str:
    text = str(result.get("msg") or "it was not rehearsed").strip()
    return text.splitlines()[-1][:400]
