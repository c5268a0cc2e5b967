# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be shown, worked out once for all formats: report.html, report.md, report.json, console and chat.

Nothing is decided here: outcome, cause, plan and states come from the data; this puts them into rows.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Problem,
    Severity,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import PackageChange
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    GroupVerdict,
    Newest,
    ProgramResult,
    ProgramVerdict,
    Word,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, HostRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import REBOOT, UPGRADE, HostState, in_hand
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import clean, one_line, plural

# A host's way: planned -> ... -> done; its text says in which state it was left.
STATE_TEXT: dict[HostState, str] = {
    HostState.PLANNED: "not touched",
    HostState.CORDONED: "cordoned, not changed",
    HostState.DRAINED: "cordoned and drained, not changed",
    HostState.UPGRADED: "cordoned, upgraded, not rebooted",
    HostState.REBOOTED: "cordoned, rebooted, not verified",
    HostState.VERIFIED: "cordoned, verified, not soaked",
    HostState.SOAKED: "cordoned, verified and soaked",
    HostState.DONE: "done",
    HostState.HELD: "held: nothing changed, not cordoned by this run",
    HostState.FAILED: "failed, still cordoned",
}
# A controller that was killed in one of these steps has left more behind than the state says.
BEGUN_TEXT = {
    UPGRADE: "cordoned, upgrade begun, not known to have finished",
    REBOOT: "cordoned, upgraded, reboot begun",
}


class Kind(str, enum.Enum):
    """What a run came to, as the headline shows it. The outcome, told apart further where a person would."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOTHING = "nothing-to-do"
    REFUSED = "refused"  # stopped by problems before anything was touched
    PLAN = "plan"  # a plan was all that was wanted
    UNFINISHED = "unfinished"  # the run goes on, or its controller died

    @property
    def word(self) -> str:
        """The headline's first word."""
        return _KIND_WORDS[self]


_KIND_WORDS = {
    Kind.PASS: "Passed",
    Kind.FAIL: "Failed",
    Kind.INCONCLUSIVE: "Inconclusive",
    Kind.NOTHING: "Nothing to do",
    Kind.REFUSED: "Not started",
    Kind.PLAN: "Plan",
    Kind.UNFINISHED: "Unfinished",
}


class Status(str, enum.Enum):
    """What is known of a layer.

    ``accepted``: it would have failed, or not been known, and the operator has accepted that.
    ``not reached``: it has checks, none of them ran, and a layer below it failed. ``not checked``: nothing looks at it.
    """

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    NOT_REACHED = "not reached"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Rung:
    """One layer of the ladder: its worst findings first, and the checks that ran there."""

    layer: Layer
    status: Status
    cause: Finding | None
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Focus:
    """What a report is about when not all went well: the first host that stopped, or the cluster (``host`` empty)."""

    host: str
    step: str
    message: str
    verdict: Verdict | None
    planned: PlannedHost | None


@dataclass(frozen=True)
class Segment:
    """A step on a host's timeline; times in seconds since the epoch. ``failed``: the step in which the host stopped."""

    step: str
    start: float
    end: float
    failed: bool = False


@dataclass(frozen=True)
class HostRow:
    """A host with its plan, its state and its timeline."""

    planned: PlannedHost
    record: HostRecord
    segments: tuple[Segment, ...]
    verdict: Verdict | None

    @property
    def state_text(self) -> str:
        """In which state the host is, for a person."""
        return state_text(self.record)

    @property
    def seconds(self) -> float:
        """From its first step to the end of its last one."""
        return self.segments[-1].end - self.segments[0].start if self.segments else 0.0

    @property
    def kernel_now(self) -> str:
        """The kernel that was last seen running on it."""
        return self.record.kernel or self.planned.kernel


@dataclass(frozen=True)
class WaveRow:
    """A wave with its hosts; ``status`` is done, stopped, running or not started."""

    wave: Wave
    status: str
    hosts: tuple[HostRow, ...]


@dataclass(frozen=True)
class PackageRow:
    """A package's change, and the hosts on which it was made (or would be)."""

    change: PackageChange
    hosts: tuple[str, ...]


def kind(data: ReportData) -> Kind:
    """What the run came to."""
    record = data.record
    touched = record.wave > 0 or any(host.state is not HostState.PLANNED for host in record.hosts.values())
    if data.problems and not touched:
        return Kind.REFUSED
    if not record.outcome:
        return Kind.UNFINISHED
    if data.check and record.outcome == Kind.PASS.value:
        return Kind.PLAN
    try:
        return Kind(record.outcome)
    except ValueError:  # written by a newer Friday: nothing that we don't know is a pass
        return Kind.INCONCLUSIVE


def sentence(data: ReportData) -> str:
    """The outcome in one sentence: the one that was recorded, or else one made from the figures."""
    if data.record.message:
        return one_line(data.record.message)
    total, done = len(data.record.hosts), sum(h.state is HostState.DONE for h in data.record.hosts.values())
    what, about = kind(data), focus(data)
    if what is Kind.REFUSED:
        return f"{plural(len(data.problems), 'problem')} to solve first. Nothing was touched."
    if what is Kind.PASS:
        return f"All {plural(total, 'host')} upgraded, and every layer is as it was before."
    if what is Kind.NOTHING:
        return "Every host is up to date."
    if what is Kind.PLAN and data.plan:
        return (
            f"{plural(len(data.plan.hosts()), 'host')} in {plural(len(data.plan.waves), 'wave')}. Nothing was changed."
        )
    if what is Kind.UNFINISHED:
        return f"{done} of {plural(total, 'host')} done when this was written."
    where = f" on {about.host}" if about and about.host else ""
    why = f": {one_line(about.message)}" if about and about.message else "."
    return f"Stopped{where}{why}"


def focus(data: ReportData) -> Focus | None:
    """The first host that failed or was held; else the last look or the baseline if no pass; else None."""
    for event in data.events:
        if event.kind is EventKind.FAILURE and event.host:
            return _focus_on_host(data, event.host, str(event.data.get("step", "")), str(event.data.get("message", "")))
    stopped = [(h.since, name, h) for name, h in data.record.hosts.items() if h.state.stopped]
    if stopped:
        _, name, record = min(stopped, key=lambda item: item[:2])
        return _focus_on_host(data, name, record.step, record.message)
    for step, verdict in (("last look", data.verdict), ("baseline", data.baseline)):
        if verdict and verdict.outcome is not Outcome.PASS:
            return Focus("", step, verdict.cause.message if verdict.cause else "", verdict, None)
    return None


def _focus_on_host(data: ReportData, host: str, step: str, message: str) -> Focus:
    planned = next((p for p in data.plan.hosts() if p.host == host), None) if data.plan else None
    verdict = data.verdicts.get(host)
    if verdict and verdict.outcome is Outcome.PASS:  # verified well, and stopped by something else later
        verdict = None
    return Focus(host, step, message, verdict, planned)


def shown_verdict(data: ReportData) -> Verdict | None:
    """The verdict whose ladder is shown: the one in focus; of a run without fault the final one, or the baseline."""
    about = focus(data)
    return about.verdict if about else data.verdict or data.baseline


def ladder(verdict: Verdict, check_layers: Mapping[str, int]) -> tuple[Rung, ...]:
    """One rung for each layer, from the host up, with what is known of it."""
    findings = ([verdict.cause] if verdict.cause else []) + list(verdict.consequences)
    deepest = min((f.layer for f in findings if f.severity is Severity.FAIL), default=None)
    rungs = []
    for layer in Layer:
        here = tuple(sorted((f for f in findings if f.layer is layer), key=lambda f: f.severity is not Severity.FAIL))
        checks = tuple(name for name in verdict.checks if check_layers.get(name) == layer)
        notes = tuple(f for f in verdict.notes if f.layer is layer)
        cause = verdict.cause if verdict.cause and verdict.cause.layer is layer else None
        reachable = layer not in check_layers.values() or deepest is None or layer <= deepest
        status = _status(here, bool(checks or notes), reachable)
        if status is Status.PASS and any(note.accepted for note in notes):
            status = Status.ACCEPTED
        rungs.append(Rung(layer, status, cause, tuple(f for f in here if f is not cause), notes, checks))
    return tuple(rungs)


def _status(findings: Sequence[Finding], checked: bool, reachable: bool) -> Status:
    if any(f.severity is Severity.FAIL for f in findings):
        return Status.FAIL
    if findings:
        return Status.UNKNOWN
    if checked:
        return Status.PASS
    return Status.NOT_CHECKED if reachable else Status.NOT_REACHED


def accepted(data: ReportData) -> tuple[str, ...]:
    """What was found and did not stop the run, since ``friday_accept`` names its check; each once, with its host."""
    verdicts = [("", data.baseline), *data.verdicts.items(), ("", data.verdict)]
    lines = [
        f"{finding.check}{f' on {host}' if host else ''}: {one_line(finding.message)}"
        for host, verdict in verdicts
        if verdict
        for finding in verdict.notes
        if finding.accepted
    ]
    return tuple(dict.fromkeys(lines))


def waves(data: ReportData) -> tuple[WaveRow, ...]:
    """Every wave of the plan with the state of its hosts."""
    if data.plan is None:
        return ()
    by_host = _segments(data.events, run_end(data))
    return tuple(_wave_row(wave, data, by_host) for wave in data.plan.waves)


def _wave_row(wave: Wave, data: ReportData, by_host: Mapping[str, tuple[Segment, ...]]) -> WaveRow:
    untouched = HostRecord(HostState.PLANNED, 0.0)
    rows = tuple(
        HostRow(p, data.record.hosts.get(p.host, untouched), by_host.get(p.host, ()), data.verdicts.get(p.host))
        for p in wave.hosts
    )
    states = {row.record.state for row in rows}
    if states <= {HostState.DONE}:
        status = "done"
    elif any(state.stopped for state in states):
        status = "stopped"
    elif states <= {HostState.PLANNED} and not any(row.segments for row in rows):
        status = "not started"
    else:
        status = "interrupted" if data.record.outcome else "running"
    return WaveRow(wave, status, rows)


def run_end(data: ReportData) -> float:
    """When the run ended, or when the last was heard of it."""
    return data.record.finished or (data.events[-1].time if data.events else data.record.started)


def _segments(events: Iterable[Event], until: float) -> dict[str, tuple[Segment, ...]]:
    """Timelines: a step lasts until the next thing that is told about the host."""
    closed: dict[str, list[Segment]] = {}
    running: dict[str, tuple[str, float]] = {}
    for event in events:
        if not event.host or event.kind not in (EventKind.STEP, EventKind.STATE, EventKind.FAILURE):
            continue
        if event.host in running:
            step, start = running.pop(event.host)
            closed.setdefault(event.host, []).append(Segment(step, start, event.time, event.kind is EventKind.FAILURE))
        if event.kind is EventKind.STEP:
            running[event.host] = (one_line(event.data.get("step", "")), event.time)
    for host, (step, start) in running.items():
        closed.setdefault(host, []).append(Segment(step, start, max(start, until)))
    return {host: tuple(_merge(segments)) for host, segments in closed.items()}


def _merge(segments: Iterable[Segment]) -> list[Segment]:
    """Rounds of the same step (verify, soak) that follow each other are one stretch."""
    merged: list[Segment] = []
    for segment in segments:
        last = merged[-1] if merged else None
        if last and last.step == segment.step and not last.failed and segment.start - last.end < 1:
            merged[-1] = replace(last, end=segment.end, failed=segment.failed)
        else:
            merged.append(segment)
    return merged


def packages(data: ReportData) -> tuple[PackageRow, ...]:
    """Packages that changed, with their hosts, by name. Before anything ran (a plan): those that would change."""
    if data.plan is None:
        return ()
    planned_only = kind(data) is Kind.PLAN
    upgraded = {host for host, record in data.record.hosts.items() if _packages_in_place(record.state)}
    upgraded |= {e.host for e in data.events if e.kind is EventKind.STATE and e.data.get("state") == HostState.UPGRADED}
    hosts: dict[PackageChange, list[str]] = {}
    for planned in data.plan.hosts():
        if planned_only or planned.host in upgraded:
            for change in planned.packages:
                hosts.setdefault(change, []).append(planned.host)
    rows = [PackageRow(change, tuple(names)) for change, names in hosts.items()]
    return tuple(sorted(rows, key=lambda row: (row.change.name, row.change.installed, row.change.candidate)))


def state_text(known: HostRecord) -> str:
    """In which state a host is, for a person: the step that was begun counts, not only the state that was reached."""
    step = in_hand(known.state, known.step)
    return BEGUN_TEXT[step] if step and step.changes_host else STATE_TEXT[known.state]


def _packages_in_place(state: HostState) -> bool:
    return state.touched and not state.stopped


def states(data: ReportData) -> tuple[tuple[HostState, str, tuple[str, ...]], ...]:
    """Hosts by state, with its text: what stopped first, then what is under way, done, and not touched."""
    begun = tuple(state for state in HostState if state is not HostState.PLANNED and not state.stopped)
    order = (HostState.FAILED, HostState.HELD, *begun, HostState.PLANNED)
    groups: dict[tuple[HostState, str], list[str]] = defaultdict(list)
    for name, known in data.record.hosts.items():
        groups[known.state, state_text(known)].append(name)
    by_state = sorted(groups.items(), key=lambda group: order.index(group[0][0]))
    return tuple((state, text, tuple(names)) for (state, text), names in by_state)


def kernels(plan: Plan | None) -> tuple[tuple[str, str, int], ...]:
    """(kernel, target kernel, how many hosts), the most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    for host in plan.hosts() if plan else ():
        counts[host.kernel, host.target_kernel] = counts.get((host.kernel, host.target_kernel), 0) + 1
    return tuple((old, new, n) for (old, new), n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def newest(found: Newest) -> str:
    """What came of the question for the newest kernel that passes."""
    tried = f"{plural(found.tried, 'kernel')} tried"
    return f"newest that passes: {one_line(found.release)} ({tried})" if found.release else f"none passes ({tried})"


def programs(group: GroupVerdict) -> tuple[tuple[str, tuple[tuple[str, ...], ...], bool], ...]:
    """The tables of a rehearsal's group: title, rows, whether to show it at once."""
    live = [each for each in group.programs if each.live]
    bad = program_rows([each for each in live if each.word is not Word.PASS])
    good = program_rows([each for each in live if each.word is Word.PASS])
    others = program_rows([each for each in group.programs if not each.live])
    return (
        ("Live programs to check", bad, True),
        ("Live programs that load as before", good, False),
        ("Programs that are not live (they do not count)", others, False),
    )


def program_rows(verdicts: Iterable[ProgramVerdict]) -> tuple[tuple[str, ...], ...]:
    """A row for each program; one that is in several objects, with the same result, has one row."""
    return tuple(dict.fromkeys(map(program_row, verdicts)))


def program_row(verdict: ProgramVerdict) -> tuple[str, ...]:
    """A program of a rehearsal: name, verdict, what it took on either kernel, why."""
    return (
        one_line(verdict.program),
        verdict.word.value,
        _taken(verdict.running),
        _taken(verdict.candidate),
        one_line(verdict.message.removeprefix(f"{verdict.program}: ")),
    )


def _taken(result: ProgramResult | None) -> str:
    if result is None:
        return "not tried"
    if not result.loaded:
        return result.outcome
    insns = result.stats.get("insns")
    return "loaded" if insns is None else f"{insns:,} insns"


def problem_rows(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems with harmless text, in the order in which they were found."""
    return tuple(Problem(one_line(p.subject), clean(p.message), clean(p.fix)) for p in problems)


def describe_event(event: Event) -> str:
    """An event in words, without its time and its host."""
    return one_line(_DESCRIBE[event.kind](event.run, event.data))


def _describe_failure(data: Mapping[str, object]) -> str:
    word = str(data.get("state", "failed")).upper()
    return f"{word} at {data.get('step') or 'an unknown step'}: {data.get('message', '')}"


def _describe_plan(data: Mapping[str, object]) -> str:
    hosts, waves_ = data.get("hosts"), data.get("waves")
    count = len(hosts) if isinstance(hosts, (list, tuple)) else 0
    number = len(waves_) if isinstance(waves_, (list, tuple)) else waves_
    waves = f" in {plural(number, 'wave')}" if isinstance(number, int) else ""
    return f"plan {str(data.get('plan_digest', ''))[:12]}: {plural(count, 'host')}{waves}"


def _describe_break(data: Mapping[str, object]) -> str:
    if not data.get("reason"):
        return "the lock was not broken after all"
    return f"the lock was broken by {data.get('by', '?')}: {data['reason']}"


def _describe_end(data: Mapping[str, object]) -> str:
    outcome = str(data.get("outcome", "")).upper()
    return f"{outcome}: {data['message']}" if data.get("message") else outcome


def _describe_state(data: Mapping[str, object]) -> str:
    news = data.get("state") == HostState.REBOOTED.value and data.get("kernel")
    kernel = f", kernel {data['kernel']}" if news else ""
    message = f": {data['message']}" if data.get("message") else ""
    return f"is {data.get('state', '')}{kernel}{message}"


_DESCRIBE: dict[EventKind, Callable[[str, Mapping[str, object]], str]] = {
    EventKind.RUN_STARTED: lambda run, data: f"run {run} started by {data.get('holder') or 'unknown'}",
    EventKind.RUN_PLANNED: lambda run, data: _describe_plan(data),
    EventKind.WAVE_STARTED: lambda run, data: f"wave {data.get('wave')} starts",
    EventKind.STEP: lambda run, data: str(data.get("step", "")),
    EventKind.STATE: lambda run, data: _describe_state(data),
    EventKind.FAILURE: lambda run, data: _describe_failure(data),
    EventKind.STOP: lambda run, data: f"STOP, later waves do not start: {data.get('reason', '')}",
    EventKind.LOCK_BROKEN: lambda run, data: _describe_break(data),
    EventKind.NOTE: lambda run, data: str(data.get("message", "")),
    EventKind.RUN_FINISHED: lambda run, data: _describe_end(data),
}
