# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects, live programs and configuration of a node, as Cilium 1.15 and later ones leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import bpf_objects
from ansible_collections.friday.upgrade.plugins.module_utils.system import Unreadable
from tests.unit.modules.fakes import FakeSystem, recorded

STATE = "/run/cilium/state"


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path, programs=("bpftool",))
    system.answers = {
        "bpftool version": "bpftool v7.5.0",
        "-j prog show": recorded("bpftool-prog.json"),
        "-j map show": "[]",
    }
    return system


def endpoint(system: FakeSystem, number: str, kind: str, text: str, template: str) -> None:
    """An endpoint's folder: its own object, and a link to the template that this was made from."""
    system.write(f"{STATE}/{number}/{kind}", text)
    system.write(f"{STATE}/templates/{template}/{kind}", f"template of {kind}")
    Path(system.path(f"{STATE}/{number}/template.o")).symlink_to(f"{STATE}/templates/{template}/{kind}")


def paths(system: FakeSystem, *given: str) -> list[str]:
    return [each["path"] for each in bpf_objects.read(system, given)["objects"]]


def test_endpoints_of_one_template_are_one(system: FakeSystem) -> None:
    """And their templates, without an endpoint's values in them, would be refused for nothing."""
    endpoint(system, "12", "bpf_lxc.o", "values of 12", "aa")
    endpoint(system, "13", "bpf_lxc.o", "values of 13", "aa")
    endpoint(system, "14", "bpf_lxc.o", "values of 14", "bb")
    endpoint(system, "20", "bpf_host.o", "host", "cc")
    system.write(f"{STATE}/20/bpf_netdev_eth1.o", "eth1")
    system.write(f"{STATE}/12_next/bpf_lxc.o", "an attempt")
    system.write(f"{STATE}/bpf_overlay.o", "overlay")
    found = [path.removeprefix(f"{STATE}/") for path in paths(system)]
    assert found == ["12/bpf_lxc.o", "14/bpf_lxc.o", "20/bpf_host.o", "20/bpf_netdev_eth1.o", "bpf_overlay.o"]


def test_templates_are_all_there_is_in_newer_ones(system: FakeSystem) -> None:
    system.write(f"{STATE}/templates/aa/bpf_lxc.o", "one")
    system.write(f"{STATE}/templates/bb/bpf_host.o", "two")
    assert paths(system) == [f"{STATE}/templates/aa/bpf_lxc.o", f"{STATE}/templates/bb/bpf_host.o"]


def test_the_configuration_of_the_live_program_goes_with_its_object(system: FakeSystem) -> None:
    system.write(f"{STATE}/templates/aa/bpf_lxc.o", "\0cil_from_container\0.rodata.config\0")
    system.write(f"{STATE}/templates/bb/bpf_host.o", "\0cil_from_netdev\0")
    programs = json.loads(recorded("bpftool-prog.json"))
    for program in programs:
        program["map_ids"] = [7, 8]
    system.answers |= {
        "-j prog show": json.dumps(programs),
        "-j map show": json.dumps([{"id": 7, "name": "secrets"}, {"id": 8, "name": ".rodata.config"}]),
        "map dump id 8": json.dumps([{"key": ["0x00"], "value": ["0x0a", "0x0", "0xff"]}]),
    }
    host, container = sorted(bpf_objects.read(system, ())["objects"], key=lambda each: each["path"], reverse=True)
    assert container["contents"] == {".rodata.config": "0a00ff"}
    assert host["contents"] == {}
    assert not [call for call in system.calls if "dump id 7" in call], "nothing else of the maps is read"


def test_files_folders_and_patterns_of_ones_own(system: FakeSystem) -> None:
    for name in ("a/one.o", "a/two.elf", "a/readme", "b/three.bin"):
        system.write(f"/opt/{name}", name)
    assert paths(system, "/opt/a", "/opt/b/*.bin") == ["/opt/a/one.o", "/opt/a/two.elf", "/opt/b/three.bin"]
    assert bpf_objects.read(system, ["/opt/none"])["unknown"] == {"/opt/none": "there is no such file or folder"}


def test_what_is_too_large_is_left_out_and_said(system: FakeSystem) -> None:
    system.write("/opt/huge.o")
    with open(system.path("/opt/huge.o"), "wb") as file:
        file.truncate(100 * 1024**2)
    read = bpf_objects.read(system, ["/opt/huge.o"])
    assert read["objects"] == []
    assert "104857600 bytes" in read["unknown"]["/opt/huge.o"]


def test_live_programs_but_not_those_that_come_from_no_file(system: FakeSystem) -> None:
    system.answers["-j prog show"] = json.dumps(
        [
            {"id": 1, "type": "sched_cls", "name": "cil_from_netdev", "tag": "aa"},
            {"id": 2, "type": "sched_cls", "name": "cil_from_netdev", "tag": "aa"},
            {"id": 3, "type": "cgroup_skb", "name": "sd_fw_egress", "tag": "bb"},
            {"id": 4, "type": "cgroup_device", "name": "", "tag": "cc"},
        ]
    )
    assert bpf_objects.read(system, ())["live"] == [{"name": "cil_from_netdev", "type": "sched_cls", "tag": "aa"}]


def test_without_bpftool_it_is_not_known_what_is_live(system: FakeSystem) -> None:
    system.answers["bpftool version"] = Unreadable("bpftool: it does not run here")
    read = bpf_objects.read(system, ())
    assert read["live"] is None
    assert read["unknown"] == {"live": "bpftool: it does not run here"}


def test_modules_in_use_and_those_of_dkms(system: FakeSystem) -> None:
    system.write("/proc/modules", "xt_socket 16384 0 - Live\nzfs_kit 1 0 - Live\n")
    system.write("/proc/sys/kernel/osrelease", "6.1.0\n")
    system.write("/lib/modules/6.1.0/updates/dkms/zfs-kit.ko.xz")
    system.write("/proc/sys/net/core/bpf_jit_harden", "2\n")
    read = bpf_objects.read(system, ())
    assert (read["modules"], read["dkms"]) == (["xt_socket", "zfs_kit"], ["zfs_kit"])
    assert read["sysctls"] == {"net.core.bpf_jit_harden": "2"}
