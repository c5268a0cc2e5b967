# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loaders that were built in advance: each is for one architecture, and a folder may have several."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import loader


def program(path: Path, machine: int) -> Path:
    """The head of a program for an architecture, by its number in elf(5)."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x7fELF\2\1\1" + bytes(9) + b"\2\0" + machine.to_bytes(2, "little") + bytes(44))
    path.chmod(0o755)
    return path


def test_a_loader_of_another_architecture_is_refused(tmp_path: Path) -> None:
    given = program(tmp_path / "loader", 62)
    assert loader.have(tmp_path, "x86_64", tmp_path, str(given)) == given
    with pytest.raises(loader.LoaderError, match="is for x86_64, and the nodes are aarch64: name a folder"):
        loader.have(tmp_path, "aarch64", tmp_path, str(given))


def test_a_folder_has_one_for_each(tmp_path: Path) -> None:
    folder = tmp_path / "loaders"
    arm = program(folder / "aarch64", 183)
    assert loader.have(tmp_path, "aarch64", tmp_path, str(folder)) == arm
    with pytest.raises(loader.LoaderError, match="has no loader for x86_64 nodes"):
        loader.have(tmp_path, "x86_64", tmp_path, str(folder))


def test_an_architecture_without_a_loader_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        loader.LoaderError, match="kernels of riscv64 can't be rehearsed, only those of x86_64, aarch64"
    ):
        loader.have(tmp_path, "riscv64", tmp_path)
