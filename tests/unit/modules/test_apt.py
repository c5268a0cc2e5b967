# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt, by recorded outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Change, Limits
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, Unreadable
from tests.unit.modules.fakes import FakeSystem, recorded

LIMITS = Limits(lock=10, work=100)
LOCKED = Result(100, "", "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)")


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path, {"/var/lib/dpkg/status": "", "/var/lib/apt/lists/one_Packages": "x"}, ("apt-get",))
    system.answers = {
        "dpkg --print-architecture": "amd64\n",
        "dpkg-query": recorded("dpkg-query.txt"),
        "dpkg --audit": "",
        "full-upgrade": recorded("trixie-full-upgrade.txt"),
        "install --only-upgrade": recorded("trixie-kernel.txt"),
    }
    return system


def test_pending_is_what_apt_would_unpack(system: FakeSystem) -> None:
    assert Apt(system).pending(None) == [
        Change("apparmor", "", "4.1.0-1"),
        Change("linux-image-6.12.107+deb13-cloud-amd64", "", "6.12.107-1"),
        Change("linux-image-cloud-amd64", "6.1.176-1", "6.12.107-1"),
        Change("login", "", "1:4.16.0-2+really2.41.5-0+deb13u1"),
        Change("login.defs", "", "1:4.17.4-2"),
    ]


def test_pending_of_some_packages_names_them_and_takes_no_lock(system: FakeSystem) -> None:
    assert len(Apt(system).pending(["linux-image-cloud-amd64"])) == 3
    assert system.calls == [
        "apt-get -s -q -o APT::Get::Assume-Yes=true --allow-downgrades -o Debug::NoLocking=1"
        " -o APT::Get::AutomaticRemove=false install --only-upgrade linux-image-cloud-amd64",
    ]


def test_nothing_is_pending_of_no_package(system: FakeSystem) -> None:
    assert Apt(system).pending([]) == []
    assert system.calls == []


def test_a_removal_has_no_candidate(system: FakeSystem) -> None:
    system.answers["full-upgrade"] = (
        "Remv kubelet [1.36.3-1.1]\nInst libc6:i386 [2.41-12] (2.41-13 Debian:13/stable [i386]) []\n"
    )
    assert Apt(system).pending(None) == [
        Change("kubelet", "1.36.3-1.1", ""),
        Change("libc6:i386", "2.41-12", "2.41-13"),
    ]


def test_unmet_dependencies_are_named(system: FakeSystem) -> None:
    out = "The following packages have unmet dependencies:\n kubelet : Depends: cri-tools but it is not installed\n"
    system.answers["full-upgrade"] = Result(100, out, "E: Unmet dependencies. Try 'apt --fix-broken install'.")
    with pytest.raises(Unreadable, match=r"Unmet dependencies.*\(kubelet\)"):
        Apt(system).pending(None)


def test_installed_held_and_foreign_packages(system: FakeSystem) -> None:
    system.answers["dpkg-query"] = (
        "hold\tinstalled\tok\t1.36.3\tamd64\tkubelet\n"
        "install\tinstalled\tok\t2.41\ti386\tlibc6\n"
        "deinstall\tconfig-files\tok\t1.0\tall\told\n"
        "unknown\tnot-installed\tok\t\t\tnever\n"
    )
    assert Apt(system).installed() == {"kubelet": "1.36.3", "libc6:i386": "2.41"}
    assert Apt(system).held() == ["kubelet"]
    assert Apt(system).broken() == []


def test_broken_packages_have_their_state(system: FakeSystem) -> None:
    system.answers["dpkg-query"] = recorded("dpkg-query-broken.txt")
    system.answers["dpkg --audit"] = Result(1, recorded("dpkg-audit.txt") + " odd  has no control file\n", "")
    assert Apt(system).broken() == [
        "linux-image-6.12.107+deb13-cloud-amd64 (half-configured)",
        "linux-image-cloud-amd64 (unpacked)",
        "odd (dpkg --audit)",
    ]


def test_refresh_waits_for_a_lock(system: FakeSystem) -> None:
    system.answers["update"] = [LOCKED, LOCKED, Result(0, "", "")]
    Apt(system).refresh(LIMITS)
    assert 0 < system.now <= LIMITS.lock


def test_refresh_waits_no_longer_than_it_may(system: FakeSystem) -> None:
    system.answers["update"] = LOCKED
    with pytest.raises(Unreadable, match="could not be refreshed: E: Could not get lock"):
        Apt(system).refresh(LIMITS)
    assert LIMITS.lock <= system.now < LIMITS.lock + 5


def test_refresh_into_a_copy_leaves_the_lists_alone(system: FakeSystem, tmp_path: Path) -> None:
    system.answers["update"] = ""
    apt = Apt(system)
    apt.refresh(LIMITS, str(tmp_path / "scratch"))
    apt.pending(None)
    assert (tmp_path / "scratch/lists/one_Packages").read_text() == "x"
    assert all(f"Dir::State::lists={tmp_path}/scratch/lists" in call for call in system.calls)


def test_upgrade_asks_nothing_keeps_files_and_removes_nothing(system: FakeSystem) -> None:
    Apt(system).upgrade(None, False, LIMITS)
    (call,) = system.calls
    for option in (
        "-y",
        "DPkg::Lock::Timeout=10",
        "--force-confold",
        "APT::Get::Remove=false",
        "AutomaticRemove=false",
    ):
        assert option in call
    Apt(system).upgrade(None, True, LIMITS)
    assert "APT::Get::Remove" not in system.calls[-1]


def test_upgrade_keeps_the_mark_of_packages_that_came_as_dependencies(system: FakeSystem) -> None:
    system.answers["apt-mark showauto linux-generic linux-image-generic"] = "linux-image-generic\n"
    system.answers["apt-mark auto"] = ""
    Apt(system).upgrade(["linux-generic", "linux-image-generic"], False, LIMITS)
    assert system.calls[-1] == "apt-mark auto linux-image-generic"
