# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the survey says of packages, with this machine's apt on repositories that are made for each test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.candidate import next_kernel
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from tests.playbooks.machines import Machine, Package, entering

ROOT = Path(__file__).parents[2]
CODE = f"""
import json, sys
sys.dont_write_bytecode = True
sys.path[:0] = [{str(ROOT / "collections")!r}, {str(ROOT)!r}]
from ansible_collections.friday.upgrade.plugins.module_utils import package_manager
from ansible_collections.friday.upgrade.plugins.module_utils.facts import Facts, refresher
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Change, Limits
from ansible_collections.friday.upgrade.plugins.module_utils.system import System
from ansible_collections.friday.upgrade.plugins.module_utils.upgrade import Upgrade
what, scope = sys.argv[1:3]
limits = Limits(3, 60)
if what == "facts":
    told = Facts(System(), scope=scope, refresh=refresher(limits, "")).gather("node1", ["packages", "boot"])
else:
    expected = [Change(**each) for each in json.loads(sys.argv[3])]
    work = Upgrade(System(), package_manager.find(System()), scope, expected, limits)
    told = {{"error": ""}}
    try:
        work.check()
        work.download()
    except Exception as error:
        told["error"] = str(error)
    told.update(phase=work.phase, changed=work.changed)
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Held(Package):
    """A package with more fields."""

    more: tuple[tuple[str, str], ...] = ()

    def stanza(self, **fields: str) -> str:
        return super().stanza(**{**fields, **dict(self.more)})


@dataclass
class Box:
    """A machine with real apt in it."""

    folder: Path

    def run(self, *arguments: str) -> Any:
        script = self.folder / "code.py"
        script.write_text(CODE)
        command = [*entering(), str(self.folder / "inside"), str(script), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def facts(self, scope: str = "all") -> HostFacts:
        return from_data(HostFacts, self.run("facts", scope))


Boxes = Callable[..., Box]


@pytest.fixture
def box(tmp_path: Path) -> Boxes:
    def make(
        installed: Sequence[Package],
        available: Sequence[Package],
        running: str = "6.1.0-50-cloud-amd64",
        files: Mapping[str, str] | None = None,
        states: Mapping[str, str] | None = None,
    ) -> Box:
        Machine("node1", available=available, installed=installed, states=states or {}).make(tmp_path)
        (tmp_path / "osrelease").write_text(f"{running}\n")
        for old in (tmp_path / "boot").glob("vmlinuz-*"):
            old.unlink()
        (tmp_path / f"boot/vmlinuz-{running}").write_text("x")
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return Box(tmp_path)

    return make


def lines(facts: HostFacts) -> list[str]:
    return [change.line() for change in facts.pending]


def kept(facts: HostFacts) -> dict[str, str]:
    return {each.name: each.reason for each in facts.kept_back}


def kernels(kind: str, release: str, version: str) -> list[Package]:
    """A kernel of Ubuntu's, with the metapackages of a kind."""
    image, headers = f"linux-image-{kind}", f"linux-headers-{kind}"
    return [
        Package(f"linux-image-{release}", version),
        Package(f"linux-headers-{release}", version),
        Package(image, version, depends=f"linux-image-{release}, linux-firmware"),
        Package(headers, version, depends=f"linux-headers-{release}"),
        Package(f"linux-{kind}", version, depends=f"{image} (= {version}), {headers} (= {version})"),
    ]


FIRMWARE = Package("linux-firmware", "1")


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("virtual", "5.15.0-127-generic", "5.15.0-141-generic"),
        ("virtual-hwe-22.04", "6.8.0-50-generic", "6.8.0-60-generic"),
        ("oem-22.04d", "6.5.0-1020-oem", "6.5.0-1027-oem"),
        ("aws", "6.8.0-1021-aws", "6.8.0-1022-aws"),
        ("kvm", "5.15.0-1010-kvm", "5.15.0-1020-kvm"),
    ],
)
def test_the_kernels_metapackages_are_those_that_depend_on_it(box: Boxes, kind: str, old: str, new: str) -> None:
    tool = Package("tool", "1.0", depends=f"linux-{kind}")
    installed = [*kernels(kind, old, "1.127"), FIRMWARE, tool]
    facts = box(installed, [*kernels(kind, new, "1.141"), Package("tool", "2.0")], running=old).facts("kernel")
    assert facts.boot_next == new
    assert facts.kernel_metapackages == tuple(sorted(f"linux-{part}{kind}" for part in ("", "headers-", "image-")))
    assert "tool" not in {change.name for change in facts.pending}
    assert all(change.kind.of_kernel for change in facts.pending), lines(facts)


def test_proxmox(box: Boxes) -> None:
    old, new = "6.8.12-4-pve", "6.8.12-9-pve"

    def parts(release: str, version: str) -> list[Package]:
        return [
            Package(f"proxmox-kernel-{release}-signed", version, depends="pve-firmware"),
            Package("proxmox-kernel-6.8", version, depends=f"proxmox-kernel-{release}-signed, pve-firmware"),
            Package("proxmox-default-kernel", version, depends="proxmox-kernel-6.8"),
        ]

    everything = Package("proxmox-ve", "8", depends="proxmox-default-kernel, tool")
    installed = [*parts(old, "6.8.12-4"), Package("pve-firmware", "1"), Package("tool", "1"), everything]
    facts = box(installed, parts(new, "6.8.12-9"), running=old).facts("kernel")
    assert (facts.boot_next, facts.kernel_metapackages) == (new, ("proxmox-default-kernel", "proxmox-kernel-6.8"))


def test_a_hold_of_a_metapackage_is_a_hold_of_the_kernel(box: Boxes) -> None:
    old, new = "5.15.0-127-generic", "5.15.0-141-generic"
    installed, available = [*kernels("virtual", old, "1.127"), FIRMWARE], kernels("virtual", new, "1.141")
    facts = box(installed, available, running=old, states={"linux-virtual": "hold ok installed"}).facts("kernel")
    assert [(each.name, each.kind.of_kernel) for each in facts.held] == [("linux-virtual", True)]


def test_a_pin_above_1000_is_a_downgrade_by_name(box: Boxes) -> None:
    pin = "Package: containerd.io\nPin: version 1.6.*\nPin-Priority: 1001\n"
    machine = box(
        [Package("containerd.io", "1.7.27-1"), Package("tool", "1.0")],
        [Package("containerd.io", "1.6.33-1"), Package("tool", "2.0")],
        files={"etc/apt/preferences.d/pin": pin},
    )
    (change,) = [each for each in machine.facts().pending if each.downgrade]
    assert (change.line(), change.role) == ("containerd.io 1.7.27-1 -> 1.6.33-1", "container runtime")
    refused = machine.run("upgrade", "all", "[]")
    assert "which is a downgrade that was not planned" in refused["error"]
    assert (refused["phase"], refused["changed"]) == ("check", False)


def test_what_is_kept_back_has_its_reason(box: Boxes) -> None:
    phased = Held("phased", "2.0", more=(("Phased-Update-Percentage", "0"),))
    needy = Package("needy", "2.0", depends="nowhere (>= 3)")
    names = ("phased", "needy", "held", "pinned", "free")
    machine = box(
        [Package(name, "1.0") for name in names],
        [phased, needy, *(Package(name, "2.0") for name in ("held", "pinned", "free"))],
        files={
            "etc/apt/apt.conf.d/phase": 'APT::Get::Never-Include-Phased-Updates "1";\n',
            "etc/apt/preferences.d/pin": "Package: pinned\nPin: version 1.0\nPin-Priority: 990\n",
        },
        states={"held": "hold ok installed"},
    )
    facts = machine.facts()
    assert lines(facts) == ["free 1.0 -> 2.0"]
    reasons = kept(facts)
    assert reasons.keys() == {"phased", "needy", "held", "pinned"}
    assert reasons["held"] == "on hold"
    assert "phasing" in reasons["phased"]
    assert reasons["needy"].startswith("a dependency: needy needs nowhere (>= 3)")
    assert reasons["pinned"] == "a pin keeps it at 1.0 (2.0 is available)"


def test_a_file_that_its_source_does_not_have(box: Boxes) -> None:
    machine = box([Package("tool", "1.0"), Package("other", "1.0")], [Package("tool", "2.0"), Package("other", "2.0")])
    assert machine.facts().unavailable == ()
    (machine.folder / "repository/tool.deb").unlink()
    (machine.folder / "repository/other.deb").write_bytes(b"torn")
    told = machine.facts().unavailable
    assert [each.split()[0] for each in told] == ["other_2.0_amd64.deb", "tool_2.0_amd64.deb"]
    assert "4 bytes instead of 1" in told[0]
    assert "not at file:" in told[1]
    failed = machine.run(
        "upgrade", "all", json.dumps([{"name": n, "installed": "1.0", "candidate": "2.0"} for n in ("other", "tool")])
    )
    assert (failed["phase"], failed["changed"]) == ("download", False)


def test_a_source_that_was_not_refreshed(box: Boxes) -> None:
    machine = box([Package("tool", "1.0")], [Package("tool", "2.0")])
    with (machine.folder / "etc/apt/sources.list").open("a") as sources:
        sources.write("deb [trusted=yes] http://127.0.0.1:9/nowhere ./\n")
    assert "refreshed" in machine.facts().unknown["pending"]


def test_an_interrupted_dpkg(box: Boxes) -> None:
    machine = box([Package("tool", "1.0")], [Package("tool", "2.0")], files={"var/lib/dpkg/updates/0001": ""})
    assert any("interrupted" in each for each in machine.facts().broken)


def test_a_removal_that_a_conflict_wants(box: Boxes) -> None:
    cni = Held("kubernetes-cni", "0.8.6-00", more=(("Conflicts", "kubelet"),))
    machine = box(
        [
            Package("kubelet", "1.18.4-00", depends="kubernetes-cni"),
            Package("kubernetes-cni", "0.7.5-00"),
            Package("meta", "1"),
        ],
        [cni, Package("meta", "2", depends="kubernetes-cni (>= 0.8.6)")],
    )
    assert "kubelet 1.18.4-00 is removed" in lines(machine.facts())


def test_a_rebuilt_kernel_that_grub_puts_second(box: Boxes) -> None:
    """By `sort -V` over whole paths; by their packages it is the newest."""
    old, new = "6.12.57+deb13-cloud-amd64", "6.12.57+deb13+1-cloud-amd64"

    def parts(release: str, version: str) -> list[Package]:
        image = Package(f"linux-image-{release}", version)
        return [image, Package("linux-image-cloud-amd64", version, depends=image.name)]

    facts = box(parts(old, "6.12.57-1"), parts(new, "6.12.57-2"), running=old).facts()
    assert (facts.boot_next, [each.release for each in facts.kernels]) == (old, [new, old])
    following = next_kernel(facts)
    assert f"grub starts {old} next and not {new}" in following.problem
    assert f"GRUB_TOP_LEVEL=/boot/vmlinuz-{new}" in following.fix
