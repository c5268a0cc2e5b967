# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drain a node: see the documentation of the module friday.upgrade.evict."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.act.evict import evict
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drain, unread
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import DRAIN, HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.looks import look
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

_PAUSE = 10  # seconds until the cluster is asked again that did not answer


class ActionModule(FridayAction):
    """Evict what has to leave the node, through the Eviction API, until it has left or the deadline is over."""

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the pods that were evicted; fails with the disruption budget named when the deadline is over."""
        session, host = self.session(task_vars), str(task_vars["inventory_hostname"])
        session.recorder.step(host, DRAIN)

        def note(message: str) -> None:
            session.recorder.tell(EventKind.NOTE, host, message=message)

        deadline = time.monotonic() + session.policy.drain_timeout
        evicted: list[str] = []
        while True:
            if reason := session.pause.halted():
                return {"failed": True, "halted": True, "msg": f"the drain was interrupted: {reason}"}
            # Again after each pass: a pod may have been started while the cordon was on its way.
            snapshot, reason = _look(session)
            if snapshot is None:
                if time.monotonic() >= deadline:
                    message = f"{host} was not drained within {session.policy.drain_timeout} s: {reason}"
                    return {"failed": True, "msg": message, "evicted": evicted}
                note(f"{reason}; checking again")
                session.pause.rest(_PAUSE)
                continue
            todo = drain(session.policy, snapshot, session.files.planned(host).node)
            if todo.blockers:
                return {"failed": True, "msg": "cannot drain: " + "; ".join(todo.blockers), "evicted": evicted}
            if not todo.evict:
                break
            left = deadline - time.monotonic()
            done = evict(
                session.api(),
                todo.evict,
                deadline_seconds=left,
                on_progress=note,
                halted=session.pause.halted,
            )
            evicted += done.evicted
            if not done.done and not session.pause.halted():
                waiting = "; ".join(f"{pod}: {reason}" for pod, reason in sorted(done.waiting.items()))
                message = f"{host} was not drained within {session.policy.drain_timeout} s: {waiting}"
                return {"failed": True, "msg": message, "evicted": evicted, "waiting": done.waiting}
        session.recorder.tell(EventKind.STATE, host, state=HostState.DRAINED, evicted=evicted)
        return {"changed": bool(evicted), "evicted": evicted}


def _look(session: Session) -> tuple[Snapshot | None, str]:
    """The cluster, or why the drain can't be judged by it now."""
    try:
        snapshot = look(session.files, session.api())
    except KubeError as error:
        return None, error.problem.line()
    reason = unread(snapshot)
    return (None, reason) if reason else (snapshot, "")
