# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An initramfs, written as the kernel reads it: cpio(5) in its "newc" form, not compressed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from typing import BinaryIO, NamedTuple

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_BLOCK = 1 << 20


class File(NamedTuple):
    """A file of the archive: its absolute path there, and its bytes or the file that has them."""

    path: str
    content: bytes | os.PathLike[str]
    mode: int = 0o644


def write(target: BinaryIO, files: Sequence[File]) -> None:
    """Write the archive: the files, the folders they are in, and the console that init is started with.

    Raises:
        OSError: a file can't be read, or has become shorter meanwhile.
    """
    number = 0
    for folder in _folders([*(file.path for file in files), "/dev/console"]):
        number += 1
        _entry(target, number, folder, stat.S_IFDIR | 0o755)
    number += 1
    _entry(target, number, "dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for file in files:
        number += 1
        mode = stat.S_IFREG | file.mode
        if isinstance(file.content, bytes):
            _entry(target, number, file.path, mode, len(file.content))
            target.write(file.content)
        else:
            size = os.stat(file.content).st_size
            _entry(target, number, file.path, mode, size)
            _copy(file.content, target, size)
        _pad(target)
    _entry(target, 0, _TRAILER, 0)


def _folders(paths: Iterable[str]) -> list[str]:
    found = set()
    for path in paths:
        parent = os.path.dirname(path.lstrip("/"))
        while parent:
            found.add(parent)
            parent = os.path.dirname(parent)
    return sorted(found)


def _entry(
    target: BinaryIO, number: int, path: str, mode: int, size: int = 0, device: tuple[int, int] = (0, 0)
) -> None:
    name = path.lstrip("/").encode() + b"\0"
    # c_ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    fields = (number, mode, 0, 0, 1, 0, size, 0, 0, *device, len(name), 0)
    target.write(_MAGIC + b"".join(b"%08X" % field for field in fields) + name)
    _pad(target)


def _pad(target: BinaryIO) -> None:
    target.write(b"\0" * (-target.tell() % 4))


def _copy(source: os.PathLike[str], target: BinaryIO, size: int) -> None:
    with open(source, "rb") as file:
        while size:
            block = file.read(min(size, _BLOCK))
            if not block:
                raise OSError(f"{os.fspath(source)} became shorter while being read")
            target.write(block)
            size -= len(block)
