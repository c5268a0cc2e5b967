# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run that goes on where another stopped has to know of it: how a host was before anything on it was changed."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal, looks
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import RunFiles
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session


def keep_earlier(session: Session, host: str, run: str) -> None:
    """Keep how ``host`` was before an earlier run of this controller changed it, if that run did not get it through.

    Nothing is kept when nothing of it is here. A run that failed on the host counts like one that died: that somebody
    has repaired it since is what the comparison has to show.

    Args:
        run: the one that had left its node cordoned.
    """
    folder = Path(session.folder).parent / run
    if looks.load(session.files, host, looks.EARLIER) is not None or not folder.is_dir():
        return
    try:
        known = fold(journal.read(folder)).hosts.get(host)
    except (journal.JournalError, ValueError):
        return
    # Its node has the run's mark: a host that is "planned" there was being cordoned when the run died.
    if known is None or known.state is HostState.DONE:
        return
    files = RunFiles(folder)
    for name in (looks.EARLIER, looks.BEFORE):  # the first of a chain of runs is the one that counts
        with contextlib.suppress(ValueError):  # the power failed while it was written
            if found := looks.load(files, host, name):
                looks.keep(session.files, host, looks.EARLIER, found, looks.cluster_file(files, host, name))
                return
