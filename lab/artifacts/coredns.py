# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CoreDNS with the plugins of a cluster's Corefile."""

from __future__ import annotations

from pathlib import Path

from lab.artifact import build
from lab.artifacts import go

VERSION = "1.14.4"
"""As required in ``lab/go/coredns/go.mod``."""


def binary() -> Path:
    """The program ``coredns`` (2 minutes the first time)."""
    source = go.SOURCES / "coredns"

    def make(target: Path) -> None:
        go.compile_program(source, target / "coredns")

    return build("coredns", [source, go.toolchain().parents[2].name], make, 120) / "coredns"
