# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images from /boot and from packages that are made here by dpkg-deb."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import kernel_image
from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Limits
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, Unreadable
from tests.unit.modules.fakes import FakeSystem

RELEASE = "6.12.107+deb13-cloud-amd64"
LIMITS = Limits(10, 60)


def package(folder: Path, name: str, files: dict[str, str]) -> Path:
    """A Debian package with these files."""
    root = folder / name
    for path, text in {"DEBIAN/control": _control(name), **files}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    target = folder / f"{name}_1_all.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(root), str(target)], check=True, capture_output=True
    )
    return target


def _control(name: str) -> str:
    return f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: a kernel\n"


def sources(system: FakeSystem, *packages: Path) -> Apt:
    """A package manager that has these packages."""

    def download(_argv: list[str], folder: str) -> Result:
        for each in packages:
            shutil.copy(each, folder)
        return Result(0, "", "")

    system.answers["apt-get download"] = download
    return Apt(system)


def test_an_installed_one_with_its_modules(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    assert kernel_image.installed(system, RELEASE) is None
    system.write(f"/boot/vmlinuz-{RELEASE}", "the image")
    image = kernel_image.installed(system, RELEASE)
    assert image
    assert (image.data, image.modules, image.config) == (b"the image", None, b"")
    system.write(f"/boot/config-{RELEASE}", "CONFIG_BPF=y\n")
    system.write(f"/lib/modules/{RELEASE}/modules.dep", "kernel/net/xt-socket.ko.xz: kernel/a.ko\nkernel/a.ko:\n")
    system.write(f"/lib/modules/{RELEASE}/modules.builtin", "kernel/fs/ext4.ko\n")
    again = kernel_image.installed(system, RELEASE)
    assert again
    assert again.modules == {"xt_socket", "a", "ext4"}
    assert again.config == b"CONFIG_BPF=y\n"


def test_one_from_its_packages_wherever_the_modules_are(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "node")
    image = package(tmp_path, "image", {f"boot/vmlinuz-{RELEASE}": "new", "boot/vmlinuz-other": "other"})
    files = {
        f"usr/lib/modules/{RELEASE}/kernel/vxlan.ko.zst": "",
        f"usr/lib/modules/{RELEASE}/modules.builtin": "k/ext4.ko",
        f"boot/config-{RELEASE}": "CONFIG_BPF=y",
    }
    manager = sources(system, image, package(tmp_path, "modules", files))
    found = kernel_image.packaged(manager, RELEASE, [("image", "1"), ("modules", "")], LIMITS)
    assert (found.data, found.modules, found.config) == (b"new", {"vxlan", "ext4"}, b"CONFIG_BPF=y")
    call = system.calls[-1]
    assert call.endswith("image=1 modules"), "the very version, or the newest"
    assert "AllowUnauthenticated=false" in call
    assert not list(Path("/tmp").glob("friday-kernel-*")), "nothing is left"


def test_the_image_of_newer_packages_is_among_the_modules(tmp_path: Path) -> None:
    """linux-binary-7.3.4+deb13-cloud-amd64, for one."""
    system = FakeSystem(tmp_path / "node")
    binary = package(
        tmp_path, "binary", {f"usr/lib/modules/{RELEASE}/vmlinuz": "new", "usr/lib/modules/o/vmlinuz": "o"}
    )
    assert kernel_image.packaged(sources(system, binary), RELEASE, [("binary", "1")], LIMITS).data == b"new"


def test_a_package_without_the_image(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "node")
    manager = sources(system, package(tmp_path, "meta", {"usr/share/doc/meta": ""}))
    with pytest.raises(Unreadable, match=r"meta: contains no image of 6.12.107"):
        kernel_image.packaged(manager, RELEASE, [("meta", "1")], LIMITS)


def test_a_torn_package(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "node")
    torn = package(tmp_path, "image", {f"boot/vmlinuz-{RELEASE}": "new" * 10000})
    torn.write_bytes(torn.read_bytes()[:200])
    with pytest.raises(Unreadable, match=r"image_1_all.deb can't be unpacked"):
        kernel_image.packaged(sources(system, torn), RELEASE, [("image", "1")], LIMITS)


def test_a_wrong_checksum_is_the_package_managers_word(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    said = Result(100, "", "E: Failed to fetch image_1_all.deb  Hash Sum mismatch\n")
    system.answers["apt-get download"] = lambda _argv, _folder: said
    with pytest.raises(Unreadable, match=r"image can't be downloaded: E: Failed to fetch .* Hash Sum mismatch"):
        kernel_image.packaged(Apt(system), RELEASE, [("image", "1")], LIMITS)
