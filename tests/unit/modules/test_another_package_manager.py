# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A package manager that is none of Friday's: one class and one of names, and decide plans with what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import package_manager
from ansible_collections.friday.upgrade.plugins.module_utils.facts import SECTIONS, Facts
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import (
    HEADERS,
    KERNEL,
    OTHER,
    Change,
    KernelPackages,
    Limits,
    PackageManager,
    Remedies,
)
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, System
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.candidate import next_kernel
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.preflight import preflight
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rehearsal import kernels
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import work_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from tests.unit.decide.fleets import fleet
from tests.unit.modules.fakes import FakeSystem

OLD, NEW = "5.14.0-427.9.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64"


class RedHatKernels(KernelPackages):
    """kernel-core-RELEASE has the image, kernel-modules-RELEASE the modules: here the name has the release in it."""

    def kind(self, package: str) -> str:
        return HEADERS if package.startswith("kernel-devel") else KERNEL if package.startswith("kernel") else OTHER

    def image_release(self, package: str) -> str:
        return package.partition("kernel-core-")[2]

    def images(self, packages: Iterable[str], release: str) -> list[str]:
        return [name for name in packages if name == f"kernel-core-{release}"]

    def parts(self, packages: Iterable[str], release: str) -> list[str]:
        return [name for name in packages if name == f"kernel-modules-{release}"]

    def headers(self, packages: Iterable[str], release: str) -> list[str]:
        return [name for name in packages if name == f"kernel-devel-{release}"]

    def metapackages(self, installed: Iterable[str], flavour: str) -> list[str]:
        return [name for name in installed if name == "kernel"]

    def same_build(self, kernel_version: str, package_version: str) -> bool:
        return True


class Dnf(PackageManager):
    name = "dnf"
    kernels = RedHatKernels()
    remedies = Remedies(repair="dnf check", unhold="dnf versionlock delete", free_space="dnf clean all")

    @staticmethod
    def present(system: System) -> bool:
        return True

    def refresh(self, limits: Limits, scratch: str = "") -> None:
        raise NotImplementedError

    def installed(self) -> dict[str, str]:
        return {f"kernel-core-{OLD}": "5.14.0-427.9.1", "kernel": "5.14.0-427.9.1", "vim": "8"}

    def held(self) -> list[str]:
        return ["kernel"]

    def broken(self) -> list[str]:
        return ["glibc (duplicate)"]

    def pending(self, packages: Sequence[str] | None) -> list[Change]:
        names = (f"kernel-core-{NEW}", f"kernel-modules-{NEW}", "kernel")
        return [*(Change(name, "", "5.14.0-427.13.1") for name in names), Change("vim", "8", "9")]

    def download(self, packages: Sequence[str] | None, limits: Limits) -> Result:
        raise NotImplementedError

    def offered(self, prefixes: Sequence[str]) -> dict[str, str]:
        raise NotImplementedError

    def fetch(self, packages: Sequence[tuple[str, str]], folder: str, limits: Limits) -> list[str]:
        raise NotImplementedError

    def archive(self, path: str) -> list[str]:
        return ["rpm2archive", "-n", path]

    def upgrade(self, packages: Sequence[str] | None, removals: bool, limits: Limits) -> Result:
        raise NotImplementedError


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostFacts:
    monkeypatch.setattr(package_manager, "kinds", lambda: [Dnf])
    files = {
        "/etc/os-release": "ID=rhel\n",
        "/proc/sys/kernel/osrelease": f"{OLD}\n",
        "/proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC\n",
        f"/boot/vmlinuz-{OLD}": "x",
    }
    read = Facts(FakeSystem(tmp_path, files)).gather("node1", tuple(SECTIONS))
    return from_data(HostFacts, json.loads(json.dumps(read)))


def test_its_kernel_is_chosen_and_fetched(facts: HostFacts) -> None:
    assert next_kernel(facts).release == NEW
    _running, candidate = kernels(facts, NEW)
    assert [name for name, _version in candidate.packages] == [f"kernel-core-{NEW}", f"kernel-modules-{NEW}"]
    work = work_of(Policy(packages="kernel"), facts)
    assert (work.target_kernel, work.reboot, len(work.packages)) == (NEW, True, 3)


def test_its_commands_are_what_to_type(facts: HostFacts) -> None:
    some = fleet({"node1": "zone-a"})
    some.facts["node1"] = facts
    fixes = [problem.fix for problem in preflight(*some.arguments())]
    assert "fix them first: dnf check" in fixes
    assert any(fix.startswith("release the hold: dnf versionlock delete kernel; ") for fix in fixes)
    assert not any("apt" in fix for fix in fixes)
