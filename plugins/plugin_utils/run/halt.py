# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask a run to begin nothing more. A file in its folder, so that a signal handler can ask and every worker can see."""

from __future__ import annotations

import os
from pathlib import Path

FILE = "halt"


def ask(folder: str | os.PathLike[str], reason: str) -> None:
    """Ask the run in ``folder`` to stop after the steps in hand. The first reason stays."""
    path = Path(folder, FILE)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(reason)


def asked(folder: str | os.PathLike[str]) -> str:
    """Why the run was asked to stop; empty when it was not."""
    try:
        # A full disk takes the file, and no reason.
        return Path(folder, FILE).read_text(encoding="utf-8") or "it was asked to stop"
    except FileNotFoundError:
        return ""
