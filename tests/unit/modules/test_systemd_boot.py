# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd-boot starts next: its order of entries, its defaults, and entries that are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.boot_loader import Undecided, find
from ansible_collections.friday.upgrade.plugins.module_utils.system import System
from ansible_collections.friday.upgrade.plugins.module_utils.systemd_boot import SystemdBoot
from tests.unit.modules.fakes import FakeSystem

OLD, NEW, NEWER = "6.1.0-50-amd64", "6.12.57+deb13-amd64", "6.12.57+deb13+1-amd64"
LOADER = "/boot/efi/loader"


def entry(system: FakeSystem, release: str, name: str = "", **fields: str) -> None:
    known = {"title": "Debian", "version": release, "machine-id": "0abc", "sort-key": "debian", **fields}
    text = "".join(f"{key}    {value}\n" for key, value in known.items() if value)
    system.write(f"{LOADER}/entries/{name or f'0abc-{release}'}.conf", f"{text}linux      /0abc/{release}/linux\n")


def efi(system: FakeSystem, name: str, text: str) -> None:
    path = f"/sys/firmware/efi/efivars/{name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    system.write(path, "\6\0\0\0" + f"{text}\0".encode("utf-16-le").decode("latin1"))


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path)
    for release in (OLD, NEW):
        entry(system, release)
    return system


def started(system: System, *releases: str, remade: bool = False) -> str:
    return SystemdBoot(system).next_boot(releases or (OLD, NEW), remade).release


def test_the_newest_by_systemds_order(system: FakeSystem) -> None:
    assert started(system) == NEW
    assert started(system, OLD, NEW, NEWER, remade=True) == NEWER, "where GRUB would have the one before"
    assert started(system, OLD, remade=True) == OLD
    loader = find(system)
    assert loader is not None
    assert loader.releases() == [OLD, NEW]


def test_sort_keys_come_before_versions(system: FakeSystem) -> None:
    entry(system, OLD, **{"sort-key": "aaa"})
    assert started(system) == OLD
    entry(system, OLD, **{"sort-key": ""})
    entry(system, "9.9", "zzz", **{"sort-key": ""})
    assert started(system, OLD, NEW, "9.9") == NEW, "those without one come last"


def test_the_default_of_loader_conf_is_a_pattern(system: FakeSystem) -> None:
    system.write(f"{LOADER}/loader.conf", "timeout 3\n#default x\ndefault 0ABC-6.1.*\n")
    found = SystemdBoot(system).next_boot((OLD, NEW), remade=False)
    assert (found.release, found.fix) == (OLD, "remove `default` from loader.conf")
    system.write(f"{LOADER}/loader.conf", "default 0abc-*\n")
    assert started(system) == NEW, "the first that matches"
    system.write(f"{LOADER}/loader.conf", "default gone.conf\n")
    assert started(system) == NEW


def test_its_variables_come_before(system: FakeSystem) -> None:
    system.write(f"{LOADER}/loader.conf", "default @saved\n")
    assert started(system) == NEW
    efi(system, "LoaderEntryLastBooted", f"0abc-{OLD}.conf")
    assert started(system) == OLD
    efi(system, "LoaderEntryDefault", f"0abc-{NEW}.conf")
    assert started(system) == NEW
    efi(system, "LoaderEntryOneShot", f"0abc-{OLD}.conf")
    found = SystemdBoot(system).next_boot((OLD, NEW), remade=False)
    assert found.release == OLD
    assert "LoaderEntryOneShot" in found.rule


def test_entries_that_are_counted(system: FakeSystem) -> None:
    entry(system, NEWER, f"0abc-{NEWER}+3")
    assert started(system, OLD, NEW, NEWER) == NEWER
    Path(system.path(f"{LOADER}/entries/0abc-{NEWER}+3.conf")).unlink()
    entry(system, NEWER, f"0abc-{NEWER}+0-3")
    assert started(system, OLD, NEW, NEWER) == NEW, "it was tried three times and never blessed: last"


def test_what_is_no_kernel_or_is_gone(system: FakeSystem) -> None:
    with pytest.raises(Undecided, match="which is not installed"):
        started(system, OLD)
    system.write(f"{LOADER}/entries/shell.conf", "title Shell\nefi /shell.efi\n")
    system.write(f"{LOADER}/loader.conf", "default shell.conf\n")
    with pytest.raises(Undecided, match=r"shell\.conf, which is not a Linux kernel"):
        started(system)
