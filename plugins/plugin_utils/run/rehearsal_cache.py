# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rehearsals keep on the controller: objects and kernels by their content, answers by what was asked.

An answer is good for as long as the question is the same, so that the next Friday asks only what is new.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.collection import ROOT
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import digest, from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    BpfObject,
    Group,
    Image,
    KernelSource,
    Trial,
)

T = TypeVar("T")

KEPT = 90 * 24 * 3600
"""Seconds. A kernel takes 10 to 20 MB, and what a Friday asks for again it asks for within weeks."""

LOADER_SOURCE = ROOT / "roles" / "rehearse" / "files" / "loader"
_IMAGE_FORM = 2
"""Of what is known of an image. What is kept in an older form is asked for again."""

BPF_RESULT, KERNELS_RESULT = "survey_bpf", "survey_kernels"  # what roles/survey registers


@dataclass(frozen=True)
class Groups:
    """What a run has to rehearse, as it is stored in its folder. ``skipped`` says why nothing.

    ``newest``: which of several kernels passes was asked for, not whether a certain one does. ``unread``: hosts of
    which it is not known which kernels they could have, with the reason.
    """

    groups: tuple[Group, ...] = ()
    skipped: str = ""
    newest: bool = False
    unread: dict[str, str] = field(default_factory=dict)


class Store:
    """The folder ``rehearsal`` in Friday's cache."""

    def __init__(self, given: str = "") -> None:
        default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "friday"
        self.folder = (Path(given).expanduser().absolute() if given else default) / "rehearsal"

    def object(self, sha256: str) -> Path:
        """Where the content of an object is, or would be."""
        return _used(self.folder / "objects" / sha256)

    def is_part(self, each: BpfObject) -> bool:
        """Whether an object replaces a function of a program in another one."""
        return b"freplace/" in self.object(each.sha256).read_bytes()

    def kernel(self, image: Image) -> Path:
        """Where an image is, or would be."""
        return _used(self.folder / "kernels" / image.sha256)

    def config(self, image: Image) -> Path | None:
        """Where the options are that an image was built with, or would be; None when they are not known."""
        return _used(self.folder / "configs" / image.config) if image.config else None

    def keep(self, path: Path, data: bytes, sha256: str) -> None:
        """Keep a content, whole or not at all.

        Raises:
            ValueError: it is not what it should be: something was lost on the way.
        """
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(f"{path.name}: what arrived has a wrong checksum")
        _write(path, data)

    def image(self, source: KernelSource) -> Image | None:
        """What is known of a kernel, if its image is here; None when it has to be fetched."""
        image = _load(Image, self._image(source))
        if image is None or not self.kernel(image).exists():
            return None
        config = self.config(image)
        return image if config is None or config.exists() else None

    def keep_image(self, source: KernelSource, image: Image) -> None:
        """Remember which image a kernel has. An installed one is asked for each time: a build may replace another."""
        _write(self._image(source), json.dumps(to_data(image)).encode())

    def trial(self, key: str) -> Trial | None:
        """The answer to a question that was asked before; None when it was not, or came to no end in time."""
        known = self.last_trial(key)
        return known if known and known.complete and not known.expired else None

    def last_trial(self, key: str) -> Trial | None:
        """The last answer, whether it came to its end or not."""
        return _load(Trial, self._trial(key))

    def keep_trial(self, key: str, trial: Trial) -> None:
        """Remember an answer. Only one that is complete is ever given again."""
        _write(self._trial(key), json.dumps(to_data(trial)).encode())

    def prune(self, now: float) -> int:
        """Remove what nobody has asked for in ``KEPT`` seconds before ``now`` (since the epoch), and count it."""
        kinds = ("objects", "kernels", "configs", "images", "answers")
        old = [path for kind in kinds for path in self.folder.glob(f"{kind}/*") if now - path.stat().st_mtime > KEPT]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _image(self, source: KernelSource) -> Path:
        return self.folder / "images" / f"{digest([_IMAGE_FORM, source])[:32]}.json"

    def _trial(self, key: str) -> Path:
        return self.folder / "answers" / f"{key[:32]}.json"


def _used(path: Path) -> Path:
    """Its time says when it was asked for last."""
    with contextlib.suppress(OSError):
        os.utime(path)
    return path


def _load(kind: type[T], path: Path) -> T | None:
    try:
        _used(path)
        return from_data(kind, json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):  # never written; or torn, or of an older version: asked once more
        return None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(data)
    draft.replace(path)
