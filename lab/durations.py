# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long things take on this machine: measured as they are done, and kept in the cache.

What was never done here is judged by the pace of what was: how much longer that took than on the machine on which the
lab was made. Where nothing was measured yet, nothing is claimed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Work = tuple[str, float]
"""A name, and the seconds that it took where the lab was made."""


@dataclass(frozen=True)
class Expected:
    """How long something should take here; ``seconds`` is ``None`` while nothing is known."""

    seconds: float | None
    measured: bool = False


class Durations:
    """The measured durations in ``file``. A file that is missing or torn is as good as an empty one."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def remember(self, work: Work, seconds: float) -> None:
        """Keep how long ``work`` took here; what it took before is forgotten."""
        known = self._read()
        known[work[0]] = (round(seconds, 1), work[1])
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(known, indent=1) + "\n")
        partial.rename(self.file)

    def expected(self, *works: Work) -> Expected:
        """How long these should take together, one after the other."""
        known = self._read()
        unknown = [work for work in works if work[0] not in known]
        seconds = sum(known[name][0] for name, _ in works if name in known)
        if not unknown:
            return Expected(seconds, measured=True)
        pace = _pace(known.values())
        return Expected(None if pace is None else seconds + pace * sum(reference for _, reference in unknown))

    def _read(self) -> dict[str, tuple[float, float]]:
        try:
            read = json.loads(self.file.read_text())
            return {str(name): (float(seconds), float(reference)) for name, (seconds, reference) in read.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _pace(known: Iterable[tuple[float, float]]) -> float | None:
    """How many times as long as where the lab was made; what took no time there does not tell."""
    pairs = [pair for pair in known if pair[1] >= 1]
    reference = sum(pair[1] for pair in pairs)
    return sum(pair[0] for pair in pairs) / reference if reference else None
