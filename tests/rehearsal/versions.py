# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cilium's own objects by version, on kernels: what the rehearsal says of each program, and what is so.

With ``PYTHONPATH=collections:.`` ``python -m tests.rehearsal.versions [--write]`` is the second half of
``make rehearsal-matrix``. It exits with 1 unless both say the same of every program, and every program that loads is
rehearsed; ``--write`` puts the table into the documentation.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import guest
from lab.progress import duration, say
from tests.rehearsal import cilium, kernels, truth
from tests.rehearsal.kernels import Kernel
from tests.rehearsal.matrix import PAGE, Stage

_BEGIN, _END = "<!-- table of versions: made by make rehearsal-matrix -->", "<!-- end of the table of versions -->"


class Unit(NamedTuple):
    """What one guest is given: a version's objects in one configuration, on a kernel."""

    version: str
    configuration: str
    kernel: Kernel


@dataclass(frozen=True)
class Cell:
    """One program. ``rehearsed`` is None where the rehearsal names it as not rehearsed, or does not know it."""

    unit: Unit
    sample: str
    program: str
    rehearsed: bool | None
    real: bool
    why: str = ""

    @property
    def wrong(self) -> bool:
        return self.rehearsed is not None and self.rehearsed != self.real

    @property
    def missed(self) -> bool:
        """It loads, and nobody has tried."""
        return self.rehearsed is None and self.real


def cells(stage: Stage, unit: Unit, sources: Sequence[str] = cilium.SOURCES, seconds: float = 5400.0) -> Iterator[Cell]:
    """Both verdicts on every program of a unit."""
    samples = cilium.samples(unit.configuration, unit.version, sources)
    so = truth.known(unit.kernel, samples, stage.processor)
    objects = [guest.Object(each.name, each.path, so[each.name].contents) for each in samples]
    trial = guest.Trial(
        unit.kernel.image, objects, {}, config=unit.kernel.config, seconds=seconds, program_seconds=seconds / 6
    )
    answer = guest.run_through(trial, stage.loader, stage.processor)
    for sample in samples:
        said = answer["objects"].get(sample.name, {"programs": [], "error": "not tried"})
        tried = {each["program"]: each for each in said["programs"]}
        for program, refused in so[sample.name].programs.items():
            one = tried.get(program, {"outcome": "unsupported", "error": said["error"] or "no such program"})
            rehearsed = None if one["outcome"] == "unsupported" else one["outcome"] == "loaded"
            why = f"rehearsal: {one.get('error') or one['outcome']}; really: {refused or 'loads'}"
            yield Cell(unit, sample.name, program, rehearsed, not refused, why)


def units(every: Sequence[Kernel], versions: Sequence[str], configurations: Sequence[str]) -> list[Unit]:
    """Upstream's options for 6.1 on 6.1 and 6.12, those for the newest kernel on the newest, the Makefile's on 6.12."""
    named = {line: [each for each in every if each.release.startswith(line)] for line in ("6.1.", "6.12.")}
    on = {"61": [named["6.1."][-1], named["6.12."][-1]], "netnext": [every[-1]], cilium.MAKEFILE: [named["6.12."][-1]]}
    return [
        Unit(version, configuration, kernel)
        for configuration in configurations
        for kernel in on[configuration]
        for version in versions
    ]


def table(found: Sequence[Cell]) -> str:
    """Markdown: a row for each unit."""
    lines = [
        "| Cilium | configuration | kernel | programs | load | refused | not rehearsed | wrong |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for unit in dict.fromkeys(cell.unit for cell in found):
        own = [cell for cell in found if cell.unit == unit]
        load = sum(cell.real for cell in own)
        counts = (len(own), load, len(own) - load, sum(cell.rehearsed is None for cell in own))
        row = [unit.version, unit.configuration, unit.kernel.release, *counts, sum(cell.wrong for cell in own)]
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def main() -> int:
    """Play all of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal.versions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    parser.add_argument("--version", action="append", choices=sorted(cilium.VERSIONS), help="of these alone")
    parser.add_argument("--configuration", action="append", choices=cilium.CONFIGURATIONS, help="in these alone")
    given = parser.parse_args()
    began, stage = time.monotonic(), Stage()
    wanted = units(
        kernels.every(), given.version or sorted(cilium.VERSIONS), given.configuration or cilium.CONFIGURATIONS
    )
    found: list[Cell] = []
    with ThreadPoolExecutor(guest.at_once()) as pool:
        for unit, own in zip(wanted, pool.map(lambda unit: list(cells(stage, unit)), wanted), strict=True):
            found += own
            wrong, missed = sum(cell.wrong for cell in own), sum(cell.missed for cell in own)
            told = f"{len(own)} programs, {wrong} wrong, {missed} not rehearsed although they load"
            say(f"Cilium {unit.version} ({unit.configuration}) on {unit.kernel.release}: {told}")
    text = table(found)
    print(f"\n{text}\n")
    bad = [cell for cell in found if cell.wrong or cell.missed]
    for cell in bad:
        where = (
            f"{cell.unit.version} {cell.unit.configuration} {cell.sample} {cell.program} on {cell.unit.kernel.release}"
        )
        print(f"WRONG {where}: {cell.why}")
    print(f"{len(found) - len(bad)} of {len(found)} cells agree, in {duration(time.monotonic() - began)}")
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(_BEGIN)
        PAGE.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
