# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cilium, built from its Go module: the agent, its command line, its CNI plugin, its BPF sources and its CRDs."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from lab.artifact import build
from lab.artifacts import go

MODULE = "github.com/cilium/cilium"
VERSION = "1.19.7"
"""As required (and pinned by its sums) in ``lab/go/cilium``."""

_COMMANDS = {"cilium-agent": "daemon", "cilium-dbg": "cilium-dbg", "cilium-cni": "plugins/cilium-cni"}
_NOT_NEEDED_TO_COMPILE = ("tests", "complexity-tests", "custom", "Makefile*", ".gitignore")


def binaries() -> Path:
    """A folder with ``cilium-agent``, ``cilium-dbg``, ``cilium-cni``, ``bpf/`` and ``crds/`` (8 minutes at first)."""
    source = go.SOURCES / "cilium"
    # Version, revision and date, as the agent reads them back from this one variable.
    ldflags = f"-X '{MODULE}/pkg/version.ciliumVersion={VERSION} lab unknown'"

    def make(target: Path) -> None:
        module = _download(source)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            _adopt_requirements(module, source, folder)
            for name, package in _COMMANDS.items():
                go.compile_program(folder, target / name, f"{MODULE}/{package}", ldflags, mode="mod")
        shutil.copytree(module / "bpf", target / "bpf", ignore=shutil.ignore_patterns(*_NOT_NEEDED_TO_COMPILE))
        crds = module / "pkg" / "k8s" / "apis" / "cilium.io" / "client" / "crds"
        (target / "crds").mkdir()
        for path in sorted(crds.glob("*/*.yaml")):
            shutil.copy(path, target / "crds" / path.name)

    return build("cilium", [source, ldflags, *_NOT_NEEDED_TO_COMPILE, go.toolchain().parents[2].name], make, 480)


def _download(source: Path) -> Path:
    """The module's folder in the module cache, verified against the sums in ``source``."""
    found = json.loads(go.run_go(["mod", "download", "-json", MODULE], source))
    return Path(found["Dir"])


def _adopt_requirements(module: Path, source: Path, folder: Path) -> None:
    """Write a module in ``folder`` that requires Cilium and all that Cilium's own ``go.mod`` requires and replaces.

    A dependency's replacements do not count for those who depend on it, so they have to be taken over; its sums come
    along, and with them the verification of every module that is downloaded.
    """
    adopted = (module / "go.mod").read_text().replace(f"module {MODULE}\n", "module friday.lab/cilium\n", 1)
    (folder / "go.mod").write_text(f"{adopted}\nrequire {MODULE} v{VERSION}\n")
    (folder / "go.sum").write_text((module / "go.sum").read_text() + (source / "go.sum").read_text())
