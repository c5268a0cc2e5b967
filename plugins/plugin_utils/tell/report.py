# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a run: report.html (one file, nothing from the network), report.md and report.json.

All text that comes from outside is escaped by the templates' engine and not by their authors: HTML by autoescape,
Markdown by a ``finalize`` that every expression passes through. The HTML carries no script and forbids them all
(Content-Security-Policy), so that a hostile log line that got through would still find nothing to run it.
"""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape  # jinja2's own string type

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import variables
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import (
    BEFORE,
    CORDON,
    DRAIN,
    REBOOT,
    RECHECK,
    SOAK,
    UNCORDON,
    UPGRADE,
    VERIFY,
    HostState,
    find,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import view
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import (
    clean,
    clock,
    duration,
    estimate,
    fixed_zone,
    headed,
    one_line,
    plural,
    stamp,
)

__all__ = ["FORMAT", "Paths", "ReportData", "html", "json_text", "markdown", "write_reports"]

FORMAT = 1  # of report.json; grows when a key changes its meaning or goes
_EVENTS_SHOWN = 2000  # in HTML and Markdown; a browser stays quick, and the journal has them all
_LABELLED = 9.0  # percent of the timeline's width from which a step's name fits into its bar
STEP_CLASSES = {
    BEFORE: "prepare",
    CORDON: "prepare",
    DRAIN: "evict",
    UPGRADE: "packages",
    RECHECK: "reboot",
    REBOOT: "reboot",
    VERIFY: "verify",
    SOAK: "soak",
    UNCORDON: "prepare",
}
"""How a step's bar in the timeline looks: class of templates/report.css."""
_METER = {HostState.DONE: "done", HostState.FAILED: "stopped", HostState.HELD: "stopped"}
_METER_ORDER = ("done", "stopped", "open")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Paths:
    """Where the reports are."""

    html: Path
    markdown: Path
    json: Path


@dataclass(frozen=True)
class Bar:
    """A step on the timeline: offset and width in percent of the run, CSS class, label (may be empty), tooltip."""

    left: str
    width: str
    look: str
    label: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis: offset in percent, and its text."""

    left: str
    text: str


def write_reports(folder: str | os.PathLike[str], data: ReportData) -> Paths:
    """Write the three reports into ``folder`` (created if need be); each appears whole or not at all.

    Raises:
        OSError: no room, no rights; reports that were there stay as they were.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = Paths(target / "report.html", target / "report.md", target / "report.json")
    _replace(paths.json, json_text(data))  # the one from which the others can be made again comes first
    _replace(paths.markdown, markdown(data))
    _replace(paths.html, html(data))
    return paths


def html(data: ReportData) -> str:
    """The report as one HTML page."""
    return _templates().get_template("report.html.j2").render(_context(data))


def markdown(data: ReportData) -> str:
    """The report in Markdown (CommonMark with tables)."""
    text = _markdown_templates().get_template("report.md.j2").render(_context(data))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def json_text(data: ReportData) -> str:
    """The report for programs: the data as it is (``from_data(ReportData, ...)`` reads it back) and a summary of it.

    ASCII only, so that bytes that are no text in any encoding (as log lines may hold) can be written.
    """
    focus = view.focus(data)
    cause = focus.verdict.cause if focus and focus.verdict else None
    summary = {
        "kind": view.kind(data).value,
        "outcome": data.record.outcome,
        "sentence": view.sentence(data),
        "host": focus.host if focus else "",
        "step": focus.step if focus else "",
        "cause": {**to_data(cause), "layer": cause.layer.label} if cause else None,
        "hosts": {name: host.state.value for name, host in sorted(data.record.hosts.items())},
        "seconds": max(0.0, view.run_end(data) - data.record.started) if data.record.started else 0.0,
    }
    return json.dumps({"format": FORMAT, "summary": summary, **to_data(data)}, indent=1, sort_keys=True) + "\n"


def _context(data: ReportData) -> dict[str, Any]:
    """What the templates need; plain values and rows of :mod:`view`, no decisions left."""
    zone = fixed_zone(data.utc_offset)
    record = data.record
    end = view.run_end(data)
    verdict = view.shown_verdict(data)
    waves = view.waves(data)
    first = min((s.start for w in waves for h in w.hosts for s in h.segments), default=end)  # no step: no time axis
    kind = view.kind(data)
    return {
        "data": data,
        "record": record,
        "kind": kind,
        "sentence": view.sentence(data),
        "focus": view.focus(data),
        "verdict": verdict,
        "rungs": view.ladder(verdict, data.check_layers) if verdict else (),
        "problems": view.problem_rows(data.problems),
        "waves": waves,
        "states": view.states(data),
        "accepted": view.accepted(data),
        "kernels": view.kernels(data.plan),
        "packages": view.packages(data),
        "newest": view.newest,
        "headed": headed,
        "programs": view.programs,
        "events": data.events[-_EVENTS_SHOWN:],
        "events_left_out": max(0, len(data.events) - _EVENTS_SHOWN),
        "meter": sorted((_METER.get(host.state, "open") for host in record.hosts.values()), key=_METER_ORDER.index),
        "done": sum(host.state is HostState.DONE for host in record.hosts.values()),
        "waves_done": sum(wave.status == "done" for wave in waves),
        "seconds": end - record.started if record.started else 0.0,
        "end": end,
        "ticks": _ticks(first, end, zone),
        "bars": functools.partial(_bars, first=first, end=end, zone=zone),
        "policy": [(name, _value(value)) for name, value in variables(data.policy).items()],
        "zone_name": zone.tzname(None),
        "stamp": lambda time: stamp(time, zone),
        "clock": lambda time: clock(time, zone),
        "describe": view.describe_event,
    }


def _bars(row: view.HostRow, *, first: float, end: float, zone: timezone) -> list[Bar]:
    span = max(1.0, end - first)
    bars = []
    for segment in row.segments:
        left, width = (segment.start - first) / span * 100, (segment.end - segment.start) / span * 100
        look = "failed" if segment.failed else _step_class(segment.step)
        times = f"{clock(segment.start, zone)} to {clock(segment.end, zone)}, {duration(segment.end - segment.start)}"
        title = f"{segment.step}: {times}"
        label = segment.step if width >= _LABELLED else ""
        bars.append(
            Bar(
                f"{left:.3f}",
                f"{max(width, 0.4):.3f}",
                look,
                label,
                title + (", failed here" if segment.failed else ""),
            )
        )
    return bars


def _ticks(first: float, end: float, zone: timezone) -> list[Tick]:
    """Four to eight round times of day between ``first`` and ``end``."""
    span = end - first
    if span <= 0:
        return []
    steps = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 7 * 86400)
    step = next((s for s in steps if span / s <= 7), steps[-1])
    offset = int((zone.utcoffset(None)).total_seconds())
    time = -((-(first + offset)) // step) * step - offset
    ticks = []
    while time <= end:
        ticks.append(Tick(f"{(time - first) / span * 100:.3f}", clock(time, zone)[: 8 if step < 60 else 5]))
        time += step
    return ticks


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value != "" else "not set"


# ---------------------------------------------------------------------------------------------------------- templates


@functools.cache
def _templates() -> jinja2.Environment:
    return _environment(autoescape=True, finalize=_harmless, filters={"prose": _prose_html})


@functools.cache
def _markdown_templates() -> jinja2.Environment:
    return _environment(
        autoescape=False, finalize=_escape_markdown, filters={"prose": _prose_markdown, "fenced": _fenced}
    )


def _environment(*, autoescape: bool, finalize: Any, filters: dict[str, Any]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=autoescape,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "duration": duration,
        "estimate": estimate,
        "plural": plural,
        "one_line": one_line,
        "evidence": _evidence,
        **filters,
    }
    return environment


def _harmless(value: Any) -> Any:
    """For HTML: control characters out of whatever is about to be escaped."""
    return value if isinstance(value, Markup) else clean(value)


def _evidence(finding: Finding) -> str:
    return "\n".join(clean(line) for line in finding.evidence)


def _prose_html(text: str) -> Markup:
    """Escaped, with `` `code` `` as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(clean(text)))))  # escaped right here


class _Verbatim(str):
    """Markdown that is finished: not to be escaped again."""


_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]|~$^#!])")
_MARKDOWN_LINE_START = re.compile(
    r"^(\d*)([-+=.)])(?=[-=\s]|$)"
)  # a list's bullet or number, the underline of a heading


def _escape_markdown(value: Any, begins: bool = True) -> str:
    """For Markdown: in one line, nothing in it markup or HTML. ``begins``: it may stand at the start of a line."""
    if isinstance(value, (_Verbatim, jinja2.Undefined)):
        return str(value)
    text = re.sub(r"\s+", " ", clean(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _MARKDOWN_SPECIAL.sub(r"\\\1", text)
    if begins:
        text = _MARKDOWN_LINE_START.sub(r"\1\\\2", text)
    return text.replace("://", "&#58;//")  # many viewers turn a bare address into a link


def _prose_markdown(text: str) -> _Verbatim:
    """Escaped, with `` `code` `` kept as code."""
    parts = _CODE.split(one_line(text))  # text, code, text, code, ...
    return _Verbatim("".join(f"`{part}`" if i % 2 else _escape_markdown(part, not i) for i, part in enumerate(parts)))


def _fenced(text: str) -> _Verbatim:
    """A code block whose fence is longer than any run of backticks in ``text``."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return _Verbatim(f"{fence}text\n{clean(text)}\n{fence}")


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # mkstemp makes it 0600; a report is to be read
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _step_class(name: str) -> str:
    step = find(name)
    return STEP_CLASSES[step] if step else "other"
