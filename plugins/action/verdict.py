# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""End a run: see the documentation of the module friday.upgrade.verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import final
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.give_up import lost_hosts
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.outcome import NOTHING_TO_DO, PASS, outcome
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import finish, wait_until_settled
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import (
    HOSTS,
    LAST_VERDICT_FILE,
    PROBLEMS_FILE,
    Problems,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.give_up_host import give_up
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console

_GOOD = (PASS, NOTHING_TO_DO)


class ActionModule(FridayAction):
    """Compare the cluster with the baseline, write the reports, post the message, release the lock."""

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Fail unless every planned host is done, or nothing was to be done."""
        session = self.session(task_vars)
        notes = self._account_for_lost_hosts(session)
        last = self._final_look(session)
        problems = session.files.load(Problems, PROBLEMS_FILE) or Problems(session.problems)
        verdicts = finish.host_verdicts(session)
        ended, message = outcome(
            session.files.plan(), session.recorder.record(), problems.problems, last, session.plan_only, verdicts
        )
        notes += finish.keep(session, EventKind.RUN_FINISHED, outcome=ended, message=message)
        data, written, faults = finish.end(session, last)
        notes += faults + self._release(session)  # a chat that hangs does not keep the lock
        notes += finish.tell(session, data, written)
        block = console.verdict_block(data, {**written, "journal": data.journal})
        self.show([block, *notes])
        return {
            "changed": False,
            # A good end that could not be kept is none that anybody can rely on.
            "failed": ended not in _GOOD or not written,
            "outcome": ended,
            "msg": "; ".join([message, *([] if written else faults[:1])]),
            "report": written.get("report", ""),
            "hosts": {host: to_data(state.state) for host, state in data.record.hosts.items()},
        }

    def _account_for_lost_hosts(self, session: Session) -> list[str]:
        """A host that became unreachable has skipped its rescue: its state is recorded here."""
        notes = []
        for host, known in lost_hosts(session.recorder.record()).items():
            state, remark = give_up(session, host, known)
            message = f"was lost (unreachable) in step {known.step or 'start'}{remark}"
            notes += finish.keep(session, EventKind.FAILURE, host, state=state, step=known.step, message=message)
        return notes

    def _final_look(self, session: Session) -> Verdict | None:
        """The verdict on the whole, after a run that did something; patient when all its hosts are done."""
        record = session.recorder.record()
        if not any(host.state is not HostState.PLANNED for host in record.hosts.values()):
            return None
        done = final.wanted(record)
        try:
            health = wait_until_settled.settled(session, session.policy.verify_timeout if done else 0)[1]
        except KubeError as error:
            return final.unread(error.problem.line())
        looks = {host: session.files.load(Verdict, HOSTS, host, LAST_VERDICT_FILE) for host in record.hosts}
        return final.final(health, looks if done else {})

    def _release(self, session: Session) -> list[str]:
        """Give the lock back; what goes wrong with it is told, and the lock expires by itself."""
        if not session.recorded:
            return []
        problem = keeper.stop(Path(session.folder), session.keeper)
        return [f"the lock was not released ({problem}); it expires by itself"] if problem else []
