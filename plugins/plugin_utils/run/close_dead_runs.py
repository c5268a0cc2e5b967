# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Close runs that did not finish cleanly: their controller was killed, or lost. Who holds the lock knows that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.history import is_behind, knows_more
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, finish, journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import SESSION_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.journal import FILE_NAME, JournalError
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.notify import tell_verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData

OUTCOME = "inconclusive"


def close_dead(session: Session) -> Iterator[str]:
    """Close every other run of this cluster that is still open: its record, and its journal and report if it ran here.

    Called with the lock held. Yields a line for each; what goes wrong is such a line too, and stops nothing.
    """
    try:
        records = cluster_record.read_stored(session.api(), session.namespace).records
    except KubeError as error:
        yield f"earlier runs could not be read: {error}"
        return
    for record in records:
        if record.run == session.run or not record.started:
            continue
        try:
            yield from _close(session, record)
        except (KubeError, JournalError, OSError, ValueError) as error:
            yield f"run {record.run} did not finish cleanly, and could not be closed: {error}"


def _close(session: Session, record: RunRecord) -> Iterator[str]:
    """Bring the record of one run to its end, by the one of record and journal that knows more."""
    folder = Path(session.folder).parent / record.run
    here = (folder / FILE_NAME).exists() and (folder / SESSION_FILE).exists()
    message = f"it did not finish cleanly (killed, or lost); run {session.run} closed it"
    if here:
        try:
            known = fold(journal.read(folder), RunRecord(record.run))
            if known.finished:
                yield from _bring_up(session, record, known)
            else:
                yield from _close_here(session, folder, record, message)
            return
        except (JournalError, ValueError) as error:  # damaged: the record is all that is known
            if not record.finished:
                yield f"run {record.run} is closed without its journal in {folder}, which is damaged: {error}"
    if not record.finished:
        closed = _close_record(session, record, message)
        faults = tell_verdict(session.channels(), ReportData(closed), "")
        yield "; ".join([f"run {record.run} did not finish cleanly: closed", *faults])


def _bring_up(session: Session, record: RunRecord, known: RunRecord) -> Iterator[str]:
    """A run that came to its end here, which the API server did not hear of; somebody may have closed it since."""
    if is_behind(record, known):
        cluster_record.write(session.api(), session.namespace, known)
    elif not record.finished:  # it has states that the journal had no room for
        cluster_record.write(session.api(), session.namespace, _ended(record, known), hosts=())
    else:
        return
    yield f"run {record.run} ended with {known.outcome}: its record in the cluster was behind, and is updated"


def _close_here(session: Session, folder: Path, record: RunRecord, message: str) -> Iterator[str]:
    """A run of this controller that has not ended in its journal; its report is made from that.

    The record knows more where the disk was full, or the journal has lost its end: it is then left as it is.
    """
    dead = from_data(Session, session.stored(folder)).connected_as(session).notifying(session.channels)
    if knows_more(record, dead.recorder.record()) is record:
        ended = record if record.finished else _close_record(session, record, message)
        here = dead.changed(recorded=False)
        here.recorder.tell(
            EventKind.RUN_FINISHED, outcome=ended.outcome, message=ended.message, closed_by=ended.closed_by
        )
    else:
        dead.recorder.tell(EventKind.RUN_FINISHED, outcome=OUTCOME, message=message, closed_by=session.run)
        cluster_record.write(
            session.api(), session.namespace, dead.recorder.record()
        )  # all of it: the record may be behind
    data, written, faults = finish.end(dead)
    faults += finish.tell(dead, data, written)
    yield f"run {dead.run} did not finish cleanly: closed, {'; '.join([*written.values(), *faults])}"


def _close_record(session: Session, record: RunRecord, message: str) -> RunRecord:
    """A run of another controller: the record is all that is known here. Returns it as it is then."""
    end = RunRecord(record.run, finished=now(), outcome=OUTCOME, message=message, closed_by=session.run)
    closed = _ended(record, end)
    cluster_record.write(session.api(), session.namespace, closed, hosts=())
    return closed


def _ended(record: RunRecord, end: RunRecord) -> RunRecord:
    """The record once it has heard of its run's end: as if the event had come next."""
    data = {"outcome": end.outcome, "message": end.message, "closed_by": end.closed_by}
    return fold([Event(record.seq + 1, end.finished, record.run, EventKind.RUN_FINISHED, data=data)], record)
