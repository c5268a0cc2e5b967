# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""BPF objects of our own, compiled with the clang of the lab's Cilium image: program types, features, kinds of failure.

A source that libbpf can't load as it is written (Cilium's old ways) has a form for libbpf behind ``#ifdef LIBBPF``, of
the same instructions: a kernel's verdict on that one is the real one.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.artifact import build
from lab.artifacts import images

SOURCES = Path(__file__).with_name("corpus")
_FLAGS = ("-O2", "-g", "-target", "bpf", "-Wall", "-Werror", "-Wno-unused-variable", "-Wno-unused-function")
_TWINS = re.compile(rb"\blinked: (\w+) is (\w+)\b")
_MCPU = re.compile(r"\bmcpu=(v\d)\b")


@dataclass(frozen=True)
class Sample:
    """One object: as it is rehearsed, and as libbpf loads it (mostly the same)."""

    name: str
    rehearsed: Path
    real: Path


def samples() -> list[Sample]:
    """All of the corpus, compiled (about 5 s the first time)."""
    clang = images.clang_command(images.cilium_root())

    def make(target: Path) -> None:
        target.mkdir()
        for source in sorted(SOURCES.glob("*.c")):
            _compile(clang, source, target / f"{source.stem}.o")
            if "#ifdef LIBBPF" in source.read_text():
                _compile(clang, source, target / f"{source.stem}.libbpf.o", "-DLIBBPF")

    folder = build("bpf-corpus", [SOURCES, *_FLAGS, images.CLANG], make, 5)
    found = []
    for source in sorted(SOURCES.glob("*.c")):
        rehearsed, real = folder / f"{source.stem}.o", folder / f"{source.stem}.libbpf.o"
        found.append(Sample(source.stem, rehearsed, real if real.exists() else rehearsed))
    return found


def _compile(clang: list[str], source: Path, target: Path, *more: str) -> None:
    """``mcpu=v3`` in a source's first comment is its instruction set; v2 otherwise, as the incident was.

    ``linked: b is a`` there gives the function b the name of a, as linking two objects may.
    """
    found = _MCPU.search(source.read_text())
    mcpu = f"-mcpu={found[1] if found else 'v2'}"
    subprocess.run([*clang, *_FLAGS, mcpu, *more, "-c", str(source), "-o", str(target)], check=True)
    if twins := _TWINS.search(source.read_bytes().partition(b"\n")[0]):
        target.write_bytes(target.read_bytes().replace(twins[1] + b"\0", twins[2] + b"\0"))
