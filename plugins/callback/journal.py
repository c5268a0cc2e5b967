# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Ansible knows and no task can: hosts that became unreachable, and runs that ended before their verdict."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import preload
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.play import callback
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import interrupts
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

DOCUMENTATION = r"""
name: journal
type: aggregate
short_description: Journal what no task can, and report on runs that ended early
version_added: 0.1.0
description:
  - Records unreachable hosts in the journal of the run.
  - Lets Ctrl-C (and SIGTERM) end the run after the running steps, with its report; a second one stops immediately.
  - Writes the report when a run has ended without its verdict, so that there is one in every case except a kill.
  - Loads the Kubernetes client where Ansible forks its workers, so that each task does not need to.
author: [Friday contributors]
requirements:
  - Listed in C(callbacks_enabled) of C(ansible.cfg), or in E(ANSIBLE_CALLBACKS_ENABLED). The guard refuses a run
    without it.
"""


GUARD = "friday.upgrade.guard"


class CallbackModule(CallbackBase):
    """Follows a run from its guard to its end. Never stops it: what goes wrong here is a warning."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "friday.upgrade.journal"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self.play: Any = None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Keep hold of the play: when a run has lost all of its hosts, no task is left that could read a variable."""
        self.play = play

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Let the guard know that somebody listens, before any worker is forked."""
        callback.listens()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Take up the session from the guard's result."""
        answer = _answer(result)
        # Not by the name that it registers: from core 2.21 on that is a dictionary.
        if str(_task(result).action) == GUARD and "session" in answer:
            self.session = from_data(Session, answer["session"]).notifying(self._told)
            preload()
            if not self.session.plan_only:  # that changes nothing: it may end anywhere
                interrupts.soften(self.session.folder)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note a host that did not answer, with the task that it was lost in."""
        if self.session:
            message = f"unreachable in task {_task(result).name!r}: {_answer(result).get('msg', '')}"
            self.session.recorder.tell(EventKind.NOTE, _host(result), message=message)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Report on a run that comes to its end without a verdict."""
        if self.session is None or self.session.recorder.record().finished:
            return
        # Only here: the report needs libraries that a process which merely lists tags has no use for.
        from ansible_collections.friday.upgrade.plugins.plugin_utils.run import finish

        self.session.recorder.tell(
            EventKind.RUN_FINISHED, outcome="inconclusive", message="the run ended before its verdict"
        )
        data, written, faults = finish.end(self.session)
        faults += finish.tell(self.session, data, written)
        where = f"See {written['report']}" if written else "There is no report"
        self._display.display("; ".join([f"Friday ended before its verdict. {where}", *faults]))

    def _told(self) -> Any:
        from ansible_collections.friday.upgrade.plugins.plugin_utils.play.channels import of_play

        return of_play(self.play)


def _answer(result: Any) -> dict[str, Any]:
    # Public since ansible-core 2.19; the underscore names go in 2.23.
    found = result.result if hasattr(result, "result") else result._result
    return dict(found)


def _task(result: Any) -> Any:
    return result.task if hasattr(result, "task") else result._task


def _host(result: Any) -> str:
    return str((result.host if hasattr(result, "host") else result._host).get_name())
