# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the tiers are judged and summed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import tiers
from tools.tiers import Counts, Outcome, Part, Result, Step, Tier


def junit(tests: int = 0, failures: int = 0, errors: int = 0, skipped: int = 0) -> str:
    numbers = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    return f'<?xml version="1.0"?><testsuites><testsuite name="pytest" {numbers}/></testsuites>'


def test_junit_counts_errors_as_failures() -> None:
    assert tiers.count_junit(junit(tests=10, failures=2, errors=1, skipped=3)) == Counts(4, 3, 3)


def test_failed_tests_are_named() -> None:
    """Those whose set-up failed, too; each once, and no more than a line has room for."""
    bad = [f'<testcase name="test_{name}"><failure/></testcase>' for name in "abcd"]
    broken = '<testcase name="test_e"><error/></testcase><testcase name="test_e"><error/></testcase>'
    cases = f'<testcase name="test_good"/>{broken}{"".join(bad)}'
    report = f'<testsuites><testsuite tests="6" failures="4" errors="1">{cases}</testsuite></testsuites>'
    assert tiers.failing(report) == ["test_e", "test_a", "test_b", "test_c", "test_d"]
    assert tiers.judge_pytest("unit", 1, report, 1).note == "test_e, test_a, test_b, and 2 more"


def test_a_test_is_as_long_as_it_took_or_says() -> None:
    """A fixture that does the work of several tests is not charged to the first of them alone."""
    own = '<testcase name="test_story[fix]" time="0.1"><properties><property name="seconds" value="61"/></properties>'
    cases = f'<testcase name="test_a" time="2.5"/>{own}</testcase>'
    report = f'<testsuites><testsuite tests="2">{cases}</testsuite></testsuites>'
    parts = (Part("test_a", 2.5), Part("test_story[fix]", 61.0))
    assert tiers.timed(report) == parts
    assert tiers.judge_pytest("lab", 0, report, 70).parts == parts


def test_the_profile_shows_the_slowest_of_each_tier() -> None:
    parts = tuple(Part(f"test_{seconds}", seconds) for seconds in (0.5, 3, 200, 40, 61))
    outcomes = [
        Outcome("unit", Result.PASSED, Counts(9), 8, parts=(Part("test_quick", 0.2),)),
        Outcome("lab", Result.FAILED, Counts(1, 1), 305, "test_3", parts),
    ]
    assert tiers.profile(outcomes, most=3) == (
        "slowest of each tier:\nlab         5 min 5 s    test_200 3 min 20 s, test_61 1 min 1 s, test_40 40 s"
    )
    assert tiers.profile(outcomes[:1]) == ""


@pytest.mark.parametrize(
    ("code", "report", "result", "note"),
    [
        (0, junit(tests=3, skipped=1), Result.PASSED, ""),
        (1, junit(tests=3, failures=1), Result.FAILED, ""),
        (1, None, Result.FAILED, "its report has no failure"),
        (5, junit(), Result.COULD_NOT_RUN, "no tests"),
        (0, junit(tests=4, skipped=4), Result.COULD_NOT_RUN, "every test was skipped"),
        (0, None, Result.COULD_NOT_RUN, "no tests"),
        (2, junit(tests=1, errors=1), Result.FAILED, "errors during collection"),
        (4, None, Result.COULD_NOT_RUN, "usage"),
        (-9, None, Result.COULD_NOT_RUN, "-9"),
        (None, None, Result.COULD_NOT_RUN, "time limit"),
        (None, junit(tests=2, failures=1), Result.FAILED, "time limit"),
    ],
)
def test_a_pytest_run_passes_only_with_passed_tests(
    code: int | None, report: str | None, result: Result, note: str
) -> None:
    outcome = tiers.judge_pytest("unit", code, report, 1.0)
    assert outcome.result is result
    assert note in outcome.note


def test_steps_without_any_could_not_run() -> None:
    assert tiers.judge_steps("molecule", [], 0, 0).result is Result.COULD_NOT_RUN
    assert tiers.judge_steps("lint", [], 3, 0).result is Result.PASSED
    failed = tiers.judge_steps("lint", ["ruff"], 2, 0)
    assert (failed.result, failed.note, failed.counts) == (Result.FAILED, "ruff", Counts(2, 1))


def test_a_tier_that_could_not_run_is_a_failure_in_the_total() -> None:
    outcomes = [
        Outcome("unit", Result.PASSED, Counts(10, 0, 1), 1),
        Outcome("cluster", Result.FAILED, Counts(4, 2), 1),
        Outcome("lab", Result.COULD_NOT_RUN, Counts(), 0, "no time left"),
    ]
    assert tiers.total(outcomes) == Counts(14, 3, 1)
    assert "no time left" in tiers.table(outcomes)


def test_a_tier_without_time_does_not_start() -> None:
    tier = Tier("lint", estimate=1, limit=1, steps=lambda: [Step("never", ("false",))])
    assert tiers.run_tier(tier, limit=0).note == "no time left"


def test_a_tier_whose_needs_cannot_be_met_could_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names what failed, and the tier itself does not start."""
    for failing, note in (("setup", "the lab's set-up failed"), ("lab", "what it needs could not be built")):
        asked: list[str] = []

        def call(command: Sequence[str], _limit: float, failing: str = failing, asked: list[str] = asked) -> int:
            asked.append(" ".join(command))
            return int(command[0].endswith(failing) or command[2:3] == (failing,))

        monkeypatch.setattr(tiers, "call", call)
        outcome = tiers.run_tier(Tier("lab", estimate=1, limit=1, builds="all"), limit=60)
        assert (outcome.result, outcome.note) == (Result.COULD_NOT_RUN, note)
        assert not [command for command in asked if "pytest" in command]


def test_a_tier_has_its_own_limit_and_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    monkeypatch.setattr(tiers, "prepare", lambda _tier, _limit: "")
    monkeypatch.setattr(tiers, "call", lambda _command, limit: limits.append(limit) or 0)
    steps = [Step("one", ("true",))]
    tiers.run_tier(Tier("x", estimate=1, limit=100, builds="all", steps=lambda: steps), limit=1000)
    tiers.run_tier(Tier("x", estimate=1, limit=100, builds="all", steps=lambda: steps), limit=50)
    assert limits[0] <= 100
    assert limits[1] <= 50, "what is left of all is less than the tier's own"


def test_a_tier_without_a_folder_could_not_run() -> None:
    assert tiers.run_tier(Tier("no-such-tier", estimate=1, limit=5), limit=5).result is Result.COULD_NOT_RUN


def test_all_steps_run_after_a_failed_one_and_a_missing_program_fails() -> None:
    steps = [Step("bad", ("false",)), Step("missing", ("friday-no-such-program",)), Step("good", ("true",))]
    outcome = tiers.run_tier(Tier("lint", estimate=1, limit=5, steps=lambda: steps), limit=5)
    assert [part.name for part in outcome.parts] == ["set-up and build", "bad", "missing", "good"]
    assert outcome.counts == Counts(passed=1, failed=2)
    assert outcome.note == "bad, missing"


def test_a_command_at_its_limit_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(tiers.OutOfTime):
        tiers.call(("bash", "-c", f"sleep 60 & echo $! > {pid_file}; wait"), limit=1)
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    """Whether a process is alive; a zombie that nobody reaps here is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_unknown_tiers_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert tiers.main(["unti"]) == 2
    assert "unti" in capsys.readouterr().err


def test_the_last_line_is_the_count(tmp_path: Path) -> None:
    """As a person or CI runs it: table, then the counts alone on the last line, and the exit code.

    What the cache folder remembers afterwards is the last run of all tiers, and how long those took that passed.
    """
    script = (
        "import sys; from pathlib import Path; from tools import tiers\n"
        "tiers.RESULTS = Path(sys.argv[1]) / 'results'\n"
        "good = tiers.Tier('good', 1, 9, steps=lambda: [tiers.Step('a', ('sleep', '1'))])\n"
        "bad = tiers.Tier('bad', 1, 9, steps=lambda: [tiers.Step('b', ('false',))])\n"
        "tiers.TIERS = (bad, good)\n"
        "sys.exit(tiers.main(sys.argv[2:]))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "FRIDAY_TEST_SECONDS": "", "FRIDAY_CACHE": str(tmp_path / "cache")}
    memory = tmp_path / "cache/tests"
    memory.mkdir(parents=True)
    (memory / "seconds.json").write_text("{torn")
    both = subprocess.run(command, cwd=tiers.ROOT, capture_output=True, text=True, env=environment)
    assert both.returncode == 1, both.stderr
    assert both.stdout.splitlines()[-1] == "1 passed, 1 failed"
    good = subprocess.run([*command, "good"], cwd=tiers.ROOT, capture_output=True, text=True, env=environment)
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed")
    last = (memory / "last.txt").read_text()
    assert last.endswith("\n1 passed, 1 failed\n")
    assert "bad         failed" in last
    assert "slowest of each tier:\ngood " in last
    assert list(json.loads((memory / "seconds.json").read_text())) == ["good"]
    assert "[bad] not measured here yet" in both.stdout
    assert "[good] about 1 s, as last time" in good.stdout
