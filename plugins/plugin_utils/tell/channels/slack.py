# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Slack's format: what incoming webhooks of Slack take, and those of many other chats.

Limits: at most 50 blocks; a header 150 characters; a section's text 3,000; a context's element 2,000; the
``text`` beside the blocks is what notifications show. All blocks together are refused from about 12,000 characters on
(``msg_blocks_too_long``, slackapi/bolt-js#2509, #2867), so a message stays well below that.
``&``, ``<`` and ``>`` are markup (``<!channel>`` calls everybody) and are escaped in all that is not ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import view
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels.channel import Channel
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import clean, duration, one_line, plural, shorten

HEADER_CHARACTERS = 150
SECTION_CHARACTERS = 3000
CONTEXT_CHARACTERS = 2000
_TEXT = 600  # the notification: a few lines on a telephone
_BUDGET = 2000  # of one section: five of them stay below what Slack takes altogether
_CONSEQUENCES = 8
_EVIDENCE_LINES = 6
_SIGNS = {
    view.Kind.PASS: ":white_check_mark:",
    view.Kind.FAIL: ":x:",
    view.Kind.INCONCLUSIVE: ":warning:",
    view.Kind.NOTHING: ":zzz:",
    view.Kind.REFUSED: ":no_entry:",
    view.Kind.PLAN: ":clipboard:",
    view.Kind.UNFINISHED: ":hourglass:",
}
_REST = "the rest is in the report"


def escape(text: object) -> str:
    """``text`` as Slack shows it literally: control characters out, ``&``, ``<`` and ``>`` as entities."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Slack(Channel):
    """A chat with incoming webhooks in Slack's format."""

    name = "slack"
    about = "the chat"

    def verdict(self, data: ReportData, report: str) -> dict[str, Any]:
        """The message of :func:`message`."""
        return message(data, report)

    def event(self, event: Event, line: str) -> dict[str, Any]:
        """The line, as it is on the console."""
        return {"text": f"`{escape(line)}`"}


def message(data: ReportData, report: str = "") -> dict[str, Any]:
    """The payload for an incoming webhook: ``text`` and ``blocks``. ``report`` is where the report is (URL or path)."""
    kind = view.kind(data)
    headline = f"Friday: {kind.word}"
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": shorten(headline, HEADER_CHARACTERS)}},
        _section(f"{_SIGNS[kind]} {_fitting(view.sentence(data), _BUDGET)}"),
        *_problem_blocks(data),
        *_cause_blocks(data),
        *_state_blocks(data),
        *_list_block(
            "Found and accepted (friday_accept)", [f"• {_fitting(each, 300)}" for each in view.accepted(data)]
        ),
        *_list_block(
            "What to do next", [f"{n}. {_fitting(one_line(step), 500)}" for n, step in enumerate(data.advice, start=1)]
        ),
        _context(_about(data, report)),
    ]
    return {"text": f"{_SIGNS[kind]} {headline}. {_fitting(view.sentence(data), _TEXT)}", "blocks": blocks}


def _fitting(text: str, room: int) -> str:
    """``text`` escaped and within ``room``; shortened before it is escaped, so that no entity is cut in two."""
    length = room
    while len(escape(shorten(text, length, _REST))) > room and length > 0:
        length -= max(1, length // 10)
    return escape(shorten(text, length, _REST))


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _list_block(title: str, lines: Sequence[str]) -> list[dict[str, Any]]:
    """A section with as many whole lines (each well below 1,000 characters) as fit, and how many are left out."""
    if not lines:
        return []
    text = f"*{title}*"
    for number, line in enumerate(lines):
        # The last 60 characters of the budget are for the line that says what is missing.
        if len(text) + len(line) + 1 > _BUDGET - 60:
            return [_section(f"{text}\n… {len(lines) - number} more: {_REST}")]
        text += f"\n{line}"
    return [_section(text)]


def _problem_blocks(data: ReportData) -> list[dict[str, Any]]:
    lines = []
    for problem in view.problem_rows(data.problems):
        fix = f" _Fix:_ {_fitting(one_line(problem.fix), 200)}" if problem.fix else ""
        lines.append(f"• *{_fitting(problem.subject, 80)}*: {_fitting(one_line(problem.message), 300)}{fix}")
    return _list_block(plural(len(lines), "problem"), lines)


def _cause_blocks(data: ReportData) -> list[dict[str, Any]]:
    focus = view.focus(data)
    if focus is None:
        return []
    host = f" on `{_code(focus.host)}`" if focus.host else ""
    cause = focus.verdict.cause if focus.verdict else None
    if cause is None:
        step = _fitting(one_line(focus.step or "an unknown step"), 80)
        return [_section(f"*Stopped at {step}{host}*\n{_fitting(clean(focus.message), 1000)}")]
    title = "Probable cause" if cause.severity is Severity.FAIL else "Inconclusive"
    kernel = ""
    if focus.planned:
        kernel = f"\nKernel {_fitting(focus.planned.kernel, 80)} → {_fitting(focus.planned.target_kernel, 80)}"
    text = (
        f"*{title}: {escape(cause.layer.label)}{host}*\n"
        f"{_fitting(f'{one_line(cause.subject)}: {one_line(cause.message)}', 800)}{kernel}"
    )
    blocks = [_section(text)]
    if cause.evidence:
        blocks.append(_section(_evidence(cause.evidence)))
    consequences = focus.verdict.consequences if focus.verdict else ()
    lines = [
        f"• {escape(f.layer.label)}{' (unknown)' if f.severity is Severity.UNKNOWN else ''}: "
        f"{_fitting(f'{one_line(f.subject)}: {one_line(f.message)}', 200)}"
        for f in consequences[:_CONSEQUENCES]
    ]
    if len(consequences) > _CONSEQUENCES:
        lines.append(f"… {len(consequences) - _CONSEQUENCES} more: {_REST}")
    return blocks + _list_block("Consequences", lines)


def _evidence(lines: Sequence[str]) -> str:
    """A code block; the last lines are kept, for a verifier's verdict is the last thing that it says."""
    wanted = [one_line(line).replace("```", "'''") for line in lines[-_EVIDENCE_LINES:]]
    shown = "\n".join(_fitting(line, 300) for line in wanted)
    left_out = len(lines) - len(wanted)
    return f"```{shown}```" + (f"\n_{plural(left_out, 'line')} before that: {_REST}_" if left_out else "")


def _state_blocks(data: ReportData) -> list[dict[str, Any]]:
    lines = []
    for _, text, names in view.states(data):
        hosts = ", ".join(f"`{_code(name)}`" for name in names[:20])
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        lines.append(f"• {len(names)} {text}: {hosts}{more}")
    return _list_block("Hosts", lines)


def _code(name: str) -> str:
    return _fitting(one_line(name).replace("`", "'"), 80)


def _about(data: ReportData, report: str) -> str:
    record = data.record
    took = f" · {duration(record.finished - record.started)}" if record.finished and record.started else ""
    kernels = "".join(
        f" · {_fitting(old, 80)} → {_fitting(new, 80)}" for old, new, _ in view.kernels(data.plan)[:1] if old != new
    )
    link = ""
    if report.startswith(("https://", "http://")):
        link = f" · <{escape(report).replace('|', '%7C')}|report>"
    elif report:
        link = f" · report: {_fitting(report, 800)}"
    return f"run `{_code(record.run)}`{took}{kernels}{link}"
