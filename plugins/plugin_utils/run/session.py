# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run, as each of its action plugins sees it: its identity, files, record and cluster, and whether it may go on.

The guard opens the session and passes it on as plain data (its registered result ``guard_run``); every later action, in
whatever forked worker it runs, takes it up from there. This is where the rooms are wired together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import SESSION_FILE, RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.notify import Channels, nobody
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Pause
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.recorder import Recorder

GUARD_RESULT = "guard_run"  # what roles/guard registers


@dataclass(frozen=True)
class Session:
    """The identity of a run, and the parts that act for it.

    Attributes:
        run: its id.
        folder: its folder on the controller.
        recorded: the lock is held and the record is in the cluster; false for plans and checks.
        keeper: process id of the companion that renews the lock.
        problems: what the guard found; the plan refuses with these and its own.
        tells_events: somebody is to be told of every event, and not of the verdict alone.
    """

    run: str
    folder: str
    policy: Policy
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    recorded: bool = False
    plan_only: bool = False
    keeper: int = 0
    holder: str = ""
    problems: tuple[Problem, ...] = ()
    tells_events: bool = False

    @classmethod
    def take_up(cls, task_vars: Mapping[str, Any]) -> Session:
        """The session that the guard of this run opened.

        Raises:
            LookupError: there is none: a role of Friday was run without its guard.
        """
        guard = task_vars["hostvars"]["localhost"].get(GUARD_RESULT)
        if not guard or "session" not in guard:
            raise LookupError("no run is open: Friday's roles must come after friday.upgrade.guard in the same run")
        return from_data(cls, guard["session"])

    @staticmethod
    def stored(folder: Path) -> Any:
        """The session that a run has left in its folder, as JSON values (see :meth:`data`)."""
        return json.loads((folder / SESSION_FILE).read_text(encoding="utf-8"))

    def data(self) -> dict[str, Any]:
        """The session as JSON values, for the guard's result."""
        data: dict[str, Any] = to_data(self)
        return data

    def keep(self) -> None:
        """Write the session itself, for a later run (see :meth:`stored`)."""
        self.files.write(self.data(), SESSION_FILE)

    def changed(self, **changes: Any) -> Session:
        """The session with changes; the connection that this process has made stays with it."""
        return replace(self, **changes).connected_as(self).notifying(self.channels)

    def connected_as(self, other: Session) -> Session:
        """This session, over the connection of another one to the same cluster."""
        if "_connection" in vars(other):
            vars(self)["_connection"] = vars(other)["_connection"]
        return self

    def notifying(self, channels: Channels) -> Session:
        """This session, which tells people there. Addresses are secrets, and are kept in no file and no result."""
        vars(self)["channels"] = nobody if self.plan_only else channels
        return self

    @cached_property
    def channels(self) -> Channels:
        """Where people are told, evaluated when it is called."""
        return nobody

    def api(self) -> Any:
        """The cluster's API, connected on first use in this process. Raises KubeError."""
        return self._connection

    @cached_property
    def _connection(self) -> Any:
        return connect(self.kubeconfig, self.context)

    @cached_property
    def files(self) -> RunFiles:
        """Its folder on the controller."""
        return RunFiles(Path(self.folder))

    @cached_property
    def recorder(self) -> Recorder:
        """Its journal, and what follows from that."""
        events = self.channels if self.tells_events else nobody
        return Recorder(self.run, self.files, self.recorded, self.namespace, self.api, self._refuse_step, events)

    @cached_property
    def pause(self) -> Pause:
        """Whether it may begin anything."""
        return Pause(self.files, self.recorded, self.policy.verify_timeout, self.recorder.note)

    def _refuse_step(self, step: str) -> None:
        self.pause.refuse_step(step)
