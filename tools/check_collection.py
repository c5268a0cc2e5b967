# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build the collection and check that its archive holds what users need, and nothing of the checkout's workshop."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (
    *("LICENSE", "README.md", "manifests/rights.yaml", "meta/runtime.yml", "playbooks/friday.yml"),
    "plugins/doc_fragments/cluster.py",  # without its fragments, a plugin has no documentation at all
)
ALLOWED = frozenset(
    (
        *("CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"),
        *("docs", "inventories", "manifests", "meta", "playbooks", "plugins", "requirements", "roles"),
    )
)
"""What may be at the top of the archive."""


def errors(names: Iterable[str]) -> Iterator[str]:
    """What is wrong with an archive of these member names."""
    members = set(names)
    for name in NEEDED:
        if name not in members:
            yield f"{name} is missing from the archive"
    for top in sorted({name.partition("/")[0] for name in members} - ALLOWED):
        yield f"the archive contains {top}: name it in galaxy.yml's build_ignore, or in tools/check_collection.py"
    for name in sorted(members):
        if name.endswith(".pyc") or name.startswith("inventories/lab"):
            yield f"the archive contains {name}"


def lacking(names: Iterable[str], tracked: Iterable[str]) -> Iterator[str]:
    """What of the collection's own files (of those under version control) an archive of these member names lacks."""
    members = set(names)
    for name in sorted(tracked):
        if name.partition("/")[0] in ALLOWED and name not in members:
            yield f"{name} is missing from the archive: something in galaxy.yml's build_ignore excludes it"


def main() -> int:
    """Print what is wrong, a line each; 0 when nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["ansible-galaxy", "collection", "build", "--output-path", folder, str(ROOT)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            names = tar.getnames()
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = [*errors(names), *lacking(names, listed.splitlines())]
    for line in found:
        print(line)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
