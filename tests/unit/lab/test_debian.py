# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mirror is the machine's own, in whichever format its sources are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.artifacts import debian, repository


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(debian, "_SOURCES", tmp_path)
    for name in ("FRIDAY_DEBIAN_MIRROR", "FRIDAY_DEBIAN_SECURITY_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_one_line_format(etc: Path) -> None:
    (etc / "sources.list").write_text(
        "# deb http://old.example/debian sid main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb http://security.example/debian-security bookworm-security main\n"
    )
    assert debian.mirror() == debian.Mirror("http://mirror.example/debian", "http://security.example/debian-security")


def test_deb822_format(etc: Path) -> None:
    (etc / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\n# URIs: http://no.example/debian\nURIs: http://mirror.example/debian\nSuites: trixie\n\n"
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: trixie-security\n"
    )
    assert debian.mirror() == debian.Mirror("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_another_distribution_has_to_be_told(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (etc / "sources.list").write_text("deb http://archive.example/ubuntu noble main\n")
    with pytest.raises(RuntimeError, match="FRIDAY_DEBIAN_MIRROR"):
        debian.mirror()
    monkeypatch.setenv("FRIDAY_DEBIAN_MIRROR", "http://m.example/debian")
    monkeypatch.setenv("FRIDAY_DEBIAN_SECURITY_MIRROR", "http://m.example/debian-security")
    assert debian.mirror() == debian.Mirror("http://m.example/debian", "http://m.example/debian-security")


def test_security_suites_come_from_the_security_archive() -> None:
    lines = debian.sources(
        "trixie", "trixie-security", source=debian.Mirror("http://a/debian", "http://s/debian-security")
    )
    assert [line.split("] ")[1] for line in lines] == [
        "http://a/debian trixie main",
        "http://s/debian-security trixie-security main",
    ]


def test_a_flat_repository_lists_its_packages(tmp_path: Path) -> None:
    control = tmp_path / "tiny" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        "Package: tiny\nVersion: 1.2\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
        "Description: a package\n of two lines\n"
    )
    folder = tmp_path / "repository"
    folder.mkdir()
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", "tiny", "repository/tiny_1.2_all.deb"],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    repository.index(folder)
    packages = (folder / "Packages").read_text()
    assert packages.startswith("Package: tiny\nVersion: 1.2\n")
    assert "\nDescription: a package\n of two lines\nFilename: ./tiny_1.2_all.deb\nSize: " in packages
    assert f" {len(packages)} Packages\n" in (folder / "Release").read_text()
