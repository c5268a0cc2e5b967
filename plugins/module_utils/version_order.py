# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of two versions is newer, by the rules of the programs that decide it: dpkg, ``sort -V``, systemd-boot.

They differ: of ``6.12.57+deb13-cloud-amd64`` and ``6.12.57+deb13+1-cloud-amd64`` the first is the newer one to dpkg
and to ``sort -V``, the second to systemd-boot. Pure; tests hold each against the program itself.
"""

from __future__ import annotations

import functools
import re

_ALLOWED = "~^.-"  # what systemd compares besides letters and digits
_SUFFIX = re.compile(r"(?:\.[A-Za-z~][A-Za-z0-9~]*)*$")


def compare_dpkg(one: str, other: str) -> int:
    """Negative, zero or positive as ``one`` is older than, the same as or newer than ``other`` (deb-version(7))."""
    first, second = _parts(one), _parts(other)
    if first[0] != second[0]:
        return first[0] - second[0]
    return _by_runs(first[1], second[1]) or _by_runs(first[2], second[2])


def compare_lines(one: str, other: str) -> int:
    """The same for two lines, as GNU ``sort -V`` in the C locale has them."""
    # Suffixes of files (.old, .img) count only where all that stands before them is the same.
    stems = _stem(one), _stem(other)
    if stems[0] != stems[1] or not stems[0]:
        difference = _by_runs(*stems) or _by_runs(one, other)
    else:
        difference = _by_runs(one, other)
    return difference or (one > other) - (one < other)


def compare_systemd(one: str, other: str) -> int:
    """The same by systemd (``systemd-analyze compare-versions``), which systemd-boot sorts its entries by."""
    while True:
        one, other = _skipped(one), _skipped(other)
        for mark in "~":
            if difference := _marked(one, other, mark):
                return difference
            one, other = _past(one, mark), _past(other, mark)
        if not one or not other:
            return bool(one) - bool(other)
        for mark in "-^.":
            if difference := _marked(one, other, mark):
                return difference
            one, other = _past(one, mark), _past(other, mark)
        digits = one[:1].isdigit() or other[:1].isdigit()
        first, second = (_leading(text, digits) for text in (one, other))
        if difference := _by_number(first, second) if digits else (first > second) - (first < second):
            return difference
        one, other = one[len(first) :], other[len(second) :]


dpkg_key = functools.cmp_to_key(compare_dpkg)
lines_key = functools.cmp_to_key(compare_lines)
systemd_key = functools.cmp_to_key(compare_systemd)


def _parts(version: str) -> tuple[int, str, str]:
    """Epoch, upstream's version, Debian's revision."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", epoch
    upstream, _hyphen, revision = rest.rpartition("-")
    return (int(epoch) if epoch.isdigit() else 0), upstream or revision, revision if upstream else ""


def _by_runs(one: str, other: str) -> int:
    """Runs of anything but digits, and of digits, in turns: dpkg's algorithm, which ``sort -V`` has taken over."""
    while one or other:
        first, second = _leading_text(one), _leading_text(other)
        for index in range(max(len(first), len(second))):
            difference = _weight(first[index : index + 1]) - _weight(second[index : index + 1])
            if difference:
                return difference
        one, other = one[len(first) :], other[len(second) :]
        first, second = _leading(one, True), _leading(other, True)
        if difference := int(first or 0) - int(second or 0):
            return difference
        one, other = one[len(first) :], other[len(second) :]
    return 0


def _weight(character: str) -> int:
    if not character:
        return 0
    if character == "~":
        return -1
    return ord(character) if character.isascii() and character.isalpha() else ord(character) + 256


def _leading_text(text: str) -> str:
    return text[: next((index for index, each in enumerate(text) if each in "0123456789"), len(text))]


def _leading(text: str, digits: bool) -> str:
    """The run of digits, or of letters, that the text begins with."""
    wanted = r"[0-9]*" if digits else r"[A-Za-z]*"
    return re.match(wanted, text)[0]  # type: ignore[index]  # it matches the empty text too


def _stem(line: str) -> str:
    return line[: _SUFFIX.search(line).start()]  # type: ignore[union-attr]


def _skipped(text: str) -> str:
    """Without leading characters that systemd does not compare, such as a plus sign or an underscore."""
    for index, each in enumerate(text):
        if each in _ALLOWED or (each.isascii() and each.isalnum()):
            return text[index:]
    return ""


def _marked(one: str, other: str, mark: str) -> int:
    """Who has this mark first is the older one."""
    return other.startswith(mark) - one.startswith(mark)


def _past(text: str, mark: str) -> str:
    return text[1:] if text.startswith(mark) else text


def _by_number(one: str, other: str) -> int:
    if bool(one) != bool(other):
        return bool(one) - bool(other)
    return int(one or 0) - int(other or 0)
