# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build a thing once and keep it: content-addressed artifacts in the user's cache folder.

An artifact is named by what it was made from, so a changed input is a new artifact and an unchanged one is never
built twice. It is made in a temporary sibling and renamed when complete: an interrupted build leaves nothing behind
that could be taken for whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import paths, progress

Input = bytes | str | Path


def digest(inputs: Iterable[Input]) -> str:
    """SHA-256 (hexadecimal) of the inputs in their order.

    Text and bytes count by value; a path by what lies there: a file's content, a folder's relative names and contents.
    Each part is framed by its length, so that moving bytes from one input to the next changes the digest. Tests of Go
    programs lie beside their sources and do not count.
    """
    total = hashlib.sha256()
    for part in inputs:
        for chunk in _chunks(part):
            total.update(len(chunk).to_bytes(8, "big"))
            total.update(chunk)
    return total.hexdigest()


def build(name: str, inputs: Iterable[Input], make: Callable[[Path], None], estimate: float) -> Path:
    """Return the artifact ``NAME-DIGEST``, made by ``make(path)`` if it is not there yet.

    ``make`` gets a path that does not exist and must create a file or a folder there. ``estimate`` is in seconds and
    only feeds the progress lines. Whatever ``make`` raises passes through, and what it left behind is removed.
    Two processes that ask for the same artifact wait for each other; the second finds it made.
    """
    target = paths.artifacts() / f"{name}-{digest(inputs)[:12]}"
    if target.exists():
        return target
    with _lock(target.with_name(f".{target.name}.lock")):
        if target.exists():
            return target
        partial = target.with_name(f".{target.name}.partial")
        remove(partial)
        try:
            with progress.step(f"building {name}", estimate):
                make(partial)
            if not partial.exists():
                raise RuntimeError(f"building {name} made nothing at {partial}")
            os.rename(partial, target)
        finally:
            remove(partial)
    return target


def remove(path: Path) -> None:
    """Delete a file or a folder; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _chunks(part: Input) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
    elif isinstance(part, str):
        yield part.encode()
    elif part.is_dir():
        for path in sorted(part.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.endswith("_test.go"):
                yield path.relative_to(part).as_posix().encode()
                yield path.read_bytes()
    else:
        yield part.read_bytes()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the kernel releases it when the process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
