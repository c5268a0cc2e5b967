# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the tiers of ``make test``, the quick ones first, and sum up.

A tier that fails doesn't keep the next from running, so that one run shows everything. A tier in which nothing ran
(no tests, no tool, every test skipped, no time left) **could not run**, which fails the run just as a failed test does.

The last line is ``N passed, N failed`` over all tiers. It counts pytest's tests, the steps of lint and the scenarios of
molecule; a tier that broke without a count is one failure. The table above it, with the slowest parts of each tier, is
kept in the cache folder (``tests/last.txt``, with the commit), as is how long each tier took: a fresh clone knows both.

Usage: ``python -m tools.tiers [TIER...]``. ``FRIDAY_TEST_SECONDS`` limits the whole run (CI has a limit of its own,
which would end the run without a word).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from lab import paths
from lab.durations import Durations, Work
from lab.progress import duration, words

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "tests"
"""JUnit files of the pytest tiers."""


class Result(str, Enum):
    """How a tier ended."""

    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_RUN = "COULD NOT RUN"


@dataclass(frozen=True)
class Counts:
    """Tests by outcome; an error in a test's set-up or tear-down counts as a failure."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


@dataclass(frozen=True)
class Part:
    """A test, a step or the preparation of a tier, and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of one tier. ``note`` says why, in a few words, when it did not pass.

    ``parts`` is where its time went. Parts that ran side by side add up to more than the tier took.
    """

    tier: str
    result: Result
    counts: Counts
    seconds: float
    note: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Step:
    """One command of a tier that is not pytest."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Tier:
    """A tier: pytest on ``tests/NAME``, or the ``steps`` when given.

    ``estimate`` and ``limit`` are in seconds; over its limit a tier is ended. The estimate is what it took on two quiet
    cores: what is shown is judged by it and by what was measured here. ``builds``: what of the lab has to be
    built before, which takes its own time (``python -m lab build``); empty: nothing of it is needed. ``options``: what
    its pytest is told besides.
    """

    name: str
    estimate: int
    limit: int
    builds: str = ""
    options: tuple[str, ...] = ()
    steps: Callable[[], Sequence[Step]] | None = None

    @property
    def work(self) -> Work:
        """The tier as something whose duration is remembered."""
        return self.name, self.estimate


def judge_pytest(tier: str, code: int | None, report: str | None, seconds: float) -> Outcome:
    """Judge a pytest run by its exit code (``None``: ended at its limit) and JUnit XML (``None``: it wrote none)."""
    counts, parts = (count_junit(report), timed(report)) if report else (Counts(), ())
    broken = _PYTEST_BROKEN.get(code, f"pytest exited with code {code}") if code not in (0, 1) else ""
    if counts.failed:
        names = _some(failing(report or ""))
        return Outcome(tier, Result.FAILED, counts, seconds, "; ".join(filter(None, (broken, names))), parts)
    if broken:
        return Outcome(tier, Result.COULD_NOT_RUN, counts, seconds, broken, parts)
    if code == 1:
        return Outcome(tier, Result.FAILED, counts, seconds, "pytest failed, but its report has no failure")
    if not counts.passed:
        note = "every test was skipped" if counts.skipped else "no tests"
        return Outcome(tier, Result.COULD_NOT_RUN, counts, seconds, note)
    return Outcome(tier, Result.PASSED, counts, seconds, parts=parts)


_PYTEST_BROKEN: Mapping[int | None, str] = {
    None: "stopped at its time limit",
    2: "interrupted, or errors during collection",
    3: "pytest's internal error",
    4: "pytest's usage error",
    5: "no tests",
}


def count_junit(report: str) -> Counts:
    """Sum the suites of a JUnit XML report. Raises ``ET.ParseError`` when it is torn."""
    total = Counts()
    for suite in ET.fromstring(report).iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        total += Counts(max(int(suite.get("tests", 0)) - bad - skipped, 0), bad, skipped)
    return total


def timed(report: str) -> tuple[Part, ...]:
    """The tests in a JUnit XML report, and how long each took.

    What a shared fixture does counts for the test that asked for it first. Where that would hide what took so long (the
    lab's story is played by one fixture), each test records its own share as the property ``seconds``.
    """
    return tuple(Part(case.get("name", ""), _seconds(case)) for case in ET.fromstring(report).iter("testcase"))


def _seconds(case: ET.Element) -> float:
    own = (each.get("value") for each in case.iter("property") if each.get("name") == "seconds")
    return float(next(own, None) or case.get("time") or 0)


def failing(report: str) -> list[str]:
    """Names of the tests in a JUnit XML report that failed, or whose set-up or tear-down did, each once."""
    cases = ET.fromstring(report).iter("testcase")
    bad = (case for case in cases if case.find("failure") is not None or case.find("error") is not None)
    return list(dict.fromkeys(case.get("name", "") for case in bad))


def _some(names: Sequence[str], most: int = 3) -> str:
    """A few of these names, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def judge_steps(tier: str, failed: Sequence[str], passed: int, seconds: float, parts: Sequence[Part] = ()) -> Outcome:
    """Judge a tier of steps by the names of those that failed and the number of those that passed."""
    counts = Counts(passed=passed, failed=len(failed))
    if failed:
        return Outcome(tier, Result.FAILED, counts, seconds, ", ".join(failed), tuple(parts))
    if not passed:
        return Outcome(tier, Result.COULD_NOT_RUN, counts, seconds, "nothing to run")
    return Outcome(tier, Result.PASSED, counts, seconds, parts=tuple(parts))


def total(outcomes: Iterable[Outcome]) -> Counts:
    """The sum over tiers; a tier that did not pass and counted no failure is one."""
    result = Counts()
    for outcome in outcomes:
        silent = outcome.result is not Result.PASSED and not outcome.counts.failed
        result += outcome.counts + Counts(failed=int(silent))
    return result


def table(outcomes: Iterable[Outcome]) -> str:
    """The closing table, for people."""
    lines = [f"{'tier':<12}{'result':<15}{'passed':>7}{'failed':>8}{'skipped':>9}  {'time':<13}note"]
    for o in outcomes:
        counts = f"{o.counts.passed:>7}{o.counts.failed:>8}{o.counts.skipped:>9}"
        lines.append(f"{o.tier:<12}{o.result.value:<15}{counts}  {duration(o.seconds):<13}{o.note}".rstrip())
    return "\n".join(lines)


def profile(outcomes: Iterable[Outcome], most: int = 5) -> str:
    """Where the time went: the parts of each tier that took longest, the longest first; none that took under 1 s."""
    lines = []
    for outcome in outcomes:
        slow = sorted((part for part in outcome.parts if part.seconds >= 1), key=lambda part: -part.seconds)
        shown = ", ".join(f"{part.name} {duration(part.seconds)}" for part in slow[:most])
        if shown:
            lines.append(f"{outcome.tier:<12}{duration(outcome.seconds):<13}{shown}")
    return "\n".join(["slowest of each tier:", *lines] if lines else [])


def lint_steps() -> Sequence[Step]:
    """The steps of lint, quick first."""
    return (
        Step("shell syntax", ("bash", "-n", "tools/setup", ".ci/run")),
        Step("ruff", ("ruff", "check", ".")),
        Step("ruff format", ("ruff", "format", "--check", ".")),
        Step("yamllint", ("yamllint", "--strict", ".")),
        Step("nodes' Python", ("python", "-m", "tools.check_node_python")),
        Step(
            "import rules",
            ("env", "PYTHONPATH=collections:.", "lint-imports", "--no-logo", "--cache-dir", "build/import-linter"),
        ),
        Step(
            "types",
            ("mypy", "-p", "ansible_collections.friday.upgrade.plugins.plugin_utils", "-p", "lab", "-p", "tools"),
        ),
        Step("gofmt", ("python", "-m", "tools.check_go", "format")),
        Step("go vet", ("python", "-m", "tools.check_go", "vet")),
        Step("go test", ("python", "-m", "tools.check_go", "test")),
        Step("documentation", ("python", "-m", "tools.check_docs")),
        Step("collection", ("python", "-m", "tools.check_collection")),
        Step("ansible-lint", ("ansible-lint", "--offline", "--strict")),
    )


def molecule_steps() -> Sequence[Step]:
    """One step per scenario. ``default`` owns the VMs (shared state): created by the first, destroyed at the end.

    What molecule remembers of an earlier run is dropped first: it would take VMs that are gone for created.
    """
    names = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    scenarios = [name for name in names if name != "default"]
    plain = "--no-command-borders"
    tests = [
        Step(name, ("molecule", "test", plain, "--destroy", "never", "--scenario-name", name)) for name in scenarios
    ]
    reset = Step("reset", ("molecule", "reset", "--scenario-name", "default"))
    destroy = Step("destroy", ("molecule", "destroy", plain, "--scenario-name", "default"))
    return (reset, *tests, destroy) if tests else ()


SPREAD = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadgroup")
"""Tests side by side, one for each processor but no more than four: each brings a control plane of 600 MB."""

TIERS = (
    Tier("lint", estimate=60, limit=900, steps=lint_steps),
    Tier("unit", estimate=30, limit=600),
    Tier("playbooks", estimate=600, limit=1800, builds="control-plane", options=SPREAD),
    Tier("cluster", estimate=90, limit=1800, builds="control-plane"),
    Tier("installed", estimate=90, limit=1200, builds="control-plane", options=SPREAD),
    Tier("rehearsal", estimate=240, limit=1200, builds="all"),
    Tier("lab", estimate=2400, limit=3600, builds="all"),
    Tier("molecule", estimate=900, limit=2400, builds="all", steps=molecule_steps),
)


class OutOfTime(Exception):
    """A command was ended at its time limit."""


def call(command: Sequence[str], limit: float) -> int:
    """Run a command with this process's output and no input; return its exit code.

    It leads a process group of its own, which is ended as a whole at the limit (seconds), on Ctrl-C and on SIGTERM:
    tests start programs, and none may outlive them. Raises ``OutOfTime`` at the limit.
    """
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(timeout=max(limit, 0))
    except subprocess.TimeoutExpired:
        raise OutOfTime(command[0]) from None
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a process group: SIGTERM, ten seconds to clean up when its leader still runs, SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return  # its leader cleaned up; what the leader left running on purpose (the lab) stays
        os.killpg(process.pid, number)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue


def run_tier(tier: Tier, limit: float) -> Outcome:
    """Run one tier. ``limit``: seconds that are left for it and what it needs; the tier has one of its own, too."""
    started = time.monotonic()
    deadline = started + limit
    if limit <= 0:
        return Outcome(tier.name, Result.COULD_NOT_RUN, Counts(), 0, "no time left")
    note = prepare(tier, limit) if tier.builds else ""
    prepared = Part("set-up and build", time.monotonic() - started)
    if note:
        return Outcome(tier.name, Result.COULD_NOT_RUN, Counts(), prepared.seconds, note, (prepared,))
    deadline = min(deadline, time.monotonic() + tier.limit)
    run = _run_steps(tier.name, tier.steps(), started, deadline) if tier.steps else _run_pytest(tier, started, deadline)
    return replace(run, parts=(prepared, *run.parts))


def prepare(tier: Tier, limit: float) -> str:
    """Install and build what the tier needs of the lab, in front of everybody: pytest would hide how far it is.

    Returns why that did not succeed within ``limit`` seconds; empty when it did.
    """
    deadline = time.monotonic() + limit
    try:
        if call((str(ROOT / "tools" / "setup"), "lab"), limit):
            return "the lab's set-up failed"
        if call(("python", "-m", "lab", "build", tier.builds), deadline - time.monotonic()):
            return "what it needs could not be built"
    except OutOfTime:
        return "what it needs took too long to build"
    return ""


def _run_pytest(tier: Tier, started: float, deadline: float) -> Outcome:
    report = RESULTS / f"{tier.name}.xml"
    report.unlink(missing_ok=True)
    options = (*tier.options, "--strict-config", f"--junit-xml={report}")
    command = ("python", "-m", "pytest", f"tests/{tier.name}", *options)
    code: int | None = None
    if not (ROOT / "tests" / tier.name).is_dir():
        return judge_pytest(tier.name, 5, None, 0)
    try:
        code = call(command, deadline - time.monotonic())
    except OutOfTime:
        pass
    text = report.read_text(encoding="utf-8") if report.exists() else None
    return judge_pytest(tier.name, code, text, time.monotonic() - started)


def _run_steps(tier: str, steps: Sequence[Step], started: float, deadline: float) -> Outcome:
    passed, failed, parts = 0, [], []
    for step in steps:
        begun = time.monotonic()
        print(f"[{tier}] {step.name}", flush=True)
        try:
            code = call(step.command, deadline - time.monotonic())
            word = "passed" if code == 0 else f"FAILED (exit {code})"
        except OutOfTime:
            word = "FAILED (time limit)"
        except FileNotFoundError as error:
            word = f"FAILED (no {error.filename})"
        if word == "passed":
            passed += 1
        else:
            failed.append(step.name)
        parts.append(Part(step.name, time.monotonic() - begun))
        print(f"[{tier}] {step.name}: {word} in {duration(parts[-1].seconds)}", flush=True)
    return judge_steps(tier, failed, passed, time.monotonic() - started, parts)


def main(names: Sequence[str]) -> int:
    """Run the named tiers (none named: all), print the table and the closing line; 0 if every one passed."""
    known = {tier.name: tier for tier in TIERS}
    if unknown := [name for name in names if name not in known]:
        print(f"unknown tier: {', '.join(unknown)}; known are {', '.join(known)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM ends the tier's programs too
    RESULTS.mkdir(parents=True, exist_ok=True)
    began = time.strftime("%Y-%m-%d %H:%M")
    deadline = time.monotonic() + float(os.environ.get("FRIDAY_TEST_SECONDS") or "inf")
    memory = paths.tests()
    measured = Durations(memory / "seconds.json")
    outcomes = []
    for tier in [known[name] for name in names] or TIERS:
        limit = deadline - time.monotonic()
        print(f"\n[{tier.name}] {words(measured.expected(tier.work)) or 'not measured here yet'}", flush=True)
        try:
            outcome = run_tier(tier, limit)
        except KeyboardInterrupt:
            outcomes.append(Outcome(tier.name, Result.COULD_NOT_RUN, Counts(), 0, "interrupted"))
            break
        outcomes.append(outcome)
        if outcome.result is Result.PASSED:
            measured.remember(tier.work, outcome.seconds)
        print(
            f"[{tier.name}] {outcome.result.value} in {duration(outcome.seconds)} {outcome.note}".rstrip(), flush=True
        )
    counts = total(outcomes)
    parts = (table(outcomes), profile(outcomes), f"{counts.passed} passed, {counts.failed} failed")
    result = "\n\n".join(filter(None, parts))
    if not names:  # what was run in part says nothing about the whole
        (memory / "last.txt").write_text(f"{began}, {_commit()}\n{result}\n", encoding="utf-8")
    print(f"\n{result}", flush=True)
    return int(any(outcome.result is not Result.PASSED for outcome in outcomes))


def _commit() -> str:
    """What was tested: the commit, and whether files differ from it."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip() or "no commit"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
