# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node that is a folder and a table of answers."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, System, Unreadable

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    """Output of a real program, as it was recorded (bpftool 7.5, dpkg and apt of Debian 13)."""
    return (RECORDED / name).read_text()


class FakeSystem(System):
    """Files below a folder; programs answer from a table whose keys are beginnings of command lines, or parts of them.

    The longest key wins. A value is a Result, an exception, or text for a success. A list is one answer a call, the
    last one again and again; a function gets the command line.
    """

    def __init__(self, root: Path, files: dict[str, str] | None = None, programs: tuple[str, ...] = ()) -> None:
        super().__init__(str(root))
        self.programs = programs
        self.answers: dict[str, object] = {}
        self.calls: list[str] = []
        self.now = 0.0
        for name, text in (files or {}).items():
            self.write(name, text)

    def write(self, name: str, text: str = "") -> None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def find(self, program: str) -> str:
        return f"/usr/bin/{program}" if program in self.programs else ""

    def run(
        self, argv: list[str], timeout: float = 60.0, env: dict[str, str] | None = None, folder: str | None = None
    ) -> Result:
        line = " ".join(argv)
        self.calls.append(line)
        keys = [key for key in self.answers if key in line]
        if not keys:
            raise Unreadable(f"{argv[0]}: No such file or directory")
        answer = self.answers[max(keys, key=len)]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(argv) if folder is None else answer(argv, folder)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Result) else Result(0, str(answer), "")

    def run_to_end(self, argv: list[str], timeout: float, env: dict[str, str] | None = None) -> Result:
        return self.run(argv, timeout, env)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now
