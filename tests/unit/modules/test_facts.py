# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole of the facts, in the shape of the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.bootable import kernel_package, next_kernel
from ansible_collections.friday.upgrade.plugins.module_utils.debian_kernels import DebianKernels
from ansible_collections.friday.upgrade.plugins.module_utils.facts import SECTIONS, Facts
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Change, Limits, PackageManager
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, Unreadable
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import candidate
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import (
    HostFacts,
    Kernel,
    Package,
    PackageChange,
    PackageKind,
)
from tests.unit.modules.fakes import FakeSystem, recorded

OLD, NEW = "6.1.0-50-cloud-amd64", "6.12.107+deb13-cloud-amd64"
IMAGE = f"linux-image-{NEW}"
NAMES = DebianKernels()


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    files = {
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n# a comment\n',
        "/proc/sys/kernel/osrelease": f"{OLD}\n",
        "/proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)\n",
        "/proc/sys/kernel/random/boot_id": "2f1d7a51-6c83-4c0f-94f5-2b0c7f8b1e37\n",
        "/proc/uptime": "1043.52 2010.11\n",
        "/proc/mounts": "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
        "/sys/kernel/btf/vmlinux": "x",
        "/var/lib/dpkg/status": "",
        f"/boot/vmlinuz-{OLD}": "x",
        "/boot/grub/grub.cfg": "",
    }
    system = FakeSystem(tmp_path, files, ("apt-get", "update-grub", "bpftool"))
    system.answers = {
        "dpkg --print-architecture": "amd64\n",
        "dpkg --audit": "",
        "dpkg-query": recorded("dpkg-query.txt"),
        "full-upgrade": recorded("trixie-full-upgrade.txt"),
        "install --only-upgrade linux-image-cloud-amd64": recorded("trixie-kernel.txt"),
        "bpftool version": "",
        "-j prog show": recorded("bpftool-prog.json"),
        "-j net show": recorded("bpftool-net.json"),
        "-j cgroup tree": recorded("bpftool-cgroup.json"),
        "journalctl": "[    1.000000] node1 kernel: BUG: x\n",
        "systemctl list-units": "",
    }
    return system


def gather(facts: Facts, *sections: str) -> HostFacts:
    """Through JSON and into the model, as the controller gets it."""
    return from_data(HostFacts, json.loads(json.dumps(facts.gather("node1", sections or tuple(SECTIONS)))))


def next_kernel_of(facts: HostFacts) -> str:
    """What decide makes of them."""
    return candidate.next_kernel(facts).release


def test_everything_of_a_node(system: FakeSystem) -> None:
    facts = gather(Facts(system))
    assert facts.unknown == {}
    assert (facts.host, facts.distribution, facts.distribution_version) == ("node1", "debian", "13")
    assert (facts.kernel, next_kernel_of(facts)) == (OLD, NEW)
    assert facts.kernels == (
        Kernel(NEW, IMAGE, arriving=True, packages=((IMAGE, "6.12.107-1"),), headers=False),
        Kernel(OLD, f"linux-image-{OLD}", installed=True, image=f"/boot/vmlinuz-{OLD}"),
    )
    assert facts.remedies.unhold == "apt-mark unhold"
    assert (facts.uptime, facts.boot_loader, facts.btf, facts.reboot_required) == (1043.52, "grub", True, False)
    assert PackageChange("linux-image-cloud-amd64", "6.1.176-1", "6.12.107-1", kind=PackageKind.KERNEL) in facts.pending
    assert {change.name for change in facts.pending if not change.kind.of_kernel} == {"apparmor", "login", "login.defs"}
    assert len(facts.pending) == 5 and len(facts.bpf) == 6 and facts.kernel_log == ("[1.000000] BUG: x",)


def test_the_kernel_alone(system: FakeSystem) -> None:
    facts = gather(Facts(system, scope="kernel"), "packages")
    assert len(facts.pending) == 3 and next_kernel_of(facts) == NEW


def test_what_was_not_asked_for_is_unknown(system: FakeSystem) -> None:
    facts = gather(Facts(system), "reach")
    assert facts.boot_id and "boot_id" not in facts.unknown
    assert facts.unknown["pending"] == facts.unknown["bpf"] == "not requested" and "reach" not in facts.unknown
    assert system.calls == []


def test_what_cannot_be_read_is_unknown_and_hides_nothing_else(system: FakeSystem) -> None:
    system.answers["full-upgrade"] = Result(100, "", "E: The package cache file is corrupted")
    system.answers["-j net show"] = '[{"tc": [{}]}]'
    facts = gather(Facts(system))
    assert set(facts.unknown) == {"pending", "kernels", "bpf"}
    assert "corrupted" in facts.unknown["kernels"] and facts.unknown["bpf"].startswith("KeyError")
    assert facts.held == () and facts.kernel_log


def test_lists_that_could_not_be_refreshed_make_the_candidate_unknown(system: FakeSystem) -> None:
    tried = []

    def refresh(manager: PackageManager) -> None:
        tried.append(manager)
        manager.refresh(Limits(0, 1))

    system.answers["update"] = Result(100, "", "E: Failed to fetch the Release file")
    facts = gather(Facts(system, refresh=refresh), "packages")
    assert set(facts.unknown) >= {"pending", "kernels"}
    assert "Failed to fetch" in facts.unknown["pending"]
    assert len(tried) == 1


def test_no_package_manager(system: FakeSystem) -> None:
    system.programs = ()
    assert "apt" in gather(Facts(system), "packages").unknown["package_manager"]


def test_nothing_to_do(system: FakeSystem) -> None:
    system.answers["full-upgrade"] = "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n"
    facts = gather(Facts(system), "packages")
    assert (facts.pending, next_kernel_of(facts)) == ((), OLD)
    assert [(kernel.release, kernel.package) for kernel in facts.kernels] == [(OLD, f"linux-image-{OLD}")]


def test_a_pinned_boot_entry_makes_the_candidate_unknown(system: FakeSystem) -> None:
    system.write("/etc/default/grub", "GRUB_DEFAULT=2\n")
    facts = gather(Facts(system), "packages", "boot")
    assert "start the entry '2'" in facts.boot_default and next_kernel_of(facts) == ""
    assert not set(facts.unknown) & set(SECTIONS["packages"])
    system.write("/etc/default/grub", "GRUB_DEFAULT=0\n")
    assert gather(Facts(system), "boot").boot_default == ""


def test_held_packages_have_their_kind(system: FakeSystem) -> None:
    system.answers["dpkg-query"] = (
        "hold\tinstalled\tok\t1.36.3\tamd64\tkubelet\nhold\tinstalled\tok\t1\tamd64\tlinux-image-cloud-amd64\n"
    )
    assert gather(Facts(system), "packages").held == (
        Package("kubelet", PackageKind.OTHER),
        Package("linux-image-cloud-amd64", PackageKind.KERNEL),
    )


def test_a_kernel_that_is_rebuilt_or_replaced_or_removed(system: FakeSystem) -> None:
    system.write(f"/boot/vmlinuz-{NEW}", "x")

    def kernels(*lines: str) -> list[tuple[str, bool, bool]]:
        system.answers["full-upgrade"] = "".join(f"{line}\n" for line in lines)
        return [(each.release, each.arriving, each.leaving) for each in gather(Facts(system), "packages").kernels]

    rebuilt = f"Inst linux-image-{OLD} [6.1.176-1] (6.1.176-2 Debian:13/stable [amd64])"
    assert kernels(rebuilt) == [(NEW, False, False), (OLD, True, False)]
    assert kernels(f"Remv {IMAGE} [6.12.107-1]") == [(NEW, False, True), (OLD, False, False)]
    signed = f"Inst {IMAGE} (6.12.107-1 Debian:13/stable [amd64])"
    assert kernels(f"Remv {IMAGE}-unsigned [6.12.107-1]", signed) == [(NEW, True, False), (OLD, False, False)]
    headers = f"Inst linux-headers-{NEW} (6.12.107-1 Debian:13/stable [amd64])"
    system.answers["full-upgrade"] = f"{signed}\n{headers}\n"
    assert gather(Facts(system), "packages").kernels[0].headers is True


def test_a_kernel_of_ones_own_has_no_package(system: FakeSystem) -> None:
    system.write("/proc/sys/kernel/osrelease", "6.18.1\n")
    system.answers["full-upgrade"] = ""
    own = gather(Facts(system), "packages").kernels[0]
    assert own == Kernel("6.18.1", installed=True)


@pytest.mark.parametrize("why", ["flag", "newer kernel", "newer build"])
def test_reboot_required(system: FakeSystem, why: str) -> None:
    if why == "flag":
        system.write("/run/reboot-required")
    elif why == "newer kernel":
        system.write(f"/boot/vmlinuz-{NEW}", "x")
    else:
        system.write("/proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-04-01)\n")
    assert gather(Facts(system), "packages").reboot_required


def test_another_flavours_newer_kernel_is_no_reason_to_reboot(system: FakeSystem) -> None:
    system.write("/boot/vmlinuz-6.12.107+deb13-amd64", "x")
    facts = gather(Facts(system), "packages")
    assert not facts.reboot_required


class TestNextKernel:
    def test_from_seven_on_two_packages_bring_it(self) -> None:
        pending = [Change(f"linux-{kind}-7.3.4+deb13-cloud-amd64", "", "7.3.4-1") for kind in ("binary", "image")]
        assert next_kernel(NAMES, pending, {OLD}, OLD) == "7.3.4+deb13-cloud-amd64"

    def test_the_one_with_the_file_is_named(self) -> None:
        names = ("linux-base-7.3.4+deb13-amd64", "linux-image-7.3.4+deb13-amd64", "linux-binary-7.3.4+deb13-amd64")
        assert kernel_package(NAMES, "7.3.4+deb13-amd64", names, ()) == "linux-binary-7.3.4+deb13-amd64"

    def test_ubuntu(self) -> None:
        pending = [Change("linux-image-5.15.0-128-generic", "", "5.15.0-128.138")]
        assert next_kernel(NAMES, pending, {"5.15.0-127-generic"}, "5.15.0-127-generic") == "5.15.0-128-generic"

    def test_numbers_are_not_compared_as_text(self) -> None:
        pending = [Change("linux-image-6.8.0-100-generic", "", "6.8.0-100.1")]
        assert next_kernel(NAMES, pending, set(), "6.8.0-99-generic") == "6.8.0-100-generic"

    def test_a_kernel_that_is_removed_is_not_started(self) -> None:
        pending = [Change(f"linux-image-{NEW}", "6.12.107-1", "")]
        assert next_kernel(NAMES, pending, {OLD, NEW}, OLD) == OLD

    def test_an_older_kernel_changes_nothing(self) -> None:
        pending = [Change(f"linux-image-{OLD}", "", "6.1.176-1")]
        assert next_kernel(NAMES, pending, {NEW}, NEW) == NEW

    def test_another_flavour_that_would_come_first(self) -> None:
        with pytest.raises(Unreadable, match="flavour cloud-amd64"):
            next_kernel(NAMES, [Change("linux-image-7.3.4+deb13-amd64", "", "7.3.4-1")], {OLD}, OLD)

    def test_another_flavour_of_the_same_version_comes_later(self) -> None:
        pending = [Change(f"linux-image-{release}", "", "6.12.107-1") for release in (NEW, "6.12.107+deb13-amd64")]
        assert next_kernel(NAMES, pending, {OLD}, OLD) == NEW
