# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Close runs that never said that they ended: their controller was killed, or lost. Who holds the lock knows that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils import ending
from ansible_collections.friday.upgrade.plugins.plugin_utils.act import record as cluster_record
from ansible_collections.friday.upgrade.plugins.plugin_utils.kube import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.session import SESSION_FILE, Session, now
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.journal import FILE_NAME, JournalError

OUTCOME = "inconclusive"


def close_dead(session: Session) -> Iterator[str]:
    """Close every other run of this cluster that is still open: its record, and its journal and report if it ran here.

    Called with the lock held. Yields a line for each; what goes wrong is such a line too, and stops nothing.
    """
    try:
        records = cluster_record.read_stored(session.api(), session.namespace).records
    except KubeError as error:
        yield f"runs before this one could not be looked at: {error}"
        return
    for record in records:
        folder = Path(session.folder).parent / record.run
        here = (folder / FILE_NAME).exists() and (folder / SESSION_FILE).exists()
        if record.run == session.run or not record.started or (record.finished and not here):
            continue
        message = f"it ended without a word (killed, or lost); run {session.run} has closed it"
        try:
            if here and fold(journal.read(folder), RunRecord(record.run)).finished:
                continue
            if here:
                yield from _close_here(session, folder, message)
            else:
                _close_record(session, record, message)
                yield f"run {record.run} never said that it ended: closed"
        except (KubeError, JournalError, OSError, ValueError) as error:
            yield f"run {record.run} never said that it ended, and could not be closed: {error}"


def _close_here(session: Session, folder: Path, message: str) -> Iterator[str]:
    """A run of this controller: its journal has all that is known, and its report is made from that."""
    dead = from_data(Session, session.stored(folder))
    dead = replace(dead, cache={"api": session.api()})  # what else is kept there is of the run that lives
    dead.tell(EventKind.RUN_FINISHED, outcome=OUTCOME, message=message)
    cluster_record.write(session.api(), session.namespace, dead.record())  # all of it: the record may be behind
    written, unwritten = ending.write(dead, ending.report_data(dead))
    yield f"run {dead.run} never said that it ended: closed, {written.get('report') or unwritten[0]}"


def _close_record(session: Session, record: RunRecord, message: str) -> None:
    """A run of another controller: the record is all that is known here."""
    closed = replace(record, finished=now(), outcome=OUTCOME, message=message, seq=record.seq + 1)
    cluster_record.write(session.api(), session.namespace, closed, hosts=())
