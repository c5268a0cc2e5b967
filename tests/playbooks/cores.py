# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The versions of ansible-core that Friday works on, each in a virtual environment that stays in the cache.

By default the lowest and the highest, with ``FRIDAY_ALL_CORES=1`` all of them, each on this Python or the oldest that
fits, as far as one is found (this one, those on the PATH, those of pyenv).
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lab import artifact

ROOT = Path(__file__).resolve().parents[2]
_THIS = sys.version_info[:2]
_BUILD_SECONDS = 40
_PINNED_BY_CORE = ("ansible-core", "resolvelib")
RAN: list[str] = []
"""What was run on so far: version and Python."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its ansible-core, and the command that is its ansible-playbook."""

    core: str
    playbook: tuple[str, ...]


@dataclass(frozen=True)
class Core:
    """A version of ansible-core with the first and the last Python that it runs on as the controller.

    Source: the support matrix of ansible-core; the versions are the newest of their series.
    """

    version: str
    first: tuple[int, int]
    last: tuple[int, int]

    def __str__(self) -> str:
        return self.version

    def python(self) -> str:
        """The interpreter to run it on: this one; for all cores the oldest that fits; empty when there is none."""
        fitting = {version: path for version, path in interpreters().items() if self.first <= version <= self.last}
        if not fitting:
            return ""
        return fitting[_THIS] if _THIS in fitting and not _all() else fitting[min(fitting)]

    def environment(self) -> Environment:
        """Its environment, built if need be (about a minute the first time)."""
        python = self.python()
        if python == sys.executable and metadata.version("ansible-core") == self.version:
            folder = Path(sys.prefix)
        else:
            wanted = [f"ansible-core=={self.version}", "kubernetes", "jmespath"]
            pins = "\n".join(_pins())
            folder = artifact.build(
                f"ansible-core-{self.version}",
                [_version_of(python), *wanted, pins],
                lambda path: _make(path, python, wanted, pins),
                _BUILD_SECONDS,
            )
        RAN.append(f"{self.version} on Python {_version_of(python)}")
        # Not by its first line: that names the folder in which the environment was built.
        return Environment(self.version, (f"{folder}/bin/python", f"{folder}/bin/ansible-playbook"))


CORES = (
    Core("2.16.19", (3, 10), (3, 12)),
    Core("2.17.14", (3, 10), (3, 12)),
    Core("2.18.19", (3, 11), (3, 13)),
    Core("2.19.14", (3, 11), (3, 13)),
    Core("2.20.10", (3, 12), (3, 14)),
    Core("2.21.5", (3, 12), (3, 14)),
)


def chosen() -> tuple[Core, ...]:
    """The versions to run on."""
    able = tuple(core for core in CORES if core.python())
    return able if _all() or len(able) < 2 else (able[0], able[-1])


def _all() -> bool:
    return bool(os.environ.get("FRIDAY_ALL_CORES"))


def told() -> Iterator[str]:
    """Lines that say which versions ran, and which did not."""
    for line in RAN:
        yield f"RAN      {line}"
    for core in CORES:
        if not any(line.startswith(f"{core} ") for line in RAN):
            reason = "FRIDAY_ALL_CORES=1 runs it" if core.python() else "no fitting Python here"
            yield f"NOT RUN  {core} ({reason})"


@functools.cache
def interpreters() -> dict[tuple[int, int], str]:
    """Minor version -> path of an interpreter that runs."""
    found = {_THIS: sys.executable}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in range(10, 15):
        paths = [shutil.which(f"python3.{minor}"), *sorted(map(str, pyenv.glob(f"3.{minor}.*/bin/python3.{minor}")))]
        for path in filter(None, paths):
            if (3, minor) not in found and _version_of(path).startswith(f"3.{minor}."):
                found[3, minor] = path
    return found


@functools.cache
def _version_of(python: str) -> str:
    code = "import ensurepip, platform, venv; print(platform.python_version())"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def _pins() -> Iterator[str]:
    """requirements/run.txt as constraints, without hashes and without what depends on the core's version.

    An artifact is named by these, too: a new pin is a new environment.
    """
    for line in (ROOT / "requirements/run.txt").read_text(encoding="utf-8").splitlines():
        pin = re.match(r"([a-z0-9._-]+)==[^\\]*", line)
        if pin and pin[1] not in _PINNED_BY_CORE:
            yield pin[0].strip()


def _make(folder: Path, python: str, wanted: list[str], pins: str) -> None:
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(pins + "\n")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", str(constraints), *wanted]
    subprocess.run([f"{folder}/bin/python", *install], check=True)
