# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long things take here, and what the first command says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import story
from lab.artifact import Plan
from lab.cluster import lifecycle
from lab.cluster.lifecycle import FIRST_BOOT, RESTORE, Lab
from lab.durations import Durations, Expected
from lab.progress import words


@pytest.fixture
def durations(tmp_path: Path) -> Durations:
    return Durations(tmp_path / "durations.json")


def test_nothing_is_claimed_before_anything_was_measured(durations: Durations) -> None:
    assert durations.expected(("boot", 180)) == Expected(None)
    assert words(Expected(None)) == ""


def test_what_was_measured_is_what_is_expected(durations: Durations) -> None:
    durations.remember(("boot", 180), 300)
    durations.remember(("boot", 180), 400)
    assert durations.expected(("boot", 180)) == Expected(400, measured=True)
    assert words(durations.expected(("boot", 180))) == "about 6 min 40 s, as last time"


def test_the_rest_is_judged_by_the_pace_so_far(durations: Durations) -> None:
    """It follows what is measured: twice as long, then three times."""
    durations.remember(("boot", 100), 200)
    durations.remember(("check", 0.1), 50)  # took no time there: how much longer it takes here says nothing
    assert durations.expected(("build", 60)) == Expected(120)
    assert words(durations.expected(("build", 60))) == "about 2 min at this machine's pace"
    durations.remember(("copy", 100), 400)
    assert durations.expected(("boot", 100), ("build", 60)) == Expected(200 + 180)


@pytest.mark.parametrize("content", ["", "{torn", "[]", '{"boot": 3}'])
def test_a_torn_memory_is_an_empty_one(durations: Durations, content: str) -> None:
    durations.file.write_text(content)
    assert durations.expected(("boot", 1)) == Expected(None)
    durations.remember(("boot", 1), 2)
    assert durations.expected(("boot", 1)).seconds == 2


def test_the_first_command_says_what_it_will_do(durations: Durations) -> None:
    plan = Plan({"go": None, "labapp": None}, {"building kubernetes": 430})
    lines = story.outlook(plan, FIRST_BOOT, durations)
    assert lines[:3] == ["In the cache already: go, labapp.", "To do:", "  building kubernetes"]
    assert not [line for line in lines if "about" in line], "nothing was measured"
    assert lines[-1].endswith("nothing was measured yet.")
    assert story.outlook(Plan(), FIRST_BOOT, durations)[0] == "In the cache already: nothing."


def test_the_first_command_says_how_long_it_takes_here(durations: Durations) -> None:
    for title, seconds in story.CHAPTERS.items():
        durations.remember((f"chapter: {title}", seconds), 2 * seconds)
    lines = story.outlook(Plan(), [RESTORE], durations)
    assert "  restoring the snapshot: about 30 s at this machine's pace" in lines
    assert lines[-1] == "In all: about 1 h at this machine's pace."
    durations.remember(RESTORE, 8)
    assert story.outlook(Plan(), [RESTORE], durations)[-1] == "In all: about 1 h, as last time."


@pytest.mark.parametrize(("recorded", "steps"), [("same", [RESTORE]), ("other", [*FIRST_BOOT]), (None, [*FIRST_BOOT])])
def test_a_snapshot_that_does_not_fit_means_a_first_boot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorded: str | None, steps: list[tuple[str, float]]
) -> None:
    for module, name in (("kubernetes", "binary"), ("images", "archives"), ("image", "golden")):
        monkeypatch.setattr(getattr(lifecycle, module), name, lambda: None)
    monkeypatch.setattr(Lab, "services", lambda _: {})
    monkeypatch.setattr(Lab, "fingerprint", lambda _: "same")
    monkeypatch.setattr(Lab, "_recorded", lambda _: recorded)
    plan, boot = Lab(tmp_path, lifecycle.Ports()).plan()
    assert (plan, list(boot)) == (Plan(), steps)


def test_the_chapters_are_those_that_are_played() -> None:
    """A title that is played and not listed would end the story with an error."""
    source = Path(story.__file__).read_text()
    assert [title for title in story.CHAPTERS if source.count(f'"{title}"') != 2] == []
