# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host's answer to the survey means: its facts, or the problem that kept it from answering."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts

_TRACEBACK = "Traceback (most recent call last)"


class _Kind(NamedTuple):
    """A kind of failure: what Ansible, the shell, sudo or Python write of it (frames of tracebacks left out)."""

    signs: re.Pattern[str]
    message: str
    fix: str


def _kind(signs: str, message: str, fix: str) -> _Kind:
    return _Kind(re.compile(signs, re.IGNORECASE), message, fix)


# The first that matches. What keeps every program from working stands before what a program says of itself: without
# room, Python and sudo fail too.
_KINDS = (
    _kind(
        r"No space left on device|\[Errno 28\]|Disk quota exceeded|\[Errno 122\]",
        "its disk is full",
        "make room on it (df -h; df -i)",
    ),
    _kind(
        r"Read-only file system|\[Errno 30\]",
        "a file system is mounted read-only",
        "find out why (dmesg), repair it and mount it writable",
    ),
    _kind(
        r"No usable temporary directory",
        "no temporary directory can be written to: its disk is full, or mounted read-only",
        "make /tmp and /var/tmp writable (df -h; df -i; findmnt)",
    ),
    _kind(
        r"Failed to create temporary directory",
        "Ansible could not make its temporary directory there",
        "see whether the Ansible user's home has room and is writable (df -h ~; df -i ~), or set ansible_remote_tmp",
    ),
    _kind(
        r"Cannot allocate memory|\[Errno 12\]|\bMemoryError\b",
        "it is out of memory",
        "find out what takes it (free -m)",
    ),
    # sudo's own words; that of a missing interpreter behind sudo is not among them.
    _kind(
        r"(?:^|[\s:])sudo: (?!.*python)|sudo password|password is required|privilege escalation|[Bb]ecome password"
        r"|not in the sudoers|must be run as root|su: Authentication failure|doas: ",
        "no root privileges",
        "let the Ansible user use sudo without a password",
    ),
    _kind(
        r"interpreter '?\S+ was not found|No python interpreters? found|python[\d.]*['\"]?: (?:command )?not found"
        r"|python[\d.]*['\"]?: No such file|(?:No such file or directory|not found):? '?\S*/python[\d.]*\b"
        r"|requires a minimum of Python|probably need to set the interpreter|^SyntaxError",
        "no usable Python",
        "install python3 (3.9 or newer) on it",
    ),
    _kind(
        r"Permission denied|Operation not permitted",
        "permission denied",
        "correct the permissions, or the user",
    ),
    _kind(
        r"timed out|Timeout \(|did not respond within",
        "did not answer the survey in time",
        "find out why it hangs",
    ),
)


def read_answer(host: str, result: Mapping[str, Any] | None) -> tuple[HostFacts | None, Problem | None]:
    """The facts in a registered result of ``node_facts``, or the problem, in words that name what to change.

    Args:
        result: what Ansible registered; None when the host took no part in the survey.
    """
    if not result:
        return None, Problem(host, "was not surveyed", "is it in friday_hosts?")
    if "facts" in result and not result.get("failed") and not result.get("unreachable"):
        return from_data(HostFacts, {**result["facts"], "host": host}), None
    said = _said(result)
    found = next((kind for kind in _KINDS if kind.signs.search("\n".join(said))), None)
    if found and (not result.get("unreachable") or _reached(found)):
        telling = [line for line in said if found.signs.search(line)]
        return None, Problem(host, f"{found.message}: {_short(telling or said)}", found.fix)
    if result.get("unreachable"):
        return None, Problem(host, f"is unreachable: {_short(said)}", "make it reachable, or fix it first")
    if "timedout" in result:
        return None, Problem(host, f"did not answer the survey in time: {_short(said)}", "find out why it hangs")
    return None, Problem(host, f"could not be surveyed: {_short(said)}", "find out why, on the host")


def _reached(kind: _Kind) -> bool:
    """Whether a host that Ansible calls unreachable has answered all the same: it calls one so that has no room."""
    return kind in _KINDS[:4]


def _said(result: Mapping[str, Any]) -> list[str]:
    """The lines in which something says why: of a traceback only the last, which is the error."""
    lines = []
    for key in ("msg", "module_stderr", "module_stdout"):
        lines += _without_frames(str(result.get(key, "")))
    return [line.strip() for line in lines if line.strip()]


def _without_frames(text: str) -> list[str]:
    kept, inside = [], False
    for line in text.splitlines():
        if line.strip().startswith(_TRACEBACK):
            inside = True
        elif not inside or (line and not line[0].isspace()):
            kept.append(line)
            inside = False
    return kept


def _short(lines: list[str]) -> str:
    text = " / ".join(lines) or "no message"
    return text if len(text) <= 300 else text[:297] + "..."
