# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of the kernel's log that tell of trouble: crashes, hardware and disk errors, the BPF verifier's own bugs."""

from __future__ import annotations

import re

from .system import System, Unreadable

MAX_LINES = 50
MAX_WIDTH = 300

# Data: kind of trouble, and what its line looks like (after the time stamp). Anchored where ordinary lines use the same
# word: "Spectre V2 : WARNING: ...", "traps: prog[12] general protection fault" (a program's own), "MCE: In-kernel MCE
# decoding enabled". Drives without a medium (fd0, sr0) give I/O errors on healthy machines.
SUSPICIOUS = (
    ("panic", r"^Kernel panic"),
    ("oops", r"\bOops\b.*\[#\d+\]|^Oops:|^Internal error: Oops|^Unable to handle kernel"),
    ("bug", r"^BUG: |^kernel BUG at|^(?:watchdog: )?BUG: "),
    ("warning", r"^WARNING: "),
    ("general protection fault", r"^(?:Oops: )?general protection fault"),
    ("lockup", r"soft lockup|hard LOCKUP|rcu: INFO: rcu_\w+ .*(?:stall|detected)"),
    ("hung task", r"^INFO: task .* blocked for more than"),
    ("hardware", r"\[Hardware Error\]|Machine [Cc]heck (?:events logged|[Ee]xception)|^EDAC .*\bUE\b"),
    ("I/O error", r"I/O error(?!, dev (?:fd|sr)\d)(?!.* on dev (?:fd|sr)\d)"),
    ("file system", r"^EXT4-fs error|^EXT4-fs \(.*\): (?:error|Remounting filesystem read-only)"),
    ("file system", r"^XFS \(.*\): .*(?:[Cc]orruption|Internal error|Shutting down)|^BTRFS:? (?:error|critical)"),
    ("disk", r"^nvme\b.*(?:timeout|controller is down)|^md/raid\S*: .*(?:Disk failure|not enough operational)"),
    ("memory", r"^Out of memory: "),
    ("bpf", r"verifier (?:backtracking )?bug|REG INVARIANTS VIOLATION|failed to validate module .* BTF"),
    ("netfilter", r"Extension \w+ revision \d+ not supported|^x_tables: .*(?:invalid|not supported|unsupported)"),
)

_SUSPICIOUS = re.compile("|".join(f"(?:{pattern})" for _kind, pattern in SUSPICIOUS))
# journalctl -o short-monotonic: "[    1.368256] node1 kernel: text"; dmesg: "[    1.368256] text", with a caller where
# the kernel was built so: "[    1.368256][    T1] text".
_LINE = re.compile(r"^\[\s*(?P<time>\d+\.\d+)\](?:\[\s*\w+\])?\s(?:\S+ kernel: )?(?P<text>.*)$")
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+")


def read(system: System, since: float = 0.0) -> list[str]:
    """Suspicious lines since ``since`` seconds after the boot, as :func:`suspicious` gives them.

    Raises:
        Unreadable: neither the journal nor the kernel's own buffer could be read.
    """
    try:
        text = system.read_from(["journalctl", "-k", "-b", "-q", "-o", "short-monotonic", "--no-pager"])
        reason = "journalctl: no kernel message of this boot"
    except Unreadable as error:
        text, reason = "", str(error)
    if not text.strip():
        try:
            text = system.read_from(["dmesg"])
        except Unreadable as error:
            raise Unreadable(f"{reason}; {error}") from None
    return suspicious(text, since)


def suspicious(text: str, since: float = 0.0) -> list[str]:
    """Lines ``[seconds since boot] message`` that tell of trouble, oldest first.

    Lines that differ in numbers alone are told once; at most :data:`MAX_LINES`, cut to :data:`MAX_WIDTH` characters.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and float(match["time"]) >= since and _SUSPICIOUS.search(match["text"]):
            found.setdefault(_NUMBERS.sub("#", match["text"]), f"[{match['time']}] {match['text']}"[:MAX_WIDTH])
    lines = list(found.values())
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [f"({len(lines) - MAX_LINES + 1} more lines of other kinds)"]
    return lines
