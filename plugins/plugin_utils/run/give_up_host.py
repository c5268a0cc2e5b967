# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leave a host that did not get through: what was not changed is given back, and what came of that is recorded."""

from __future__ import annotations

import time

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import cordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.give_up import after_failure
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import BEFORE, UNCORDON, HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.journal import JournalError
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Halted
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

_ATTEMPTS, _PAUSE = 3, 5.0


def give_up(session: Session, host: str, known: HostRecord) -> tuple[HostState, str]:
    """Undo this run's own cordon of ``host`` if nothing on it was changed.

    Returns:
        The state to record, and a remark to put behind the reason (empty when there is nothing to add). A host that
        could or may not be uncordoned has failed: the next run takes it up again by its mark.
    """
    state = after_failure(known, bool(known.resumes))
    if state is not HostState.HELD:
        return state, ""
    if known.state is HostState.PLANNED and known.step in ("", BEFORE.name):
        return state, ""  # nor was it cordoned
    try:
        session.recorder.step(host, UNCORDON)
    except (Halted, JournalError) as error:  # without the lock, the node may be another run's by now
        return HostState.FAILED, f"; nothing on it was changed, and it is left cordoned: {error}"
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            done = cordon.uncordon(session.api(), session.files.planned(host).node, session.run)
        except KubeError as error:
            reason = error.problem.line()
            if attempt < _ATTEMPTS:
                time.sleep(_PAUSE)
        else:
            return state, f"; {done.message}" if done.foreign else ""
    return HostState.FAILED, f"; nothing on it was changed, but it could not be uncordoned: {reason}"
