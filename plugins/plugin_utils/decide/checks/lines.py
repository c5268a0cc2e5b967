# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of the kernel's log and of the verifier: what they say once times, addresses and counters are left aside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# "2026-01-02T03:04:05+0000 node2 kernel: ", "Jan 02 03:04:05 node2 kernel: ", "[   12.345678] "
_STAMP = re.compile(r"^(?:.*?\bkernel: )?(?:\[\s*\d+\.\d+\](?:\[[^\]]*\])?\s*)?")
# Whole words only: nvme0n1 and nvme1n1 stay different.
_VARIABLE = re.compile(r"\b(?:0x[0-9a-f]+|[0-9a-f]{8,}|\d+)\b", re.IGNORECASE)

_VERIFIER = re.compile(r"verifier|REG INVARIANTS|BPF program is too large", re.IGNORECASE)

# A busy machine, or a guest of one, stalls without being broken; drives without a medium always complain.
_MILD = re.compile(
    r"^WARNING: |soft lockup|rcu\S* .*(?:stall|detected)|blocked for more than|^Out of memory: "
    r"|I/O error, dev (?:fd|sr)\d|failed to validate module|more lines of other kinds"
)

# cilium/ebpf, VerifierError: "program NAME: load program: ERRNO: LAST LINES (N line(s) omitted)"
_REFUSAL = re.compile(r"program (?P<program>[\w.]+): (?:load program: )?(?P<reason>.+)")
_ERRNO = re.compile(r"^(?:argument list too long|permission denied|invalid argument|no space left on device): ")
_TAIL = re.compile(r"""\s*\((?:truncated, )?\d+ line\(s\) omitted\).*$|["\s]+$""")


def plain(line: str) -> str:
    """The line without the time and the host that the log puts in front."""
    return _STAMP.sub("", line, count=1).strip()


def pattern(line: str) -> str:
    """What the line says, with numbers and addresses replaced: equal for the same trouble on another boot."""
    return _VARIABLE.sub("#", plain(line))


def is_verifier(line: str) -> bool:
    """True when the line is the BPF verifier's."""
    return bool(_VERIFIER.search(line))


def is_grave(line: str) -> bool:
    """True for suspicious lines that tell of something broken; others can come of load alone."""
    return not _MILD.search(plain(line))


def new_lines(before: Iterable[str], after: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Lines of ``after`` whose pattern ``before`` does not have, by pattern, in order of first appearance."""
    known = {pattern(line) for line in before}
    groups: dict[str, list[str]] = {}
    for line in after:
        if (key := pattern(line)) not in known:
            groups.setdefault(key, []).append(plain(line))
    return {key: tuple(lines) for key, lines in groups.items()}


@dataclass(frozen=True)
class Refusal:
    """A program that the verifier did not let in. ``program`` is empty when the line does not name it."""

    program: str
    reason: str

    @property
    def subject(self) -> str:
        """What was refused, as people read it."""
        return f"program {self.program}" if self.program else "a BPF program"

    @property
    def key(self) -> tuple[str, str]:
        """Equal for the same refusal seen again, whatever addresses and counts its reason has."""
        return (self.program, pattern(self.reason))


def parse_refusal(line: str) -> Refusal:
    """Take a refusal apart as it stands in an agent's log.

    >>> parse_refusal("program cil_x: load program: permission denied: R1 is invalid (7 line(s) omitted)")
    Refusal(program='cil_x', reason='R1 is invalid')
    """
    match = _REFUSAL.search(line)
    reason = _TAIL.sub("", match["reason"] if match else plain(line))
    return Refusal(match["program"] if match else "", _ERRNO.sub("", reason))


def group_refusals(lines: Iterable[str]) -> dict[tuple[str, str], tuple[Refusal, tuple[str, ...]]]:
    """Refusals by their key, each with the lines it was read from (every different one once, oldest first)."""
    groups: dict[tuple[str, str], tuple[Refusal, tuple[str, ...]]] = {}
    for line in lines:
        refusal = parse_refusal(line)
        first, seen = groups.get(refusal.key, (refusal, ()))
        groups[refusal.key] = (first, seen if line in seen else (*seen, line))
    return groups
