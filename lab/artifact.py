# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build a thing once and keep it: content-addressed artifacts in the user's cache folder.

An artifact is named by what it was made from, so a changed input is a new artifact and an unchanged one is never
built twice. It is made in a temporary sibling and renamed when complete: an interrupted build leaves nothing behind
that could be taken for whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
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

    ``make`` gets a path that does not exist and must create a file or a folder there. ``estimate`` is what it
    took (seconds) where the lab was made, and only feeds the progress lines. Whatever ``make`` raises passes through,
    and what it left behind is removed.
    Two processes that ask for the same artifact wait for each other; the second finds it made.
    """
    target = paths.artifacts() / f"{name}-{digest(inputs)[:12]}"
    if (plan := _plan.get()) is not None:
        if target.exists():
            plan.there.setdefault(name)
        else:
            plan.missing.setdefault(f"building {name}", estimate)
        return target
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
                raise RuntimeError(f"building {name} produced nothing at {partial}")
            os.rename(partial, target)
        finally:
            remove(partial)
    return target


@dataclass
class Plan:
    """What was asked for: names of what is in the cache, and what would be built with its estimates, in this order."""

    there: dict[str, None] = field(default_factory=dict)
    missing: dict[str, float] = field(default_factory=dict)


@contextmanager
def planning() -> Iterator[Plan]:
    """Within, nothing is built: what would be is noted in the plan, and its path returned though nothing is there.

    What is made from the content of a thing that is missing cannot be named; reading it raises ``FileNotFoundError``,
    which ends the planning with what was found so far.
    """
    plan = Plan()
    token = _plan.set(plan)
    try:
        with contextlib.suppress(FileNotFoundError):
            yield plan
    finally:
        _plan.reset(token)


_plan: ContextVar[Plan | None] = ContextVar("plan", default=None)


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
