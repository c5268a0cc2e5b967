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
    with pytest.raises(RuntimeError, match="made nothing"):
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
    with progress.step("building", 90):
        pass
    with pytest.raises(ValueError), progress.step("breaking", 1):
        raise ValueError
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[lab] building (about 1 min 30 s)"
    assert lines[1].startswith("[lab] building: done in ")
    assert lines[3].startswith("[lab] breaking: failed in ")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FRIDAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert paths.cache() == tmp_path / "xdg" / "friday"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert paths.cache() == tmp_path / "home" / ".cache" / "friday"
