# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a run: its report from what it left in its folder, whoever writes it (the verdict, or the callback)."""

from __future__ import annotations

import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from ansible import release

from ansible_collections.friday.upgrade.plugins.plugin_utils.collection import version
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.outcome import advice
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rehearsal import advice as rehearsal_advice
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import Rehearsal
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import (
    BASELINE_FILE,
    BASELINE_VERDICT_FILE,
    HOSTS,
    PROBLEMS_FILE,
    REHEARSAL_FILE,
    VERDICT_FILE,
    Problems,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.notify import tell_verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import report
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ClusterSummary, ReportData, summarize


def report_data(session: Session, final: Verdict | None = None) -> ReportData:
    """Everything that is told about the run, as it stands in its folder. ``final`` is the last look at the cluster."""
    events = journal.read(session.folder)
    record, plan = fold(events), session.files.plan()
    seen = session.files.load(Observation, BASELINE_FILE)
    problems = session.files.load(Problems, PROBLEMS_FILE)
    known, rehearsal = host_verdicts(session), session.files.load(Rehearsal, REHEARSAL_FILE)
    return ReportData(
        record=record,
        plan=plan,
        policy=session.policy,
        events=tuple(events),
        verdicts=known,
        baseline=session.files.load(Verdict, BASELINE_VERDICT_FILE),
        cluster=summarize(seen.snapshot) if seen else ClusterSummary(),
        verdict=final,
        problems=problems.problems if problems else session.problems,
        rehearsal=rehearsal,
        advice=(
            *(rehearsal_advice(rehearsal) if rehearsal else ()),
            *advice(plan, record, known, session.policy.accept),
        ),
        check_layers={check.name: int(check.layer) for check in CHECKS},
        versions=_versions(),
        check=session.plan_only,
        utc_offset=time.localtime().tm_gmtoff,
        journal=str(Path(session.folder, journal.FILE_NAME)),
        journal_note=events.torn,
    )


def host_verdicts(session: Session) -> dict[str, Verdict]:
    """The last verdict on each host that was compared, by name in the inventory."""
    verdicts = {
        planned.host: session.files.load(Verdict, HOSTS, planned.host, VERDICT_FILE)
        for planned in session.files.plan().hosts()
    }
    return {host: verdict for host, verdict in verdicts.items() if verdict}


def _versions() -> dict[str, str]:
    return {
        "friday": version(),
        "ansible-core": release.__version__,
        "python": platform.python_version(),
        "kubernetes client": _version_of("kubernetes"),
    }


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def keep(session: Session, kind: EventKind, host: str = "", **data: Any) -> list[str]:
    """Journal an event; what keeps it from being kept is returned, and the end of the run goes on without it."""
    try:
        session.recorder.tell(kind, host, **data)
    except journal.JournalError as error:
        return [str(error)]
    return []


def end(session: Session, final: Verdict | None = None) -> tuple[ReportData, dict[str, str], list[str]]:
    """Write the reports of a run that has ended, whoever ends it.

    Returns what was reported, where the reports are, and what went wrong. Then comes :func:`tell`.
    """
    data = report_data(session, final)
    written, faults = write(session, data)
    return data, written, faults


def tell(session: Session, data: ReportData, written: dict[str, str]) -> list[str]:
    """Tell people of a run that has ended, whoever ends it; returns what went wrong."""
    return tell_verdict(session.channels(), data, written.get("report", ""))


def write(session: Session, data: ReportData) -> tuple[dict[str, str], list[str]]:
    """Write the reports: where the one for people is, or why there is none."""
    try:
        return {"report": str(report.write_reports(session.folder, data).html)}, []
    except OSError as error:
        return {}, [f"the report could not be written: {error.filename or session.folder}: {error.strerror}"]
