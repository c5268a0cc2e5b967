# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection itself: where its files are and which version it is, as a checkout and as it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
"""The folder that has ``plugins`` and ``roles``."""


def version(root: Path = ROOT) -> str:
    """Friday's version: from ``MANIFEST.json``, which an installed collection has, or a checkout's ``galaxy.yml``.

    Raises:
        OSError, ValueError, KeyError: neither can be read.
    """
    manifest = root / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])
