# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cilium's own BPF objects, of every version that is in use: its sources compiled in the cache with upstream's options.

A Go module of Cilium has the sources, and the options that its verifier tests compile them with
(``bpf/complexity-tests``): those for kernel 6.1 (``61``) and for the newest one (``netnext``). Neither sources nor
objects are ever part of this repository.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.artifact import build
from lab.artifacts import cilium, go, images

VERSIONS = {
    "1.16.5": "h1:ecjhh98fl6Ki641+8Cdb0oynsy3toQ+oPLCSI3d+KLE=",
    "1.17.6": "h1:5BgAhTKJH2rzsipQL1/GzEVRmKEujMvcFD+zcMZqLHU=",
    "1.18.6": "h1:acz5aRKhZbarCO1flx2vCP9wBh+lDc02uJgdqiTsJbA=",
    "1.19.7": "h1:tB4VfNVhRRlUD1fnVrZN/qhDQnjluMRMcWLK8XDRS6w=",
    "1.20.2": "h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8=",
}
"""The module's version -> its sum, as go.sum has it."""

SOURCES = (
    *("bpf_host", "bpf_lxc", "bpf_network", "bpf_overlay", "bpf_sock", "bpf_sock_term", "bpf_wireguard", "bpf_xdp"),
)
"""What an agent loads; not every version has all of them."""

MAKEFILE = "makefile"
CONFIGURATIONS = ("61", "netnext", MAKEFILE)
"""Upstream's options for kernel 6.1, for the newest, and those that its Makefile has for want of others."""

# As Cilium's own bpf/Makefile.bpf has them, without the warnings.
_FLAGS = ("-O2", "-g", "--target=bpf", "-nostdinc", "-ftrap-function=__undefined_trap", "-mcpu=v3", "-w")
_PROCESSORS = 4  # sources up to 1.17 want to know how many there are
_NEWER_C = (1, 19)


@dataclass(frozen=True)
class Sample:
    """One object: the version of Cilium, the configuration, the source, the number of the set of options."""

    version: str
    configuration: str
    source: str
    number: str
    path: Path

    @property
    def name(self) -> str:
        return f"{self.source} {self.number}".strip()


def samples(configuration: str, version: str, sources: Sequence[str] = SOURCES) -> list[Sample]:
    """The objects of a version in a configuration (2 to 4 s each the first time)."""
    found = []
    for source in sources:
        for path in sorted(_compiled(version, configuration, source).glob("*.o")):
            found.append(Sample(version, configuration, source, path.stem, path))
    return found


def _compiled(version: str, configuration: str, source: str) -> Path:
    """A folder with the objects of a source, by the numbers of their sets of options; empty without a source."""

    def make(target: Path) -> None:
        folder = _module(version) / "bpf"
        target.mkdir()
        if not (folder / f"{source}.c").exists():
            return
        clang = images.clang_command(images.cilium_root())
        flags = [*_FLAGS, _standard(version), f"-D__NR_CPUS__={_PROCESSORS}", f"-I{folder}", f"-I{folder}/include"]
        for number, options in _options(folder, configuration, source):
            command = [*clang, *flags, *options, "-c", f"{folder}/{source}.c", "-o", f"{target}/{number}.o"]
            subprocess.run(command, check=True)

    recipe = [VERSIONS[version], configuration, source, *_FLAGS, str(_PROCESSORS), images.CLANG]
    return build(f"cilium-{version}-{configuration}-{source}", recipe, make, 20)


def _standard(version: str) -> str:
    major, minor, _ = version.split(".")
    return "-std=gnu99" if (int(major), int(minor)) >= _NEWER_C else "-std=gnu89"


def _options(folder: Path, configuration: str, source: str) -> Iterator[tuple[str, list[str]]]:
    """The number of each set of options of a source, and the options."""
    if configuration == MAKEFILE:
        command = ["make", "--dry-run", f"{source}.o", "CLANG=clang", f"ROOT_DIR={folder.parent}"]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
        lines = [line.split() for line in said.splitlines() if line.startswith("clang ") and f"{source}.c" in line]
        yield "0", [word for word in (lines or [[]])[-1] if word.startswith("-D") and "__NR_CPUS__" not in word]
    for path in sorted((folder / "complexity-tests" / configuration / source).glob("*.txt")):
        yield path.stem, path.read_text().split()


def _module(version: str) -> Path:
    """The module's folder in the module cache. Raises RuntimeError: it is not what it was when this was written."""
    with tempfile.TemporaryDirectory() as folder:
        said = go.run_go(["mod", "download", "-json", f"{cilium.MODULE}@v{version}"], Path(folder))
    found = json.loads(said)
    if found["Sum"] != VERSIONS[version]:
        raise RuntimeError(f"{cilium.MODULE} {version} has the sum {found['Sum']}, not {VERSIONS[version]}")
    return Path(found["Dir"])
