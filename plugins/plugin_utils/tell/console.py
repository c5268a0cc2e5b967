# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain text for terminals, AWX and log files: a line for each event, tables, and the verdict.

No colours and no cursor movements, so that a log is what the terminal showed. Nothing is wider than ``width``
characters (120 unless told). Tables and the verdict wrap and lose nothing but what they say where to find; an event's
line is cut, and says which line of the journal has the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Problem, Severity, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import Rehearsal, Word
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import view
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import (
    clean,
    clock,
    duration,
    estimate,
    headed,
    one_line,
    plural,
    shorten,
    wrap,
)

WIDTH = 120
AWX_EVENT_BYTES = 1024  # AWX shows this much of one event's text
_EVIDENCE_LINES = 12
_GAP = "  "
_TAIL = 32  # "  1h04m elapsed, ~1h40m left", and some
_REASON = 16  # characters that the last column of a table keeps before the others give way


@dataclass(frozen=True)
class Progress:
    """How far a run is; the fold of its events so far. Times in seconds since the epoch, 0 for "not yet"."""

    started: float = 0.0
    wave: int = 0
    wave_started: float = 0.0
    ended: bool = False  # finished or stopped: nothing is left to estimate

    def after(self, event: Event) -> Progress:
        """The progress once ``event`` has happened."""
        if event.kind is EventKind.RUN_STARTED:
            return replace(self, started=event.time)
        if event.kind is EventKind.WAVE_STARTED:
            return replace(self, wave=int(event.data.get("wave", 0)), wave_started=event.time)
        if event.kind in (EventKind.STOP, EventKind.RUN_FINISHED):
            return replace(self, ended=True)
        return self


class Outline:
    """What the lines of all events need of a plan, worked out once: going through 5,000 hosts for each is slow."""

    def __init__(self, plan: Plan) -> None:
        count = len(plan.waves)
        self.waves = {wave.number: f"wave {wave.number}/{count} {one_line(wave.name)}" for wave in plan.waves}
        self.hosts = {wave.number: tuple(one_line(host.host) for host in wave.hosts) for wave in plan.waves}
        self.wave_of = {host.host: wave.number for wave in plan.waves for host in wave.hosts}
        self.wave_width = max(map(len, self.waves.values()), default=0)
        self.host_width = min(30, max((len(host) for hosts in self.hosts.values() for host in hosts), default=0))
        # Hosts of a wave are worked on together, so a wave takes as long as its slowest host; what the plan's estimate
        # holds beyond that (soaks) is spread over the waves evenly.
        work = {wave.number: max((host.seconds for host in wave.hosts), default=0) for wave in plan.waves}
        soak = max(0.0, plan.seconds - sum(work.values())) / max(1, count)
        self.seconds = {number: seconds + soak for number, seconds in work.items()}


def remaining(outline: Outline, progress: Progress, now: float) -> float:
    """Seconds that the rest of the plan is estimated to take at ``now``; never negative."""
    later = sum(seconds for number, seconds in outline.seconds.items() if number > progress.wave)
    if progress.wave not in outline.seconds:
        return later
    return later + max(0.0, outline.seconds[progress.wave] - (now - progress.wave_started))


def event_line(
    event: Event,
    plan: Plan | Outline | None = None,
    progress: Progress | None = None,
    zone: tzinfo | None = None,
    width: int = WIDTH,
) -> str:
    """One event in one line: ``16:42:10  wave 2/4 zone-b  node5  reboot      3m12s elapsed, ~2m left``.

    Args:
        plan: for the wave's name and the estimate; without one they are left out. Who shows many events gives the
            plan's :class:`Outline`.
        progress: the run so far (:meth:`Progress.after` of all events); for the elapsed time and the estimate.
        zone: time zone of the time of day; None is the machine's own.
        width: characters; what is told gives way to the elapsed time, down to 20 of them.
    """
    outline = Outline(plan) if isinstance(plan, Plan) else plan
    head = _GAP.join([clock(event.time, zone), *_where(event, outline, progress)]) + _GAP
    what = view.describe_event(event)
    if event.kind is EventKind.WAVE_STARTED and outline:
        what = "starts: " + ", ".join(outline.hosts.get(int(event.data.get("wave", 0)), ()))
    tail = _tail(event, outline, progress)
    room = width - len(head) - (len(_GAP) + len(tail) if tail else 0)
    left = (head + shorten(what, max(20, room), f"journal line {event.seq}")).rstrip()
    if not tail or len(left) + len(_GAP) + len(tail) > width:
        return left
    return f"{left:<{width - _TAIL}}{_GAP}{tail}"


def _where(event: Event, outline: Outline | None, progress: Progress | None) -> list[str]:
    """The columns for wave and host, padded so that they stand under each other all through the run."""
    host = one_line(event.host)
    if outline is None:
        return [host] if host else []
    number = progress.wave if progress else 0
    if event.kind is EventKind.WAVE_STARTED:
        number = int(event.data.get("wave", 0))
    number = outline.wave_of.get(event.host, number)
    columns = [outline.waves.get(number, "").ljust(outline.wave_width)]
    return [*columns, host.ljust(outline.host_width)] if host else columns


def _tail(event: Event, outline: Outline | None, progress: Progress | None) -> str:
    if progress is None or not progress.started or event.kind is EventKind.NOTE:
        return ""
    elapsed = f"{duration(event.time - progress.started)} elapsed"
    left = remaining(outline, progress, event.time) if outline and not progress.ended else 0.0
    return f"{elapsed}, {estimate(left)} left" if left > 0 else elapsed


def plan_table(plan: Plan, width: int = WIDTH, rest: str = "plan.json") -> str:
    """The plan as a table, a line or more for each host, with what would block it and who is left out.

    ``rest`` names the file that lists packages and evictions one by one; here they are counted.
    """
    hosts = plan.hosts()
    title = f"Plan {plan.digest[:12]}: ".replace("Plan :", "Plan:") + (
        f"{plural(len(hosts), 'host')} in {plural(len(plan.waves), 'wave')}, {estimate(plan.seconds)}"
        if hosts
        else "nothing to do"
    )
    lines = [title]
    if hosts:
        rows = [_plan_row(wave, host, first=not i) for wave in plan.waves for i, host in enumerate(wave.hosts)]
        header = ("wave", "host", "zone", "kernel → target", "packages", "evictions", "time", "reason")
        lines += ["", *table(header, rows, width)]
        lines += [
            "",
            *(line for wave in plan.waves for line in wrap(f"wave {wave.number}: {one_line(wave.reason)}", width)),
        ]
        blocked = [f"{host.host}: {blocker}" for host in hosts for blocker in host.blockers]
        if blocked:
            lines += ["", "Would block a drain today:", *_items(blocked, width)]
        lines += _told("Removed, downgraded, or what a node lives by:", _vital(hosts), width)
        lines += _told("Kept back although there is a newer version:", _by_host((h.kept_back, h) for h in hosts), width)
        lines += _told(
            "Down while the host is away (friday_accept_outage):", _by_host((h.outage, h) for h in hosts), width
        )
        lines += _told("Worth knowing:", _by_host((h.notes, h) for h in hosts), width)
        lines += ["", f"Every package and eviction by name: {rest}"]
    if plan.skipped:
        lines += ["", "Skipped:", *_items([f"{host.host}: {host.reason}" for host in plan.skipped], width)]
    return "\n".join(lines)


def _vital(hosts: Sequence[PlannedHost]) -> list[str]:
    """Removals, downgrades, and what a node lives by, with old and new version: what is told by name."""

    def named(host: PlannedHost) -> list[str]:
        found = []
        for change in host.packages:
            words = [change.role] if change.role else []
            words += ["downgrade"] if change.downgrade else []
            if words or not change.candidate:
                found.append(change.line() + (f" ({', '.join(words)})" if words else ""))
        return found

    return _by_host((named(host), host) for host in hosts)


def _by_host(texts: Iterable[tuple[Sequence[str], PlannedHost]]) -> list[str]:
    """Each text once, with the hosts that it is about."""
    found: dict[str, list[str]] = {}
    for mine, host in texts:
        for text in mine:
            found.setdefault(one_line(text), []).append(one_line(host.host))
    return [f"{text}: {', '.join(names)}" for text, names in sorted(found.items())]


def _told(title: str, items: Sequence[str], width: int) -> list[str]:
    return ["", title, *_items(items, width)] if items else []


def acceptance(accept: Sequence[str], verdict: Verdict | None, width: int = WIDTH) -> list[str]:
    """What ``friday_accept`` switches off, and what the checks found all the same; no block when it names none."""
    if not accept:
        return []
    found = [f"{f.check}: {f.message}" for f in (verdict.notes if verdict else ()) if f.accepted]
    title = f"Accepted (friday_accept): {', '.join(accept)}"
    return ["\n".join([*wrap(title, width), *_items(found or ["nothing was found that they would stop for"], width)])]


def _plan_row(wave: Wave, host: PlannedHost, first: bool) -> tuple[str, ...]:
    kernel = (
        f"{host.kernel}\n→ {host.target_kernel}" if host.target_kernel != host.kernel else f"{host.kernel}\n(stays)"
    )
    evictions = str(len(host.evictions)) + (f"\n{len(host.blockers)} blocked" if host.blockers else "")
    name = f"{wave.number} {wave.name}" if first else ""
    return name, host.host, host.zone, kernel, str(len(host.packages)), evictions, estimate(host.seconds), host.reason


def rehearsal_table(rehearsal: Rehearsal, width: int = WIDTH) -> str:
    """What the candidates said to the nodes' programs: a line for each group of hosts, and the programs that matter."""
    if rehearsal.skipped:
        return f"Rehearsal: skipped, {one_line(rehearsal.skipped)}"
    how = f"{plural(rehearsal.tried, 'trial')} in {duration(rehearsal.seconds)}" if rehearsal.tried else ""
    known = f"{rehearsal.cached} from the cache" if rehearsal.cached else ""
    accelerated = f"with {rehearsal.accelerator}" if rehearsal.accelerator else ""
    lines = ["Rehearsal: " + (", ".join(word for word in (how, accelerated, known) if word) or "nothing to try")]
    for each in rehearsal.newest:
        lines += wrap(f"{view.newest(each)}: {', '.join(map(one_line, each.hosts))}", width)
    for group in rehearsal.groups:
        live = sum(each.live for each in group.programs)
        count = f"{live} live of {plural(len(group.programs), 'program')}" if group.programs else "no programs"
        hosts = ", ".join(map(one_line, group.hosts))
        kernels = f"{one_line(group.candidate)}, control {one_line(group.running)}"
        lines += ["", *wrap(f"{group.word.value.upper():<13}{hosts}: {kernels}, {count}", width)]
        rows = view.program_rows([each for each in group.programs if each.live and each.word is not Word.PASS])
        if rows:
            lines += table(("program", "verdict", f"on {group.running}", f"on {group.candidate}", "why"), rows, width)
        told = {each.message for each in group.programs}
        lines += _items([reason for reason in group.reasons if reason not in told], width)
        lines += _items([f"note: {note}" for note in group.notes], width)
    return "\n".join(lines)


def problems_list(problems: Sequence[Problem], width: int = WIDTH) -> str:
    """All problems, numbered, each with what to do about it. Nothing is cut."""
    lines = [f"{plural(len(problems), 'problem')} to solve before anything is touched:"]
    for number, problem in enumerate(view.problem_rows(problems), start=1):
        lines += _hanging(f"{number:>3}. ", f"{problem.subject}: {problem.message}", width)
        if problem.fix:
            lines += _hanging("     fix: ", problem.fix, width)
    return "\n".join(lines)


def note(problem: Problem, width: int = WIDTH) -> str:
    """Something to know that stands in nobody's way, with what to do about it. Nothing is cut."""
    lines = _hanging("note: ", f"{problem.subject}: {problem.message}", width)
    if problem.fix:
        lines += _hanging("      fix: ", problem.fix, width)
    return "\n".join(lines)


def verdict_block(data: ReportData, reports: Mapping[str, str] | None = None, width: int = WIDTH) -> str:
    """The end of a run: outcome, probable cause with evidence, consequences, states of the hosts, next steps.

    ``reports`` maps what is written to where it is (``report`` -> path).
    """
    kind, record = view.kind(data), data.record
    took = f", {duration(record.finished - record.started)}" if record.finished and record.started else ""
    lines = ["=" * min(width, 80), *_hanging(f"{kind.word.upper()}  ", view.sentence(data), width)]
    lines.append(f"run {record.run}{took}")
    if data.problems:
        lines += ["", problems_list(data.problems, width)]
    lines += _cause_lines(data, width)
    lines += _states_lines(data, width)
    if found := view.accepted(data):
        lines += ["", "Found and accepted (friday_accept)", *_items(found, width)]
    if data.advice:
        lines += ["", "What to do next"]
        for number, step in enumerate(data.advice, start=1):
            lines += _hanging(f"{number:>3}. ", clean(step), width)
    if reports:
        lines += ["", "Written"]
        longest = max(map(len, reports))
        lines += [f"  {name.ljust(longest)}  {path}" for name, path in reports.items()]  # a path is never broken
    lines.append("=" * min(width, 80))
    return "\n".join(lines)


def _cause_lines(data: ReportData, width: int) -> list[str]:
    focus = view.focus(data)
    if focus is None:
        return []
    facts: list[tuple[str, str]] = []
    if focus.host:
        facts.append(("host", _host_text(focus)))
    if focus.step:
        facts.append(("step", focus.step))
    cause = focus.verdict.cause if focus.verdict else None
    if cause is None:
        facts.append(("reason", focus.message or "not recorded"))
        return ["", "Why it stopped", *_facts(facts, width)]
    facts += [("layer", cause.layer.label), ("subject", cause.subject), ("found", cause.message)]
    facts += [(name, value) for name, value in (("before", cause.before), ("after", cause.after)) if value]
    title = "Probable cause" if cause.severity is Severity.FAIL else "Why it is inconclusive"
    lines = ["", title, *_facts(facts, width), *_evidence(cause, width)]
    if focus.verdict and focus.verdict.consequences:
        lines += ["", "Consequences, layer by layer", *_consequences(focus.verdict.consequences, width)]
    return lines


def _host_text(focus: view.Focus) -> str:
    planned = focus.planned
    if planned is None:
        return focus.host
    return f"{focus.host} ({planned.zone}), kernel {planned.kernel} → {planned.target_kernel}"


def _evidence(finding: Finding, width: int) -> list[str]:
    lines = [line for text in finding.evidence for line in clean(text).split("\n")]
    # The last lines: what a verifier refuses for, it says at the end of its log.
    out = [part for line in lines[-_EVIDENCE_LINES:] for part in _hanging("    | ", line, width, again="    | ")]
    left_out = len(lines) - _EVIDENCE_LINES
    if left_out > 0:
        out.insert(0, f"    … {plural(left_out, 'earlier line')} in the report")
    return ["  evidence", *out] if out else []


def _consequences(findings: Sequence[Finding], width: int) -> list[str]:
    label = max(len(finding.layer.label) for finding in findings)
    lines = []
    for finding in findings:
        word = "fails" if finding.severity is Severity.FAIL else "unknown"
        text = headed(one_line(finding.subject), clean(finding.message))
        lines += _hanging(f"  {finding.layer.label:<{label}}  {word:<7}  ", text, width)
    return lines


def _states_lines(data: ReportData, width: int) -> list[str]:
    states = view.states(data)
    if not states:
        return []
    rows = [(text, str(len(names)), ", ".join(map(one_line, names))) for _, text, names in states]
    return ["", "Hosts", *("  " + line for line in table(("state", "", "hosts"), rows, width - 2, titles=False))]


def _facts(facts: Sequence[tuple[str, str]], width: int) -> list[str]:
    return [line for name, value in facts for line in _hanging(f"  {name:<8} ", clean(value), width)]


def _items(texts: Sequence[str], width: int) -> list[str]:
    return [line for text in texts for line in _hanging("  - ", one_line(text), width)]


def _hanging(first: str, text: str, width: int, again: str | None = None) -> list[str]:
    """``text`` behind ``first``, wrapped; further lines start with ``again`` (spaces when None)."""
    again = " " * len(first) if again is None else again
    lines = wrap(text, max(20, width - len(first)))
    return [((first if not i else again) + line).rstrip() for i, line in enumerate(lines)]


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int = WIDTH, *, titles: bool = True
) -> list[str]:
    """Lines of a table of at most ``width`` characters; cells wrap, nothing is cut.

    The last column, which is prose, gives way first, then the widest ones, down to 6 characters each; a ``width`` in
    which not even that has room is exceeded.
    """
    cells = [[clean(cell) for cell in row] for row in ([header] if titles else []) + [list(row) for row in rows]]
    widths = [max(len(line) for row in cells for line in row[i].split("\n")) for i in range(len(header))]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    if excess > 0:
        kept = max(min(widths[-1], _REASON), widths[-1] - excess)
        excess, widths[-1] = excess - (widths[-1] - kept), kept
    while excess > 0 and max(widths) > 6:
        widths[widths.index(max(widths))] -= 1
        excess -= 1
    lines = [line for row in cells for line in _row_lines(row, widths)]
    if titles:
        height = len(list(_row_lines(cells[0], widths)))
        lines.insert(height, _GAP.join("-" * w for w in widths))
    return lines


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    columns = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    for i in range(max(len(column) for column in columns)):
        parts = [(column[i] if i < len(column) else "").ljust(w) for column, w in zip(columns, widths, strict=True)]
        yield _GAP.join(parts).rstrip()


def chunks(text: str, limit: int = AWX_EVENT_BYTES) -> list[str]:
    """``text`` in pieces of whole lines, each at most ``limit`` bytes in UTF-8: one for each event that AWX shows."""
    pieces: list[str] = []
    for line in text.split("\n"):
        joined = f"{pieces[-1]}\n{line}" if pieces else line
        if pieces and len(joined.encode("utf-8", "replace")) <= limit:
            pieces[-1] = joined
        else:
            pieces.append(line)
    return pieces
