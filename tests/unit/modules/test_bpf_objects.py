# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects, live programs and configuration of a node, as Cilium 1.15 and later ones leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import bpf_objects
from ansible_collections.friday.upgrade.plugins.module_utils.system import Unreadable
from tests.support.elf import X86_64, elf
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


def put(system: FakeSystem, name: str, data: bytes) -> None:
    system.write(name)
    Path(system.path(name)).write_bytes(data)


def live(system: FakeSystem, maps: dict[str, list[tuple[str, bytes]]], **more: object) -> None:
    """Let programs be live, each with its maps (name and content), all of them frozen."""
    programs, shown = [], []
    for program, given in maps.items():
        numbers = []
        for name, content in given:
            number = len(shown) + 1
            numbers.append(number)
            shown.append({"id": number, "name": name, "bytes_value": len(content), "frozen": 1})
            entry = {"key": ["0x00"], "value": [f"0x{byte:x}" for byte in content]}
            system.answers[f"map dump id {number}"] = json.dumps([entry])
        programs.append({"id": 1, "type": "xdp", "name": program, "tag": "aa", "map_ids": numbers, **more})
    system.answers |= {"-j prog show": json.dumps(programs), "-j map show": json.dumps(shown)}


def contents(system: FakeSystem, path: str) -> dict[str, str]:
    (found,) = bpf_objects.read(system, [path])["objects"]
    return dict(found["contents"])


def test_what_the_agent_has_written_into_read_only_data_goes_with_its_object(system: FakeSystem) -> None:
    sections = {".rodata.config": b"\0\0\0", ".rodata": b"\0\0", ".rodata.str1.1": b"text", "names": b"\0prog\0"}
    sections[".rodata.of_a_long_name"] = b"123"
    put(system, "/opt/agent.o", elf(sections))
    given = [
        (".rodata.of_a_lo", b"321"),
        (".rodata.config", b"\x0a\0\xff"),
        ("agent.rodata", b"\x01\x02"),
        (".rodata", b"another"),
        ("secret", b"12"),
    ]
    live(system, {"prog": given, "other": [(".rodata.config", b"123")]})
    assert contents(system, "/opt/agent.o") == {
        ".rodata.config": "0a00ff",
        ".rodata": "0102",
        ".rodata.of_a_long_name": "333231",
    }
    dumped = {call.rpartition(" ")[2] for call in system.calls if "map dump" in call}
    assert dumped == {"1", "2", "3"}, "of the maps nothing else is read"


def test_data_that_can_still_be_written_to_is_not_taken(system: FakeSystem) -> None:
    """The verifier does not go by it."""
    put(system, "/opt/agent.o", elf({".rodata": b"12", "names": b"\0prog\0"}))
    live(system, {"prog": [(".rodata", b"34")]})
    shown = json.loads(str(system.answers["-j map show"]))
    system.answers["-j map show"] = json.dumps([{**each, "frozen": 0} for each in shown])
    assert contents(system, "/opt/agent.o") == {}


def test_endpoints_that_differ_in_ciliums_configuration_are_not_worth_a_word(system: FakeSystem) -> None:
    put(system, "/opt/agent.o", elf({".rodata.config": b"12", "names": b"\0prog\0program\0"}))
    live(system, {"prog": [(".rodata.config", b"34")], "program": [(".rodata.config", b"56")]})
    assert bpf_objects.read(system, ["/opt/agent.o"])["unknown"] == {}


def test_one_content_in_two_places_is_one(system: FakeSystem) -> None:
    for name in ("/opt/a.o", "/opt/b.o"):
        put(system, name, elf({"names": b"one"}))
    assert paths(system, "/opt/a.o", "/opt/b.o") == ["/opt/a.o"]


def test_read_only_data_of_a_program_that_is_not_of_the_object_is_not_taken(system: FakeSystem) -> None:
    put(system, "/opt/agent.o", elf({".rodata": b"12", "names": b"\0prog\0"}))
    live(system, {"another": [(".rodata", b"34")]})
    assert contents(system, "/opt/agent.o") == {}


def test_a_section_of_another_object_with_the_same_tail_calls_is_not_taken(system: FakeSystem) -> None:
    """Cilium's objects have the names of their tail calls in common, and a configuration may be as long as another."""
    put(system, "/opt/lxc.o", elf({".rodata.config": b"12", "names": b"\0cil_from_container\0tail_nodeport\0"}))
    overlay, lxc = (".rodata.config", b"34"), (".rodata.config", b"56")
    live(system, {"tail_nodeport": [overlay], "cil_from_overlay": [overlay], "cil_from_container": [lxc]})
    programs = json.loads(str(system.answers["-j prog show"]))
    programs[1]["map_ids"] = programs[0]["map_ids"]  # the overlay's two have one map
    programs.append({**programs[0], "map_ids": programs[2]["map_ids"]})  # and the container's tail call has its own
    system.answers["-j prog show"] = json.dumps(programs)
    assert contents(system, "/opt/lxc.o") == {".rodata.config": "3536"}


def test_a_section_whose_agent_has_named_a_program_otherwise_is_taken(system: FakeSystem) -> None:
    put(system, "/opt/agent.o", elf({".rodata": b"12", "names": b"\0prog\0"}))
    live(system, {"prog": [(".rodata", b"34")], "renamed": []})
    programs = json.loads(str(system.answers["-j prog show"]))
    programs[1]["map_ids"] = programs[0]["map_ids"]
    system.answers["-j prog show"] = json.dumps(programs)
    assert contents(system, "/opt/agent.o") == {".rodata": "3334"}


def test_a_configuration_of_any_size_is_taken_byte_by_byte(system: FakeSystem) -> None:
    whole = bytes(range(256)) * 3
    for size in (1, 16, 41, 768):
        put(system, "/opt/agent.o", elf({".rodata.config": b"\0" * size, "names": b"\0prog\0"}))
        live(system, {"prog": [(".rodata.config", whole[:size]), (".rodata.config", whole[: size - 1])]})
        assert contents(system, "/opt/agent.o") == {".rodata.config": whole[:size].hex()}


def test_an_object_that_is_live_with_several_configurations_is_said_to_be(system: FakeSystem) -> None:
    put(system, "/opt/agent.o", elf({".rodata": b"12", "names": b"\0prog\0program\0"}))
    live(system, {"prog": [(".rodata", b"34")], "program": [(".rodata", b"56")]})
    read = bpf_objects.read(system, ["/opt/agent.o"])
    assert read["objects"][0]["contents"] == {".rodata": "3334"}
    assert read["unknown"] == {"/opt/agent.o (.rodata)": "is live with 2 contents; only one of them is rehearsed"}


def test_read_only_data_that_cannot_be_read_is_said(system: FakeSystem) -> None:
    put(system, "/opt/agent.o", elf({".rodata": b"12", "names": b"\0prog\0"}))
    live(system, {"prog": [(".rodata", b"34")]})
    system.answers["map dump id 1"] = Unreadable("bpftool: no permission")
    assert bpf_objects.read(system, ["/opt/agent.o"])["unknown"] == {
        "/opt/agent.o (read-only data)": "bpftool: no permission"
    }


def process(system: FakeSystem, number: int, program: str, handle: str, *libraries: str) -> None:
    """A process that runs a program, and has a descriptor besides its standard ones."""
    folder = Path(system.path(f"/proc/{number}"))
    (folder / "fd").mkdir(parents=True)
    (folder / "exe").symlink_to(system.path(program))
    (folder / "root").symlink_to(system.path("/"))
    (folder / "fd/0").symlink_to("/dev/null")
    (folder / "fd/7").symlink_to(handle)
    mapped = "".join(f"7f00-7f01 r-xp 00000000 08:01 42   {name}\n" for name in (program, *libraries))
    (folder / "maps").write_text(f"{mapped}7f02-7f03 rw-p 00000000 00:00 0\n")


def test_objects_within_what_the_holders_of_programs_run(system: FakeSystem) -> None:
    """Two processes of one program are one; what is in no BPF object is passed over."""
    one, two, three = (elf({"names": name}) for name in (b"one", b"two", b"three"))
    begin = b"\x7fELF\x02\x01\x01"
    put(system, "/usr/bin/agent", begin + b" code" + one + begin + elf({}, X86_64) + two + two[:90])
    put(system, "/usr/lib/libagent.so.1", begin + three)
    process(system, 7, "/usr/bin/agent", "anon_inode:bpf-prog", "/usr/lib/libagent.so.1", "/usr/lib/gone.so (deleted)")
    process(system, 8, "/usr/bin/agent", "anon_inode:bpf-map")
    put(system, "/usr/bin/linked", begin + elf({"names": b"five"}))
    process(system, 11, "/usr/bin/linked", "anon_inode:bpf_link")
    put(system, "/usr/bin/other", begin + elf({"names": b"four"}))
    process(system, 9, "/usr/bin/other", "socket:[77]")
    found = bpf_objects.read(system, ())["objects"]
    at = {each["path"]: bpf_objects.content(system, each["path"]) for each in found}
    assert at.pop("/proc/11/exe#1") == elf({"names": b"five"})
    assert at == {"/proc/7/exe#1": one, "/proc/7/exe#2": two, "/proc/7/root/usr/lib/libagent.so.1#1": three}
    found = [each for each in found if "/7/" in each["path"]]
    assert found[0]["name"].endswith("/usr/bin/agent (process 7) #1")
    assert found[2]["name"] == "/usr/lib/libagent.so.1 (process 7) #1"
    assert [each["carried"] for each in found] == [True, True, True]
    with pytest.raises(Unreadable, match="it no longer contains that object"):
        bpf_objects.content(system, "/proc/7/exe#3")


def test_a_program_that_is_named_gives_what_it_carries(system: FakeSystem) -> None:
    put(system, "/usr/bin/agent", b"\x7fELF\x02\x01\x01 code" + elf({"names": b"one"}))
    put(system, "/opt/a#1", elf({"names": b"two"}))
    assert paths(system, "/usr/bin/agent", "/opt/a#1") == ["/usr/bin/agent#1", "/opt/a#1"]


def test_files_folders_and_patterns_of_ones_own(system: FakeSystem) -> None:
    for name in ("a/one.o", "a/two.elf", "a/readme", "b/three.bin"):
        system.write(f"/opt/{name}", name)
    assert paths(system, "/opt/a", "/opt/b/*.bin") == ["/opt/a/one.o", "/opt/a/two.elf", "/opt/b/three.bin"]
    assert bpf_objects.read(system, ["/opt/none"])["unknown"] == {"/opt/none": "no such file or folder"}


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
