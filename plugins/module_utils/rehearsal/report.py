# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guest has said, line by line (see report.go of the loader), and on its console, as one answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_PANIC = re.compile(r"Kernel panic|BUG: |kernel BUG at|Oops: |general protection fault|Unable to handle kernel")
_STAMP = re.compile(r"^\[\s*\d+\.\d+\]\s*")
_LOADING = ("object", "begin", "program", "crash")  # kinds of line that say how far it has come
_READING = "reading"  # what the loader says before it reads an object
_LONGEST_SPLAT = 300
_MOST_SPLATS = 20


def read(report: str, console: str) -> dict[str, Any]:
    """The answer of a guest that has ended, or was ended.

    Keys: ``release``, ``version``, ``machine``, ``btf``, ``sysctls`` (those that could not be set, with the reason),
    ``boot_splats`` (what the kernel complained of before the first load), ``complete`` (everything was tried),
    ``last`` (the object that was begun last, when it is not), ``at`` (what the last line of a load was about, see
    :func:`_place`; None before the first one), ``tried`` (number of programs that have an outcome), ``guest_seconds``,
    and ``objects``: name -> a dictionary with ``error`` (why it can't be read), ``complete``, ``late`` (something of it
    took too long), ``expected`` (its programs, in the order in which they are tried), ``splats`` (what the kernel
    complained of while it was given the object), ``programs`` (one for each that has an outcome, as the loader has told
    it; ``outcome`` is ``loaded``, ``refused``, ``map``, ``unsupported`` or ``crash``; ``truncated``: its ``log`` has
    only the verifier's last lines; ``late``: it had not finished within its ``seconds``).
    """
    answer: dict[str, Any] = {
        "release": "",
        "version": "",
        "machine": "",
        "btf": False,
        "sysctls": {},
        "boot_splats": [],
        "complete": False,
        "last": "",
        "at": None,
        "tried": 0,
        "error": "",
        "guest_seconds": 0.0,
    }
    objects: dict[str, _Object] = {}
    for line in _lines(report):
        kind, name, program = line.pop("kind", ""), line.get("object", ""), line.get("program", "")
        number = line.pop("program_number", 0)
        line.pop("object_number", None)
        each = objects.setdefault(name, _Object()) if name else _Object()
        if name and kind in _LOADING:
            answer["at"] = _place(kind, line, number)
        if kind == "boot":
            for key in ("release", "version", "machine", "btf", "sysctls", "error"):
                answer[key] = line.get(key, answer[key])
            answer["boot_splats"] = _short(line.get("splats") or ())
        elif kind == "object" or (kind == "crash" and not program):
            each.error, each.expected = line.get("error", ""), line.get("programs") or []
            each.late |= bool(line.get("late"))
            answer["last"] = name
        elif kind == "program" or kind == "crash":
            each.programs[program] = {**line, "outcome": line.get("outcome", "crash")}
            each.late |= bool(line.get("late"))
        elif kind == "splat":
            each.splats += line.get("splats") or ()
        elif kind == "end":
            answer["complete"], answer["last"], answer["guest_seconds"] = True, "", line.get("seconds", 0.0)
    if not answer["complete"] and answer["last"]:
        # What the kernel said when it went down is on its console alone.
        objects[answer["last"]].splats += [text for text in console.splitlines() if _PANIC.search(text)]
    answer["tried"] = sum(len(each.programs) for each in objects.values())
    answer["objects"] = {name: each.data(answer["complete"]) for name, each in objects.items()}
    return answer


def _place(kind: str, line: dict[str, Any], number: int) -> dict[str, Any]:
    """What a line says of how far it has come: ``object``, ``program`` (by name and ``number``), and ``state``.

    That is ``reading`` (the object), ``listed`` (its programs are known), ``begun`` (the program) or ``done`` (the
    program; or the object, when there is no program).
    """
    state = "begun" if kind == "begin" else "done"
    if kind == "object":
        state = {_READING: "reading", "": "listed"}.get(line.get("error", ""), "done")
    return {"object": line["object"], "program": line.get("program", ""), "number": number, "state": state}


class _Object:
    """What is known of one object so far."""

    def __init__(self) -> None:
        self.error = ""
        self.late = False
        self.expected: list[str] = []
        self.programs: dict[str, dict[str, Any]] = {}
        self.splats: list[str] = []

    def data(self, ended: bool) -> dict[str, Any]:
        reading = self.error == _READING
        return {
            "error": "" if reading else self.error,
            "complete": ended or (not reading and set(self.expected) <= self.programs.keys()),
            "late": self.late,
            "expected": self.expected,
            "programs": list(self.programs.values()),
            "splats": _short(self.splats),
        }


def _lines(report: str) -> Iterable[dict[str, Any]]:
    for text in report.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # the last one, of a guest that was ended in the middle of it
        if isinstance(line, dict):
            yield line


def _short(splats: Iterable[str]) -> list[str]:
    lines = (_STAMP.sub("", text.strip())[:_LONGEST_SPLAT] for text in splats)
    return list(dict.fromkeys(lines))[:_MOST_SPLATS]
