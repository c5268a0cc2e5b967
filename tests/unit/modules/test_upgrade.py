# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One upgrade, step by step, on a node that is a folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from ansible_collections.friday.upgrade.plugins.module_utils.debian_kernels import DebianKernels
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Change, Limits
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, StillRunning, Unreadable
from ansible_collections.friday.upgrade.plugins.module_utils.upgrade import Failed, Upgrade, compare
from tests.unit.modules.fakes import FakeSystem, recorded

NAMES = DebianKernels()
OLD, NEW = "6.1.0-50-cloud-amd64", "6.12.107+deb13-cloud-amd64"
IMAGE = Change(f"linux-image-{NEW}", "", "6.12.107-1")
META = Change("linux-image-cloud-amd64", "6.1.176-1", "6.12.107-1")
EXTRA = Change("apparmor", "", "4.1.0-1")
INSTALLED = {f"linux-image-{OLD}": "6.1.176-1", "linux-image-cloud-amd64": "6.1.176-1"}
AFTER = recorded("dpkg-query.txt").replace(
    "6.1.176-1\tamd64\tlinux-image-cloud-amd64", "6.12.107-1\tamd64\tlinux-image-cloud-amd64"
) + (
    f"install\tinstalled\tok\t6.12.107-1\tamd64\tlinux-image-{NEW}\ninstall\tinstalled\tok\t4.1.0-1\tamd64\tapparmor\n"
)


def kernel_files(system: FakeSystem, *releases: str) -> None:
    for release in releases:
        for name in (f"/boot/vmlinuz-{release}", f"/boot/initrd.img-{release}", f"/lib/modules/{release}/modules.dep"):
            system.write(name, "x")
    menu = "".join(f"\tlinux\t/boot/vmlinuz-{release} root=UUID=1 ro\n" for release in releases)
    system.write("/boot/grub/grub.cfg", menu)


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    files = {
        "/proc/sys/kernel/osrelease": f"{OLD}\n",
        "/proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)\n",
    }
    system = FakeSystem(tmp_path, files, ("update-grub", "update-initramfs"))
    kernel_files(system, OLD)

    def install(argv: list[str]) -> Result:
        kernel_files(system, OLD, NEW)
        system.answers["dpkg-query"] = AFTER
        return Result(0, "Setting up linux-image-cloud-amd64 (6.12.107-1) ...\n", "")

    system.answers = {
        "dpkg --print-architecture": "amd64\n",
        "dpkg --audit": "",
        "dpkg-query": recorded("dpkg-query.txt"),
        "apt-get -s": recorded("trixie-kernel.txt"),
        "--download-only": "",
        "apt-mark showauto": "",
        "apt-get -y -q -o DPkg::Lock": install,
    }
    return system


def upgrade(system: FakeSystem, expected: list[Change] | None = None) -> Upgrade:
    return Upgrade(system, Apt(system), "kernel", expected, Limits(1, 1))


def test_the_whole_way(system: FakeSystem) -> None:
    work = upgrade(system, [IMAGE, META, EXTRA])
    work.check()
    assert (work.changes, work.differences, work.target) == ([EXTRA, IMAGE, META], [], NEW)
    assert not work.changed
    work.perform()
    work.verify()
    assert work.changed and work.reboot_required()
    assert work.diff()["before"] == "linux-image-cloud-amd64 6.1.176-1\n"
    assert work.output[-1].startswith("Setting up")


def test_a_second_time_there_is_nothing_to_do(system: FakeSystem) -> None:
    work = upgrade(system, [IMAGE, META])
    work.check()
    work.perform()
    system.answers["apt-get -s"] = "0 upgraded, 0 newly installed\n"
    again = upgrade(system, [IMAGE, META])
    again.check()
    again.verify()
    assert (again.changes, again.differences, again.target) == ([], [], NEW)


def test_broken_packages_stop_it_before_anything(system: FakeSystem) -> None:
    system.answers["dpkg-query"] = recorded("dpkg-query-broken.txt")
    work = upgrade(system)
    with pytest.raises(Failed, match=r"half-configured"):
        work.check()
    assert (work.phase, work.changed) == ("check", False)


def test_a_held_kernel_is_not_upgraded_by_naming_it(system: FakeSystem) -> None:
    held = recorded("dpkg-query.txt").replace(
        "install\tinstalled\tok\t6.1.176-1\tamd64\tlinux-image-cloud-amd64",
        "hold\tinstalled\tok\t6.1.176-1\tamd64\tlinux-image-cloud-amd64",
    )
    assert held != recorded("dpkg-query.txt")
    system.answers["dpkg-query"] = held
    work = upgrade(system)
    work.check()
    assert (work.changes, work.target) == ([], OLD)


def test_a_failed_download_changes_nothing(system: FakeSystem) -> None:
    system.answers["--download-only"] = Result(100, "", "E: Failed to fetch linux-image: 404  Not Found")
    work = upgrade(system)
    work.check()
    with pytest.raises(Failed, match="404"):
        work.perform()
    assert (work.phase, work.changed) == ("download", False)
    assert not any("-y" in call and "--download-only" not in call for call in system.calls)


def test_a_failed_installation_says_what_failed(system: FakeSystem) -> None:
    out = (
        "dpkg: error processing package linux-image-cloud-amd64 (--configure):\n dependency problems\n"
        "E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
    )
    system.answers["apt-get -y -q -o DPkg::Lock"] = Result(100, out, "")
    work = upgrade(system)
    work.check()
    with pytest.raises(Failed, match="dpkg: error processing package linux-image-cloud-amd64"):
        work.perform()
    assert (work.phase, work.changed) == ("install", True)
    assert len(work.output) == 3


def test_an_installation_that_takes_too_long_goes_on(system: FakeSystem) -> None:
    system.answers["apt-get -y -q -o DPkg::Lock"] = StillRunning(4711, "Setting up linux-image\n")
    work = upgrade(system)
    work.check()
    with pytest.raises(Failed, match=r"process 4711.*dpkg --audit.*do not reboot"):
        work.perform()
    assert work.output == ["Setting up linux-image"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"/boot/vmlinuz-{NEW}", "vmlinuz.* is empty"),
        (f"/boot/initrd.img-{NEW}", "initrd.img.* is empty"),
        (f"/lib/modules/{NEW}/modules.dep", "modules.dep is empty"),
        ("/boot/grub/grub.cfg", f"menu of grub has no entry for {NEW.replace('+', '.')}"),
    ],
)
def test_a_kernel_that_would_not_start_is_found(system: FakeSystem, name: str, said: str) -> None:
    work = upgrade(system)
    work.check()
    work.perform()
    system.write(name, "")
    with pytest.raises(Failed, match=said):
        work.verify()
    assert work.phase == "verify"


def test_a_package_that_did_not_arrive_is_found(system: FakeSystem) -> None:
    work = upgrade(system)
    work.check()
    work.perform()
    system.answers["dpkg-query"] = AFTER.replace("4.1.0-1\tamd64\tapparmor", "4.0\tamd64\tapparmor")
    with pytest.raises(Failed, match=r"apparmor is 4\.0 instead of 4\.1\.0-1"):
        work.verify()


def test_another_flavour_that_would_be_started_is_refused(system: FakeSystem) -> None:
    system.answers["apt-get -s"] = "Inst linux-image-6.12.107+deb13-amd64 (6.12.107-1 Debian:13.7/stable [amd64])\n"
    with pytest.raises(Unreadable, match="has the flavour cloud-amd64"):
        upgrade(system).check()


class TestCompare:
    def test_as_planned(self) -> None:
        assert compare(NAMES, [IMAGE, META], [IMAGE, META], INSTALLED) == ([], [])

    def test_without_a_plan(self) -> None:
        assert compare(NAMES, None, [IMAGE, META], INSTALLED) == ([], [])

    def test_without_a_plan_nothing_is_removed(self) -> None:
        assert len(compare(NAMES, None, [Change("kubelet", "1", "")], {"kubelet": "1"}).forbidding) == 1

    def test_another_kernel(self) -> None:
        other = Change("linux-image-6.12.94+deb13-cloud-amd64", "", "6.12.94-1")
        found = compare(NAMES, [other], [IMAGE], INSTALLED)
        assert len(found.forbidding) == 2 and not found.other

    def test_another_build_of_the_planned_kernel(self) -> None:
        assert compare(NAMES, [IMAGE], [IMAGE._replace(candidate="6.12.107-2")], INSTALLED).forbidding

    def test_a_kernel_where_none_was_planned(self) -> None:
        assert compare(NAMES, [], [IMAGE], INSTALLED).forbidding

    def test_no_kernel_where_one_was_planned(self) -> None:
        assert compare(NAMES, [IMAGE], [], INSTALLED).forbidding

    def test_the_planned_kernel_is_there_by_now(self) -> None:
        assert compare(NAMES, [IMAGE], [], {**INSTALLED, IMAGE.name: IMAGE.candidate}) == ([], [])

    def test_a_removal_that_was_not_planned(self) -> None:
        removal = Change("kubelet", "1.36.3", "")
        assert compare(NAMES, [], [removal], {"kubelet": "1.36.3"}).forbidding
        assert compare(NAMES, [Change("kubelet", "1.36.3", "1.36.4")], [removal], {"kubelet": "1.36.3"}).forbidding
        assert compare(NAMES, [removal], [removal], {"kubelet": "1.36.3"}) == ([], [])

    def test_one_more_update_is_reported(self) -> None:
        found = compare(NAMES, [IMAGE], [IMAGE, EXTRA], INSTALLED)
        assert not found.forbidding and found.other == ["apparmor (new) -> 4.1.0-1: was not planned"]


class TestNextBoot:
    def test_another_kernel_than_planned_is_refused(self, system: FakeSystem) -> None:
        job = Upgrade(system, Apt(system), "all", None, Limits(0, 1), planned_kernel="6.12.99-cloud-amd64")
        with pytest.raises(Failed, match=f"would start {re.escape(NEW)} instead of the planned 6.12.99-cloud-amd64"):
            job.check()
        assert not job.changed

    def test_the_menu_that_is_there_afterwards_has_the_last_word(self, system: FakeSystem) -> None:
        job = upgrade(system)
        job.check()
        assert job.target == NEW
        job.perform()
        entries = "".join(
            f"menuentry '{each}' {{\n\tlinux\t/boot/vmlinuz-{each} root=x ro\n}}\n" for each in (NEW, OLD)
        )
        system.write("/boot/grub/grub.cfg", entries)
        job.verify()
        system.write("/boot/grub/grubenv", "next_entry=1\n")
        with pytest.raises(Failed, match=f"do not reboot: the next boot would start {re.escape(OLD)} instead of"):
            job.verify()
