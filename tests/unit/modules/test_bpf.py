# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""BPF attachments, by recorded outputs of bpftool 7.5 and by what Cilium 1.15 shows (clsact, one program a device)."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import bpf, bpf_query
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, Unreadable
from tests.unit.modules.fakes import FakeSystem, recorded

MOUNTS = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nnone /sys/fs/cgroup/unified cgroup2 rw 0 0\nproc /proc proc rw 0 0\n"


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path, {"/proc/mounts": MOUNTS}, ("bpftool",))
    system.answers = {
        "bpftool version": "bpftool v7.5.0",
        "-j prog show": recorded("bpftool-prog.json"),
        "-j net show": recorded("bpftool-net.json"),
        "-j cgroup tree": recorded("bpftool-cgroup.json"),
        "bpftool -j link show": "[]",
    }
    return system


def rows(system: FakeSystem) -> list[tuple[str, ...]]:
    return [tuple(one.values()) for one in bpf.attachments(system)]


def test_every_kind_of_attachment(system: FakeSystem) -> None:
    assert rows(system) == [
        ("cgroup/connect4", "/", "cil_sock4_connect", "b11459a0e11ca14c"),
        ("cgroup/connect4", "/friday-test", "cil_sock4_connect", "b11459a0e11ca14c"),
        ("tc/ingress", "eth1", "cil_from_netdev", "f03f3c893109830e"),
        ("tc/ingress", "lxc612a17ebe844", "cil_from_container", "f03f3c893109830e"),
        ("tcx/egress", "eth1", "cil_from_netdev", "f03f3c893109830e"),
        ("xdp", "eth1", "cil_xdp_entry", "614b434cd8324ecc"),
    ]


def test_cilium_names_its_programs_after_the_device(system: FakeSystem) -> None:
    tc = [
        {"devname": "eth1", "ifindex": 3, "kind": "clsact/ingress", "name": "cil_from_netdev-eth1", "id": 410},
        {
            "devname": "cilium_host",
            "ifindex": 5,
            "kind": "clsact/egress",
            "name": "cil_from_host-cilium_host",
            "id": 399,
        },
        {
            "devname": "lxc612a17ebe844",
            "ifindex": 7,
            "kind": "clsact/ingress",
            "name": "cil_from_container-lxc612a17ebe844",
            "id": 422,
        },
    ]
    system.answers["-j net show"] = json.dumps([{"xdp": [], "tc": tc, "flow_dissector": [], "netfilter": []}])
    # The kernel's own name has 15 characters; the name at the hook comes first.
    system.answers["-j prog show"] = json.dumps([{"id": 422, "name": "cil_from_contai", "tag": "aa"}])
    system.answers["-j cgroup tree"] = "[]"
    assert rows(system) == [
        ("tc/egress", "cilium_host", "cil_from_host", ""),
        ("tc/ingress", "eth1", "cil_from_netdev", ""),
        ("tc/ingress", "lxc612a17ebe844", "cil_from_container", "aa"),
    ]


@pytest.fixture
def old_tool(system: FakeSystem) -> FakeSystem:
    """Debian 12's bpftool 7.1 under a kernel with tcx: of the links it shows numbers, of their devices nothing."""
    system.answers["-j net show"] = json.dumps([{"xdp": [], "tc": [], "flow_dissector": [], "netfilter": []}])
    system.answers["-j cgroup tree"] = "[]"
    names = {31: "cil_from_netdev", 32: "cil_from_container", 33: "cil_to_container"}
    system.answers["-j prog show"] = json.dumps([{"id": n, "name": name, "tag": "aa"} for n, name in names.items()])
    links = [{"id": 2, "type": "cgroup", "prog_id": 9}, {"id": 5, "type": 11, "prog_id": 31}]
    system.answers["bpftool -j link show"] = json.dumps([*links, {"id": 6, "type": 13, "prog_id": 32}])
    system.write("/sys/class/net/eth1/ifindex", "3\n")
    system.write("/sys/class/net/lxc1/ifindex", "7\n")
    return system


def answer_of_the_kernel(monkeypatch: pytest.MonkeyPatch, attached: dict[tuple[int, int], list[int]]) -> None:
    def programs(ifindex: int, attach_type: int) -> list[int]:
        if (ifindex, attach_type) not in attached:
            raise OSError(errno.EINVAL, "Invalid argument")
        return attached[ifindex, attach_type]

    monkeypatch.setattr(bpf_query, "programs", programs)


def test_what_an_old_bpftool_leaves_out_the_kernel_is_asked_for(
    old_tool: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_of_the_kernel(monkeypatch, {(3, 46): [31], (3, 47): [], (7, 54): [33], (7, 55): [32]})
    assert rows(old_tool) == [
        ("netkit/peer", "lxc1", "cil_from_container", "aa"),
        ("netkit/primary", "lxc1", "cil_to_container", "aa"),
        ("tcx/ingress", "eth1", "cil_from_netdev", "aa"),
    ]


def test_an_old_bpftool_is_told_and_not_believed_where_the_kernel_does_not_answer(
    old_tool: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_of_the_kernel(monkeypatch, {})
    with pytest.raises(Unreadable, match=r"too old to list 2 programs attached as tcx or netkit.*7\.4 or later"):
        bpf.attachments(old_tool)

    def forbidden(ifindex: int, attach_type: int) -> list[int]:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(bpf_query, "programs", forbidden)
    with pytest.raises(Unreadable, match="Operation not permitted"):
        bpf.attachments(old_tool)


@pytest.mark.parametrize(("release", "told"), [("5.4.0-200-generic", False), ("6.12.107+deb13-amd64", True)])
def test_a_bpftool_that_shows_no_links_is_doubted_only_where_there_may_be_any(
    system: FakeSystem, release: str, told: bool
) -> None:
    system.write("/proc/sys/kernel/osrelease", release)
    system.answers["bpftool -j link show"] = Result(255, "", "Error: can't get next link: Invalid argument")
    if told:
        with pytest.raises(Unreadable, match=r"could not be found out: .*can't get next link"):
            bpf.attachments(system)
    else:
        assert len(bpf.attachments(system)) == 6


def test_devices_of_pods_are_those_that_lead_into_another_namespace(system: FakeSystem) -> None:
    """As a node of the lab with Cilium 1.19 has them."""
    devices = ("eth1", "lxcb3ce9ac7e19f", "cilium_host")
    tc = [{"devname": name, "kind": "clsact/ingress", "name": "x", "id": 1} for name in devices]
    system.answers["-j net show"] = json.dumps([{"xdp": [], "tc": tc, "flow_dissector": []}])
    system.answers["ip -j link show"] = recorded("ip-link.json")
    found = {one["device"]: one.get("into_netns") for one in bpf.attachments(system)}
    assert {name: found[name] for name in devices} == {"eth1": False, "lxcb3ce9ac7e19f": True, "cilium_host": False}
    assert found["/"] is None, "a cgroup is no device"


def test_what_comes_and_goes_with_units_and_containers_is_left_out(system: FakeSystem) -> None:
    programs = [
        {"id": 1, "attach_type": "cgroup_device", "attach_flags": "multi", "name": "sd_devices"},
        {"id": 2, "attach_type": "device", "attach_flags": "", "name": ""},
        {"id": 3, "attach_type": "cgroup_inet_egress", "attach_flags": "multi", "name": "sd_fw_egress"},
        {"id": 4, "attach_type": "cgroup_inet_egress", "attach_flags": "multi", "name": "mine"},
    ]
    system.answers["-j net show"] = "[]"
    system.answers["-j cgroup tree"] = json.dumps([{"cgroup": "/sys/fs/cgroup/system.slice", "programs": programs}])
    assert rows(system) == [("cgroup/egress", "/system.slice", "mine", "")]


@pytest.mark.parametrize(
    ("attach_type", "hook"),
    [
        ("cgroup_inet4_connect", "cgroup/connect4"),
        ("connect6", "cgroup/connect6"),
        ("cgroup_udp6_sendmsg", "cgroup/sendmsg6"),
        ("cgroup_inet4_getpeername", "cgroup/getpeername4"),
        ("cgroup_inet6_post_bind", "cgroup/post_bind6"),
        ("cgroup_inet_sock_create", "cgroup/sock_create"),
        ("cgroup_inet_ingress", "cgroup/ingress"),
        ("cgroup_sock_ops", "cgroup/sock_ops"),
    ],
)
def test_old_and_new_names_of_a_cgroup_hook(system: FakeSystem, attach_type: str, hook: str) -> None:
    system.answers["-j net show"] = "[]"
    tree = [{"cgroup": "/sys/fs/cgroup", "programs": [{"id": 1, "attach_type": attach_type, "name": "x"}]}]
    system.answers["-j cgroup tree"] = json.dumps(tree)
    assert rows(system)[0][:2] == (hook, "/")


def test_no_bpftool(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="not installed"):
        bpf.attachments(FakeSystem(tmp_path))


def test_ubuntus_bpftool_after_an_upgrade(system: FakeSystem) -> None:
    """The script fails as there are no tools for the new kernel; those of the old one serve."""
    warning = "WARNING: bpftool not found for kernel 5.15.0-128"
    system.write("/usr/lib/linux-tools/5.15.0-127-generic/bpftool")
    system.answers = {
        "/usr/bin/bpftool": Result(2, "", warning),
        "/usr/lib/linux-tools/5.15.0-127-generic/bpftool": "[]",
    }
    assert rows(system) == []
    del system.answers["/usr/lib/linux-tools/5.15.0-127-generic/bpftool"]
    system.answers["linux-tools"] = Result(1, "", "broken too")
    with pytest.raises(Unreadable, match="broken too"):
        bpf.attachments(system)


def test_an_answer_that_is_no_json(system: FakeSystem) -> None:
    system.answers["-j net show"] = "Error: something"
    with pytest.raises(Unreadable, match="expected JSON"):
        bpf.attachments(system)
