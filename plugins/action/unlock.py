# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Break the lock: see the documentation of the module friday.upgrade.unlock."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.lock import life, refusals
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.play import declared
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.standing import still_alive, unlock_text


class ActionModule(FridayAction):
    """Take the lock away from the run that is named, for a reason that is recorded first."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "kubeconfig": {"type": "str", "default": ""},
        "context": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": "friday"},
        "state_dir": {"type": "str", "default": ""},
        "run": {"type": "str", "default": ""},
        "reason": {"type": "str", "default": ""},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return whose the lock was; fail with all that is wrong at once, and nothing changed."""
        namespace, run, reason = arguments["namespace"], arguments["run"], " ".join(arguments["reason"].split())
        api = connect(arguments["kubeconfig"], arguments["context"])
        held, moment = lease.current(api, namespace), now()
        lock = held.lock() if held else None
        problems = (*declared.unknown(task_vars), *refusals(run, reason, lock))
        if lock is None or problems:
            self.show([console.problems_list(problems)])
            return {"failed": True, "changed": False, "msg": "; ".join(problem.line() for problem in problems)}
        told = life(lock, moment)
        warning = still_alive(lock, told, moment)
        if warning:
            Display().warning(warning)
        if not self._task.check_mode:
            self._break(api, arguments, run, reason)
        self.show([unlock_text(lock, moment, reason, done=not self._task.check_mode)])
        return {"changed": True, "lock": to_data(lock), "life": told.value, "alive": bool(warning)}

    def _break(self, api: Api, arguments: dict[str, Any], run: str, reason: str) -> None:
        """Record it, then do it. When it could not be done after all, that is recorded too."""
        namespace, data = (
            arguments["namespace"],
            {"by": f"{getpass.getuser()}@{socket.gethostname()}", "reason": reason},
        )
        event = Event(1, now(), run, EventKind.LOCK_BROKEN, data=data)
        cluster_record.write_unlocked(api, namespace, run, fold([event], RunRecord(run)).unlocked)
        self._journal(arguments["state_dir"], run, data)
        try:
            lease.break_lease(api, namespace, run)
        except KubeError:
            self._journal(arguments["state_dir"], run, {**data, "reason": ""})
            cluster_record.write_unlocked(api, namespace, run, "")
            raise

    def _journal(self, state_dir: str, run: str, data: dict[str, Any]) -> None:
        """Where this controller has the run's journal. A full disk, say, is no reason to keep a dead run's lock."""
        folder = journal.folder_of(journal.state_folder(state_dir), run)
        if folder is None:
            return
        try:
            journal.Journal(folder).append(run, EventKind.LOCK_BROKEN, data=data)
        except journal.JournalError as error:
            Display().warning(f"it is recorded in the cluster, but not in the journal here: {error}")
