# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's own program: its workloads, and the tunnel between the host and the pod network."""

from __future__ import annotations

from pathlib import Path

from lab.artifact import build
from lab.artifacts import go


def binary() -> Path:
    """The program ``labapp`` (20 seconds the first time); ``labapp`` alone lists its modes."""
    source = go.SOURCES / "labapp"

    def make(target: Path) -> None:
        go.compile_program(source, target / "labapp")

    return build("labapp", [source, go.toolchain().parents[2].name], make, 20) / "labapp"
