# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What packages are to a node; with real apt: tests/playbooks/test_real_apt.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import debian_packages, storage
from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from ansible_collections.friday.upgrade.plugins.module_utils.debian_files import missing
from ansible_collections.friday.upgrade.plugins.module_utils.debian_kernels import DebianKernels
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import (
    HEADERS,
    KERNEL,
    OTHER,
    Change,
    Limits,
)
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, Unreadable
from tests.unit.modules.fakes import FakeSystem

KERNELS = DebianKernels()
DEPENDS = {
    "linux-image-6.1.0-50-cloud-amd64": "kmod, linux-base",
    "linux-image-6.1.0-50-amd64": "kmod",
    "linux-headers-6.1.0-50-cloud-amd64": "linux-headers-6.1.0-50-common",
    "linux-image-cloud-amd64": "linux-image-6.1.0-50-cloud-amd64 (= 6.1.176-1), ",
    "linux-headers-cloud-amd64": "linux-headers-6.1.0-50-cloud-amd64, ",
    "linux-image-amd64": "linux-image-6.1.0-50-amd64",
    "linux-perf": "linux-perf-6.1",
    "acme-node": "linux-image-cloud-amd64, containerd",
    "linux-everything": "linux-image-cloud-amd64, curl",
}


def test_metapackages_by_dependencies() -> None:
    assert debian_packages.metapackages(KERNELS, DEPENDS, "cloud-amd64") == [
        "linux-headers-cloud-amd64",
        "linux-image-cloud-amd64",
    ]
    assert debian_packages.metapackages(KERNELS, DEPENDS, "amd64") == ["linux-image-amd64"]
    assert debian_packages.metapackages(KERNELS, DEPENDS, "") == []


def test_their_kind() -> None:
    depends = {**DEPENDS, "linux-virtual": "linux-image-cloud-amd64", "linux-tools": "linux-headers-cloud-amd64"}
    kinds = {name: debian_packages.metapackage_kind(KERNELS, depends, name) for name in depends}
    assert (kinds["linux-virtual"], kinds["linux-tools"], kinds["linux-everything"]) == (KERNEL, HEADERS, OTHER)
    assert (kinds["acme-node"], kinds["linux-perf"]) == (OTHER, OTHER)


@pytest.mark.parametrize(
    ("package", "role"),
    [
        ("kubelet", "kubelet"),
        ("containerd.io", "container runtime"),
        ("cri-o-1.34", "container runtime"),
        ("docker-ce", "container runtime"),
        ("kubernetes-cni", "network"),
        ("grub-efi-amd64-bin", "boot loader"),
        ("openssh-server:amd64", "ssh"),
        ("systemd", "init"),
        ("netplan.io", "network"),
        ("curl", ""),
        ("kubelet-doc", ""),
    ],
)
def test_what_a_node_lives_by(package: str, role: str) -> None:
    found = debian_packages.role(package)
    assert found == role or (package == "kubernetes-cni" and found)


def test_what_makes_an_initramfs(tmp_path: Path) -> None:
    info = "/var/lib/dpkg/info"
    files = {
        f"{info}/mytool.postinst": "#!/bin/sh\nupdate-initramfs -u\n",
        f"{info}/hooked.list": "/.\n/usr/share/initramfs-tools/hooks/hooked\n",
        f"{info}/plain.list": "/.\n/usr/bin/plain\n",
        f"{info}/triggering.triggers": "activate-noawait update-initramfs\n",
    }
    apt = Apt(FakeSystem(tmp_path, files))
    apt.system.answers = {"dpkg-query": ""}  # type: ignore[attr-defined]
    for name in ("mytool", "hooked", "triggering", "intel-microcode", "firmware-misc-nonfree", "zfs-dkms"):
        assert apt.makes_initramfs(Change(name, "1", "2")), name
    assert apt.makes_initramfs(Change("linux-image-6.1.0-51-amd64", "", "2"))
    assert not apt.makes_initramfs(Change("plain", "1", "2"))
    assert not apt.makes_initramfs(Change("new-one", "", "2"))


def test_pins() -> None:
    policy = """pinned:
  Installed: 1.0
  Candidate: 1.0
  Version table:
     2.0 500
        500 http://deb.example.org x Packages
 *** 1.0 990
        100 /var/lib/dpkg/status
backported:
  Installed: 1.0
  Candidate: 1.0
  Version table:
     2.0~bpo 100
        100 http://deb.example.org backports Packages
 *** 1.0 500
        100 /var/lib/dpkg/status
forbidden:
  Installed: 1.0
  Candidate: 1.0
  Version table:
     2.0 -1
        500 http://deb.example.org x Packages
 *** 1.0 100
        100 /var/lib/dpkg/status
"""
    assert debian_packages.pinned(policy) == {
        "pinned": "a pin keeps it at 1.0 (2.0 is available)",
        "forbidden": "a pin keeps it at 1.0 (2.0 is available)",
    }


class Mirror(BaseHTTPRequestHandler):
    """A mirror that has /good.deb with three bytes, and wants a password for /secret.deb."""

    def do_HEAD(self) -> None:
        self.send_response({"/good.deb": 200, "/secret.deb": 401}.get(self.path, 404))
        self.send_header("Content-Length", "3")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_files_of_a_mirror(tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    system = FakeSystem(tmp_path)
    wanted = [(name, f"{mirror}/{name}", 3) for name in ("good.deb", "gone.deb", "secret.deb")]
    wanted += [("torn.deb", f"{mirror}/good.deb", 4), ("dead.deb", "http://127.0.0.1:9/x", 3)]
    wanted += [("other.deb", "mirror+http://x/other.deb", 3)]
    assert missing(system, wanted) == [f"gone.deb (HTTP 404 at {mirror}/gone.deb)", "torn.deb (3 bytes instead of 4)"]


def test_files_of_a_folder(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path, {"/repo/a b.deb": "xyz"})
    assert missing(system, [("a", "file:/repo/a%20b.deb", 3), ("b", "file:///repo/b.deb", 1)]) == [
        "b (not at file:///repo/b.deb)"
    ]


def test_a_source_that_only_warns_was_not_refreshed_either(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    system.answers["update"] = Result(0, "", "W: Failed to fetch http://x/InRelease  Could not connect\n")
    with pytest.raises(Unreadable, match="a package source was not refreshed: W: Failed to fetch http://x"):
        Apt(system).refresh(Limits(0, 1))
    system.answers["update"] = Result(0, "", "W: Target Packages is configured multiple times\n")
    Apt(system).refresh(Limits(0, 1))


def test_somebody_who_installs_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = FakeSystem(tmp_path, {"/var/lib/dpkg/lock": ""})
    system.answers["update"] = ""
    held = [4711, 4711, 0]
    monkeypatch.setattr(Apt, "_holder", lambda self, lock: held.pop(0) if len(held) > 1 else held[0])
    Apt(system).refresh(Limits(10, 1))
    assert 0 < system.now <= 10
    held[:] = [4711]
    with pytest.raises(Unreadable, match="process 4711 holds dpkg's lock"):
        Apt(system).refresh(Limits(0, 1))


def test_an_interrupted_dpkg_is_broken(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path, {"/var/lib/dpkg/updates/tmp.i": ""})
    system.answers = {"dpkg --print": "amd64", "dpkg-query": "", "dpkg --audit": ""}
    assert Apt(system).broken() == []
    system.write("/var/lib/dpkg/updates/0003")
    assert Apt(system).broken() == ["dpkg (interrupted, its journal /var/lib/dpkg/updates is not empty)"]


def test_room_in_inodes_and_the_largest_initramfs(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path, {"/boot/initrd.img-1": "xy", "/boot/initrd.img-2": "xyz", "/boot/vmlinuz-1": "wxyz"})
    assert storage.largest_initramfs(system) == 3
    (only,) = storage.file_systems(system)
    assert only["inodes"] >= only["free_inodes"] >= 0
    assert storage.largest_initramfs(FakeSystem(tmp_path / "empty")) == 0
