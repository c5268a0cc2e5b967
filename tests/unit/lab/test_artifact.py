# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts are built once, whole or not at all, and named by what they are made of."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lab import artifact, paths, progress


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRIDAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(text: str):
    return lambda path: path.write_text(text)


def test_is_built_once_and_found_again() -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_text("whole")

    first = artifact.build("thing", ["a"], make, 1)
    assert artifact.build("thing", ["a"], make, 1) == first
    assert len(made) == 1
    assert first.read_text() == "whole"
    assert first.parent == paths.artifacts()


def test_another_input_is_another_artifact() -> None:
    assert artifact.build("thing", ["a"], write(""), 1) != artifact.build("thing", ["b"], write(""), 1)


def test_a_failed_build_leaves_nothing() -> None:
    def fail(path: Path) -> None:
        path.mkdir()
        (path / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        artifact.build("thing", [], fail, 1)
    assert [path for path in paths.artifacts().iterdir() if path.suffix != ".lock"] == []


def test_what_an_interrupted_build_left_is_not_taken_for_whole() -> None:
    target = artifact.build("thing", [], write("whole"), 1)
    partial = target.with_name(f".{target.name}.partial")
    target.rename(partial)
    assert artifact.build("thing", [], write("new"), 1).read_text() == "new"
    assert not partial.exists()


def test_a_build_that_makes_nothing_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="produced nothing"):
        artifact.build("thing", [], lambda path: None, 1)


def test_two_at_once_build_once() -> None:
    made: list[int] = []

    def make(path: Path) -> None:
        made.append(1)
        path.touch()

    threads = [threading.Thread(target=artifact.build, args=("thing", ["x"], make, 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_the_digest_frames_its_parts(tmp_path: Path) -> None:
    assert artifact.digest(["ab", "c"]) != artifact.digest(["a", "bc"])
    assert artifact.digest(["ab"]) == artifact.digest([b"ab"])
    file = tmp_path / "file"
    file.write_bytes(b"ab")
    assert artifact.digest([file]) == artifact.digest([b"ab"])


def test_a_folder_counts_by_names_and_contents_without_tests(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("x")
    before = artifact.digest([tmp_path])
    (tmp_path / "main_test.go").write_text("y")
    assert artifact.digest([tmp_path]) == before
    (tmp_path / "main.go").rename(tmp_path / "other.go")
    assert artifact.digest([tmp_path]) != before


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (12.4, "12 s"), (60, "1 min"), (430, "7 min 10 s"), (3600, "1 h"), (3900, "1 h 5 min")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_a_step_says_its_start_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """How long it takes is said once it was measured; what failed was not."""
    with pytest.raises(ValueError), progress.step("building", 90):
        raise ValueError
    for _ in range(2):
        with progress.step("building", 90):
            pass
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == lines[2] == "[lab] building"
    assert lines[1].startswith("[lab] building: failed in ")
    assert lines[3].startswith("[lab] building: done in ")
    assert lines[4] == "[lab] building (about 0.0 s, as last time)"


def test_planning_builds_nothing_and_says_what_would_be(made: list[str]) -> None:
    """What is there already is left out; what is made of something missing is named too."""
    artifact.build("there", ["x"], lambda target: target.touch(), 1)
    with artifact.planning() as plan:
        for _ in range(2):
            first = artifact.build("first", ["x"], lambda _: made.append("first"), 30)
        artifact.build("there", ["x"], lambda _: made.append("there"), 1)
        second = artifact.build("second", [first.name], lambda _: made.append("second"), 60)
        second.read_bytes()
        artifact.build("third", [], lambda _: made.append("third"), 1)
    assert plan.missing == {"building first": 30, "building second": 60}
    assert list(plan.there) == ["there"]
    assert made == []
    assert artifact.build("first", ["x"], lambda target: target.touch(), 30).exists(), "and then it builds again"


@pytest.fixture
def made() -> list[str]:
    return []


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FRIDAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert paths.cache() == tmp_path / "xdg" / "friday"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert paths.cache() == tmp_path / "home" / ".cache" / "friday"
