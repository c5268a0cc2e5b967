# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text for people: made harmless, made short, and times as they are read. Nothing here knows what it is about.

Log lines, API messages and names come from machines that Friday does not trust; whatever shows one of them passes it
through :func:`clean` (or :func:`one_line`) first, so that no line can colour a terminal, move its cursor or turn the
direction of writing. Escaping for HTML, Markdown or Slack comes after that, in the module that writes the format.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from datetime import datetime, timedelta, timezone, tzinfo

# ECMA-48: control sequences (CSI ... final byte), operating system commands (OSC ... BEL or ST), two-byte escapes.
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]")
# Cc control, Cf format (bidirectional overrides, zero width), Cs lone surrogates (undecodable bytes), Co private use.
_HARMFUL_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co"))
_LINE_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def clean(text: object) -> str:
    """``text`` without escape sequences; other control characters become U+FFFD, line breaks ``\\n``, tabs spaces."""
    plain = _LINE_BREAKS.sub("\n", _ESCAPE_SEQUENCE.sub("", str(text))).expandtabs(4)
    if plain.isascii() and plain.replace("\n", "").isprintable():
        return plain
    return "".join(c if c == "\n" or unicodedata.category(c) not in _HARMFUL_CATEGORIES else "\ufffd" for c in plain)


def one_line(text: object) -> str:
    """:func:`clean`, with every run of white space as one space."""
    return " ".join(clean(text).split())


def headed(subject: str, message: str) -> str:
    """``subject: message``; a message that begins with its subject stands alone."""
    return message if message.casefold().startswith(subject.casefold()) else f"{subject}: {message}"


def shorten(text: str, room: int, rest: str = "") -> str:
    """``text`` in at most ``room`` characters; what was cut off shows as ``…`` and ``rest``, which says where it is."""
    if len(text) <= room:
        return text
    mark = "…" + (f" ({rest})" if rest else "")
    return text[: max(0, room - len(mark))].rstrip() + mark if room > len(mark) else text[: max(0, room - 1)] + "…"


def wrap(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` characters; words that are too long are broken, nothing is lost."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, max(1, width), break_on_hyphens=False) or [""]
    return lines


def duration(seconds: float) -> str:
    """Seconds as ``42s``, ``3m12s`` or ``1h04m``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def estimate(seconds: float) -> str:
    """An estimate in the accuracy that it has: ``~20s``, ``~4m``, ``~1h40m``."""
    if seconds < 50:
        return f"~{max(10, round(seconds / 10) * 10)}s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"~{minutes}m"
    return f"~{minutes // 60}h{minutes % 60 // 5 * 5:02}m"


def clock(time: float, zone: tzinfo | None = timezone.utc) -> str:
    """Time of day, ``16:42:10``, of ``time`` (seconds since the epoch); ``zone`` None is the machine's own."""
    return f"{datetime.fromtimestamp(time, zone):%H:%M:%S}"


def stamp(time: float, zone: tzinfo) -> str:
    """Date and time, ``2026-11-27 16:42:10``; empty when ``time`` is 0, which stands for "not yet"."""
    return f"{datetime.fromtimestamp(time, zone):%Y-%m-%d %H:%M:%S}" if time else ""


def fixed_zone(utc_offset: int) -> timezone:
    """The time zone ``utc_offset`` seconds east of UTC, named ``UTC`` or ``UTC+01:00``."""
    return timezone(timedelta(seconds=utc_offset)) if utc_offset else timezone.utc


def plural(count: int, one: str, many: str = "") -> str:
    """``1 host``, ``2 hosts``."""
    return f"{count} {one if count == 1 else many or one + 's'}"
