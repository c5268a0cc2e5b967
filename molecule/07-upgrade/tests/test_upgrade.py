# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cluster, Run
    from testinfra.host import Host

    from lab.artifacts.kernels import KernelPair


def test_the_new_kernel_is_installed(node2: Host, pair: KernelPair) -> None:
    package = node2.package(f"linux-image-{pair.candidate.release}")
    assert package.is_installed
    assert package.version == pair.candidate.version
    assert node2.file(f"/boot/vmlinuz-{pair.candidate.release}").exists
    assert node2.file(f"/boot/initrd.img-{pair.candidate.release}").size > 1024**2


def test_the_boot_loader_has_both(node2: Host, pair: KernelPair) -> None:
    menu = node2.file("/boot/grub/grub.cfg").content_string
    assert f"vmlinuz-{pair.candidate.release}" in menu
    assert f"vmlinuz-{pair.running.release}" in menu, "the way back"


def test_the_packages_are_in_order(node2: Host) -> None:
    assert node2.check_output("dpkg --audit") == ""


def test_it_was_not_rebooted(node2: Host, pair: KernelPair) -> None:
    assert node2.check_output("uname -r") == pair.running.release


def test_the_other_nodes_are_untouched(lab_nodes: dict[str, Host], pair: KernelPair) -> None:
    for name in ("node1", "node3"):
        assert not lab_nodes[name].package(f"linux-image-{pair.candidate.release}").is_installed


def test_it_is_recorded(cluster: Cluster, run: Run) -> None:
    assert run.hosts["node2"]["state"] == "upgraded"
    assert cluster.cordons() == {"node2": run.name}
