# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of the Go programs fail when something is wrong, and when they could not run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import check_go, tiers

UGLY = "package main\nfunc main() {\nprintln( 1 )\n}\n"


@pytest.fixture
def no_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    def toolchain() -> Path:
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(check_go.go, "toolchain", toolchain)


def test_lint_has_the_checks_of_go() -> None:
    steps = {step.name: step.command[1:] for step in tiers.lint_steps()}
    for name, command in (("gofmt", "format"), ("go vet", "vet"), ("go test", "test")):
        assert steps[name] == ("-m", "tools.check_go", command)


@pytest.mark.parametrize("command", ["format", "vet", "test"])
@pytest.mark.usefixtures("no_toolchain")
def test_without_go_a_check_fails_and_says_what_to_install(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_go.shutil, "which", lambda _name: None)
    assert check_go.main([command]) == 1
    said = capsys.readouterr().err
    assert "could not be checked" in said
    assert "install Go 1.25 or newer" in said


@pytest.mark.usefixtures("no_toolchain")
def test_the_machines_own_go_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_go.shutil, "which", lambda name: f"/opt/go/bin/{name}")
    assert check_go.program() == Path("/opt/go/bin/go")


def test_all_go_files_are_looked_at() -> None:
    folders = {path.parent.name for path in check_go.sources()}
    assert folders >= {"loader", "labapp", "kubernetes", "oracle"}


def test_a_file_that_is_not_formatted_fails(tmp_path: Path) -> None:
    ugly = tmp_path / "roles" / "main.go"
    ugly.parent.mkdir()
    ugly.write_text(UGLY)
    go = check_go.program()
    assert "println(1)" in check_go.unformatted(go, check_go.sources(tmp_path))
    ugly.write_text("package main {")
    assert "expected" in check_go.unformatted(go, [ugly]), "what is no Go at all"
    assert check_go.unformatted(go, []), "no files are no pass"


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("vet", 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Printf("%d", "text") }\n'),
        ("test", 'package main\n\nimport "testing"\n\nfunc TestX(t *testing.T) { t.Error("wrong") }\n'),
    ],
)
def test_a_finding_fails(command: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.25.0\n")
    (tmp_path / ("main_test.go" if command == "test" else "main.go")).write_text(file)
    monkeypatch.setattr(check_go, "MODULES", {command: (tmp_path,)})
    assert check_go.main([command]) == 1


def test_other_commands_are_refused() -> None:
    assert check_go.main([]) == check_go.main(["build"]) == 2
