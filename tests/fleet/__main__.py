# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make abort-matrix`` and ``make kill-points``: all of what ``make test`` plays a spread of.

With ``PYTHONPATH=collections:.`` ``python -m tests.fleet abort-matrix [--core 2.16] [--what WORDS] [--jobs N]`` plays
every cell on every ansible-core that runs here. What was played is kept in ``build/abort-matrix.jsonl``, so that it can
be interrupted; ``--anew`` forgets it. ``--write`` puts it into the documentation, in the place of the same cells there:
a table in docs/reference/abort-matrix.md, the cells beside it. ``--rest`` plays only cells that are not there.

``python -m tests.fleet kill-points [--every N]`` kills Fridays at each point: all that go on on the controller where
the last one died, and beside them all that go on on another one with an empty disk.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.progress import duration
from tests.fleet import aborts, kills
from tests.fleet.controller import ROOT, Controller
from tests.fleet.stage import Stage
from tests.fleet.world import ZONES, World

MEMORY = ROOT / "build" / "abort-matrix.jsonl"
PAGE = ROOT / "docs" / "reference" / "abort-matrix.md"
KEPT = PAGE.with_suffix(".jsonl")
"""The cells of the table in the documentation."""

KILLED = {name: ZONES[name] for name in ("n1", "n4", "n7", "n2")}
"""The hosts of a Friday that is killed everywhere: a canary, a wave of two at a time, and one of another zone."""

SAME, OTHER = "the same controller", "another one"

_BEGIN, _END = "<!-- table: made by make abort-matrix -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix, and (played) what was wrong in it, of which commit."""

    core: str
    what: str
    where: str
    step: str
    wrong: tuple[str, ...] | None = None
    seconds: float = 0.0
    commit: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.core, self.what, self.where, self.step


def cells(core: str) -> Iterator[Cell]:
    """All cells that there are on a core; those on the canary, the quick ones, first."""
    for where, (name, what) in itertools.product(aborts.WHERE, aborts.WHATS.items()):
        for step in what.steps:
            yield Cell(core, name, where, step)


def in_order(cores: Iterable[str]) -> list[Cell]:
    """All cells of these cores, the newest core first; before all others those on the canary, which take the least."""
    found = [cell for core in reversed(list(cores)) for cell in cells(core)]
    return sorted(found, key=lambda cell: cell.where != next(iter(aborts.WHERE)))


def play(todo: Sequence[Cell], programs: Mapping[str, Sequence[str]]) -> Iterator[Cell]:
    """Play cells one after the other, on a stage of their own."""
    _end_in_order()
    commit = _commit()
    with tempfile.TemporaryDirectory(prefix="friday-fleet-") as folder, Stage(Path(folder)) as stage:
        for cell in todo:
            began = time.monotonic()
            disk = aborts.WHATS[cell.what].disk_kib
            try:
                with stage.fleet(core=programs[cell.core], disk_kib=disk) as (world, controller):
                    wrong = aborts.play(world, controller, cell.what, cell.where, cell.step)
            except AssertionError as error:
                wrong = [str(error)[-600:]]
            yield Cell(*cell.key, tuple(wrong), round(time.monotonic() - began, 1), commit)


def _commit() -> str:
    """Of this checkout; with a plus sign when it has changes of its own, empty when it is none."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _end_in_order() -> None:
    """On SIGTERM as on Ctrl-C: what runs on the stage is taken down."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def _play_share(todo: Sequence[Cell], programs: Mapping[str, Sequence[str]]) -> list[Cell]:
    """In a process of its own: what was played is written at once, so that an interruption loses one cell."""
    played = []
    for cell in play(todo, programs):
        with MEMORY.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(cell)) + "\n")
        good = "as it has to be" if not cell.wrong else "WRONG: " + "; ".join(cell.wrong or ())
        print(f"{' / '.join(cell.key)}: {good} ({duration(cell.seconds)})", flush=True)
        played.append(cell)
    return played


def remembered(path: Path = MEMORY) -> dict[tuple[str, str, str, str], Cell]:
    """What was played before; a torn last line is left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        cell = Cell(**{**data, "wrong": tuple(data["wrong"])})
        found[cell.key] = cell
    return found


def table(played: Sequence[Cell]) -> str:
    """Markdown: for each core, the ways to die by the steps, with how many of the places hold."""
    lines = []
    for core in sorted({cell.core for cell in played}, key=lambda text: [int(part) for part in text.split(".")]):
        lines += ["", f"ansible-core {core}", "", f"| | {' | '.join(aborts.STEPS)} |", "|---|" + "---|" * 5]
        for what, spec in aborts.WHATS.items():
            row = []
            for step in aborts.STEPS:
                here = [c for c in played if (c.core, c.what, c.step) == (core, what, step)]
                held = sum(not cell.wrong for cell in here)
                row.append("–" if step not in spec.steps else f"{held} of {len(here)}" if here else "not run")
            lines.append(f"| {what} | {' | '.join(row)} |")
    return "\n".join(lines).strip()


def write(played: Mapping[tuple[str, str, str, str], Cell]) -> None:
    """Put the cells into the documentation: the table, and the file beside it."""
    lines = [json.dumps(asdict(played[key])) for key in sorted(played)]
    KEPT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    text = f"{before}{_BEGIN}\n\n{table(list(played.values()))}\n\n{_END}{rest.partition(_END)[2]}"
    PAGE.write_text(text, encoding="utf-8")


def abort_matrix(given: argparse.Namespace) -> int:
    """Play what is to be played, print the table; 0 when all of it holds."""
    from tests.playbooks.cores import chosen

    _end_in_order()
    cores = [core for core in chosen() if not given.core or str(core).startswith(given.core)]
    programs = {core.version: core.environment().playbook for core in cores}
    MEMORY.parent.mkdir(exist_ok=True)
    if given.anew:
        MEMORY.unlink(missing_ok=True)
    wanted = [c for c in in_order(programs) if given.what in c.what and given.where in c.where]
    if given.rest:
        wanted = [cell for cell in wanted if cell.key not in remembered(KEPT)]
    held = {key for key, cell in remembered().items() if not cell.wrong}  # what was wrong is played again
    todo = [cell for cell in wanted if cell.key not in held]
    print(f"{len(wanted)} cells on {', '.join(programs)}, {len(todo)} of them to play", flush=True)
    if todo:
        with ProcessPoolExecutor(given.jobs) as pool:
            shares = [pool.submit(_play_share, todo[number :: given.jobs], programs) for number in range(given.jobs)]
            try:
                for share in as_completed(shares):
                    share.result()
            except KeyboardInterrupt:
                for each in multiprocessing.active_children():
                    each.terminate()
                raise
    played = [cell for cell in remembered().values() if cell.key in {each.key for each in wanted}]
    bad = [cell for cell in played if cell.wrong]
    print(f"\n{table(played)}\n\n{len(played) - len(bad)} of {len(wanted)} cells hold")
    for cell in bad:
        print(f"WRONG {' / '.join(cell.key)}: {'; '.join(cell.wrong or ())}")
    if given.write:
        write({**remembered(KEPT), **remembered()})
    return int(len(played) - len(bad) != len(wanted))


@dataclass(frozen=True)
class Walk:
    """How a walk through the kill points went: how many there were, what was wrong, and those that were not met."""

    goes_on: str
    points: int
    wrong: tuple[str, ...]
    not_met: tuple[str, ...]

    def __str__(self) -> str:
        met = self.points - len(self.not_met)
        counts = [f"{sum(words in text for text in self.wrong)} {what}" for what, words in kills.COUNTED.items()]
        went = f"{met} killed there and resumed, {', '.join(counts)}, {len(self.wrong)} wrong in all"
        return f"goes on on {self.goes_on}: {self.points} points before and after events, {went}"


def walk_through(goes_on: str, every: int) -> Walk:
    """Kill Fridays at all points, on a stage of its own; whoever goes on is the same controller or another one."""
    _end_in_order()
    with tempfile.TemporaryDirectory(prefix="friday-fleet-") as folder, Stage(Path(folder)) as stage:
        with stage.fleet(KILLED) as (_, controller):
            code, output = controller.run(friday_soak=0)
            if code:
                return Walk(goes_on, 0, (f"a Friday that nobody kills ends with {code}: {output[-2000:]}",), ())
            points = list(dict.fromkeys(kills.points(controller.events())))[::every]
        print(f"goes on on {goes_on}: {len(points)} points of a Friday on {len(KILLED)} hosts", flush=True)
        left, wrong, numbers = list(points), [], itertools.count(1)

        def tell(step: kills.Step) -> None:
            good = "as it has to be" if not step.wrong else "WRONG: " + "; ".join(step.wrong)
            name = step.point or "to the end"
            print(f"{goes_on} {next(numbers):>3} {name}: {good} ({duration(step.seconds)})", flush=True)

        while left:
            with stage.fleet(KILLED) as (world, controller):
                steps = kills.walk(world, _controllers(stage, world, controller, goes_on), left, tell)
            wrong += [f"{step.point or 'to the end'}: {text}" for step in steps for text in step.wrong]
            met = {step.point for step in steps}
            if met == {None}:
                break
            left = [point for point in left if point not in met]
        return Walk(goes_on, len(points), tuple(wrong), tuple(map(str, left)))


def _controllers(stage: Stage, world: World, controller: Controller, goes_on: str) -> Iterator[Controller]:
    yield controller
    for number in itertools.count():
        yield controller if goes_on == SAME else stage.another(world, controller, f"other-{number}")


def kill_points(given: argparse.Namespace) -> int:
    """Both walks at a time; 0 when every run was killed where it should, and the sums are right."""
    _end_in_order()
    with ProcessPoolExecutor(2) as pool:
        running = [pool.submit(walk_through, goes_on, given.every) for goes_on in (SAME, OTHER)]
        try:
            walks = [each.result() for each in running]
        except KeyboardInterrupt:
            for child in multiprocessing.active_children():
                child.terminate()
            raise
    print(f"\nat {_commit()}:")
    for walk in walks:
        print(walk)
        print("".join(f"WRONG {text}\n" for text in walk.wrong), end="")
        print("".join(f"NOT MET {text}\n" for text in walk.not_met), end="")
    return int(any(walk.wrong or walk.not_met for walk in walks))


def main() -> int:
    """Carry out one command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    commands = parser.add_subparsers(required=True)
    matrix = commands.add_parser("abort-matrix")
    matrix.set_defaults(command=abort_matrix)
    matrix.add_argument("--core", default="", help="only versions that begin so")
    matrix.add_argument("--what", default="", help="only ways to die with these words")
    matrix.add_argument("--where", default="", help="only places with these words")
    matrix.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="fleets at a time")
    matrix.add_argument("--anew", action="store_true", help="forget what was played before")
    matrix.add_argument("--rest", action="store_true", help="only cells that the documentation does not have")
    matrix.add_argument("--write", action="store_true", help="put the table into the documentation")
    points = commands.add_parser("kill-points")
    points.set_defaults(command=kill_points)
    points.add_argument("--every", type=int, default=1, help="every so many points only")
    given = parser.parse_args()
    try:
        return int(given.command(given))
    except KeyboardInterrupt:
        print("interrupted; what it had started is ended", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
