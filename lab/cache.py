# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the user's cache folder is."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """``$FRIDAY_CACHE``, else ``$XDG_CACHE_HOME/friday``, else ``~/.cache/friday``; made if it is not there."""
    chosen = os.environ.get("FRIDAY_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    path = (
        Path(chosen).expanduser().absolute() if chosen else (Path(base) if base else Path.home() / ".cache") / "friday"
    )
    path.mkdir(parents=True, exist_ok=True)
    return path
