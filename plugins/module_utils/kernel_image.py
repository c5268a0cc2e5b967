# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kernel's image and what came with it: of an installed kernel from /boot, of another from its package.

The package is downloaded by the package manager, which verifies it against the archive's signature, into a folder that
is thrown away; it is unpacked and never installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from .package_manager import Limits, PackageManager
from .system import System, Unreadable

LARGEST = 256 * 1024**2  # bytes of an image, unpacked or not
_MODULE_ENDS = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_LARGEST_CONFIG = 2 * 1024**2
_BLOCK = 1 << 20


class Image(NamedTuple):
    """An image, the names of the modules that there are for it (None: not known), and the options it was built with."""

    data: bytes
    modules: frozenset[str] | None
    config: bytes = b""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def installed(system: System, release: str) -> Image | None:
    """The image of a kernel in /boot; None when there is none of this release."""
    path = f"/boot/vmlinuz-{release}"
    if not system.exists(path):
        return None
    if system.size(path) > LARGEST:
        raise Unreadable(f"{path} has {system.size(path)} bytes, at most {LARGEST} allowed")
    with open(system.path(path), "rb") as file:
        data = file.read()
    config = _config(system, release)
    folder = f"/lib/modules/{release}"
    try:
        listed = (
            system.read(f"{folder}/modules.dep").splitlines() + system.read(f"{folder}/modules.builtin").splitlines()
        )
    except Unreadable:
        return Image(data, None, config)
    return Image(data, frozenset(module_name(line.partition(":")[0]) for line in listed if line), config)


def _config(system: System, release: str) -> bytes:
    for path in (f"/boot/config-{release}", f"/lib/modules/{release}/config"):
        if system.exists(path) and system.size(path) <= _LARGEST_CONFIG:
            return system.read(path).encode()
    return b""


def packaged(manager: PackageManager, release: str, packages: Sequence[tuple[str, str]], limits: Limits) -> Image:
    """The image in these packages (name, version), which are downloaded and thrown away again.

    Raises:
        Unreadable: a package can't be had (its checksum is wrong, for one), or none of them holds the image.
    """
    data = config = b""
    modules: set[str] = set()
    builtin: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="friday-kernel-") as folder:
        for path in manager.fetch(packages, folder, limits):
            for member, file in _members(manager.archive(path), os.path.basename(path)):
                name = member.name.lstrip("./")
                # Debian from 7.0 on ships it among the modules, and copies it to /boot when it is installed.
                if name == f"boot/vmlinuz-{release}" or name.endswith(f"lib/modules/{release}/vmlinuz"):
                    data = _whole(file, member.size)
                elif name == f"boot/config-{release}" or name.endswith(f"lib/modules/{release}/config"):
                    config = file.read(_LARGEST_CONFIG)
                elif f"/modules/{release}/" in f"/{name}":
                    if name.endswith(_MODULE_ENDS):
                        modules.add(module_name(name))
                    elif name.endswith("/modules.builtin"):
                        builtin = {module_name(line) for line in file.read(_BLOCK).decode().splitlines()}
    if not data:
        names = ", ".join(name for name, _ in packages)
        raise Unreadable(f"{names}: contains no image of {release}")
    return Image(data, frozenset(modules | builtin) if modules else None, config)


def module_name(path: str) -> str:
    """The name under which lsmod(8) has a module's file."""
    return os.path.basename(path.strip()).partition(".ko")[0].replace("-", "_")


def _members(command: list[str], name: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The regular files of a package, one after the other, without a copy on the disk."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    if member.isfile():
                        file = archive.extractfile(member)
                        assert file
                        yield member, file
        except tarfile.TarError as error:
            raise Unreadable(f"{name} can't be unpacked: {error}") from error
        finally:
            process.stdout.close()


def _whole(file: IO[bytes], size: int) -> bytes:
    if size > LARGEST:
        raise Unreadable(f"the image has {size} bytes, at most {LARGEST} allowed")
    return file.read()
