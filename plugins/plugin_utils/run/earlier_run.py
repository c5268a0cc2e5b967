# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run that goes on where another stopped has to know of it: how a host was before anything on it was changed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import BEFORE_FILE, EARLIER_FILE, HOSTS
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


def earlier_baseline(session: Session, host: str) -> Observation | None:
    """How ``host`` was before an earlier run of this controller changed it, if that run did not get it through.

    None when there is no such run, or nothing of it here. A run that failed on the host counts like one that died: that
    somebody has repaired it since is what the comparison has to show.
    """
    run = session.files.left_by(host)
    folder = Path(session.folder).parent / run if run else None
    if folder is None or not folder.is_dir():
        return None
    try:
        known = fold(journal.read(folder)).hosts.get(host)
    except (journal.JournalError, ValueError):
        return None
    # Its node has the run's mark: a host that is "planned" there was being cordoned when the run died.
    if known is None or known.state is HostState.DONE:
        return None
    for name in (EARLIER_FILE, BEFORE_FILE):  # the first of a chain of runs is the one that counts
        path = folder / HOSTS / host / name
        if path.exists():
            with contextlib.suppress(ValueError):  # the power failed while it was written
                return from_data(Observation, json.loads(path.read_text()))
    return None
