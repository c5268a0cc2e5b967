# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernels by objects: what the rehearsal says, and what loading for real says; ``make rehearsal-matrix`` has them all.

With ``PYTHONPATH=collections:.`` ``python -m tests.rehearsal.matrix [--write]`` prints the table, and exits with 1
unless both say the same in every cell; ``--write`` puts it into the documentation.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import guest
from ansible_collections.friday.upgrade.plugins.plugin_utils.act import loader
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import LOADER_SOURCE, Store
from lab.artifacts import go
from lab.progress import duration, say
from tests.rehearsal import corpus, kernels, real
from tests.rehearsal.kernels import Kernel

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "rehearsal-matrix.md"
_BEGIN, _END = "<!-- table: made by make rehearsal-matrix -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Cell:
    """One object on one kernel. ``rehearsed`` is None where the rehearsal names it as not rehearsed."""

    kernel: str
    sample: str
    rehearsed: bool | None
    real: bool
    why: str = ""

    @property
    def agrees(self) -> bool:
        return self.rehearsed is None or self.rehearsed == self.real

    @property
    def text(self) -> str:
        if self.rehearsed is None:
            return "not rehearsed"
        word = "loads" if self.rehearsed else "refused"
        return word if self.agrees else f"**{word}, really {'loads' if self.real else 'refused'}**"


class Stage:
    """What every guest needs: the loader, the objects, a processor."""

    def __init__(self) -> None:
        self.samples = corpus.samples()
        folder = Store().folder
        self.loader = loader.have(LOADER_SOURCE, "x86_64", folder, go=str(go.toolchain()))
        probe = guest.Trial(kernels.pair()[0].image, (), {})
        self.processor = guest.processor(probe, self.loader, folder)

    def rehearse(self, kernel: Kernel, samples: Sequence[corpus.Sample] | None = None) -> dict[str, Any]:
        """The answer of a guest with this kernel to these samples, or to all of them."""
        given = self.samples if samples is None else samples
        objects = [guest.Object(each.name, each.rehearsed, {}) for each in given]
        trial = guest.Trial(kernel.image, objects, {}, kernel.machine, kernel.config, seconds=600)
        return guest.run_through(trial, *self.equipment(kernel))

    def equipment(self, kernel: Kernel) -> tuple[Path, list[str]]:
        """The loader and the processor for a kernel's architecture."""
        if kernel.machine == "x86_64":
            return self.loader, self.processor
        made = loader.have(LOADER_SOURCE, kernel.machine, Store().folder, go=str(go.toolchain()))
        return made, guest.processor(guest.Trial(kernel.image, (), {}, kernel.machine), made, Store().folder)

    def cells(self, kernel: Kernel) -> Iterator[Cell]:
        """Both verdicts for every object."""
        answer = self.rehearse(kernel)
        seen = real.load(kernel, self.samples, self.processor)
        for sample in self.samples:
            said = answer["objects"].get(sample.name, {"programs": [], "error": "not tried"})
            loads, why = seen[sample.name]
            yield Cell(kernel.release, sample.name, verdict(said), loads, f"rehearsal: {_why(said)}; really: {why}")


def verdict(said: Mapping[str, Any]) -> bool | None:
    """Whether all programs of an object load; None when one is named as not to be rehearsed."""
    outcomes = [each["outcome"] for each in said["programs"]]
    if "unsupported" in outcomes:
        return None
    return bool(outcomes) and not said["error"] and set(outcomes) == {"loaded"}


def _why(said: Mapping[str, Any]) -> str:
    reasons = [str(said["error"]), *(str(each.get("error", "")) for each in said["programs"])]
    return next((reason for reason in reasons if reason), "loads")


def table(cells: Sequence[Cell]) -> str:
    """Markdown: a row for each object, a column for each kernel."""
    names = list(dict.fromkeys(cell.kernel for cell in cells))
    lines = [f"| object | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    known = {(cell.sample, cell.kernel): cell for cell in cells}
    for sample in dict.fromkeys(cell.sample for cell in cells):
        lines.append(f"| {sample} | {' | '.join(known[sample, name].text for name in names)} |")
    return "\n".join(lines)


def confusion(cells: Sequence[Cell]) -> str:
    """How often the rehearsal says what is so."""
    tried = [cell for cell in cells if cell.rehearsed is not None]
    count = {
        pair: sum((cell.rehearsed, cell.real) == pair for cell in tried)
        for pair in ((True, True), (True, False), (False, True), (False, False))
    }
    return "\n".join(
        [
            "| | really loads | really refused |",
            "|---|---|---|",
            f"| rehearsal: loads | {count[True, True]} | {count[True, False]} |",
            f"| rehearsal: refused | {count[False, True]} | {count[False, False]} |",
        ]
    )


def main() -> int:
    """Play all of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal.matrix", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    given = parser.parse_args()
    began, stage, every = time.monotonic(), Stage(), kernels.every()
    say(f"{len(every)} kernels, {len(stage.samples)} objects")
    with ThreadPoolExecutor(guest.at_once()) as pool:
        cells = [cell for found in pool.map(lambda kernel: list(stage.cells(kernel)), every) for cell in found]
    wrong = [cell for cell in cells if not cell.agrees]
    left = sum(cell.rehearsed is None for cell in cells)
    text = f"{table(cells)}\n\n{confusion(cells)}\n\nNot rehearsed, and named so: {left} of {len(cells)}."
    print(f"\n{text}\n")
    for cell in wrong:
        print(f"WRONG {cell.sample} on {cell.kernel}: {cell.text}: {cell.why}")
    print(f"{len(cells) - len(wrong)} of {len(cells)} cells agree, in {duration(time.monotonic() - began)}")
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(_BEGIN)
        PAGE.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
