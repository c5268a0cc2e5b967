from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.preflight import preflight
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import (
    FileSystem,
    Package,
    PackageChange,
    PackageKind,
    Remedies,
)
from tests.unit.decide.fleets import CURL, NEW, OLD, budget, fleet, kernels, pod

ZONES = {"node1": "zone-a", "node2": "zone-b", "node3": "zone-c"}
BASE = fleet(ZONES)
MIB = 1024**2
META = Package("linux-image-amd64", PackageKind.KERNEL)
KUBELET, HELD_CURL = (Package(name, PackageKind.OTHER) for name in ("kubelet", "curl"))


def problems_of(some):
    return [(problem.subject, problem.message) for problem in preflight(*some.arguments())]


def of_host(**changes):
    return problems_of(BASE.with_facts("node2", **changes))


def room(**free):
    return tuple(FileSystem(mount, 10**12, mib * MIB) for mount, mib in free.items())


def test_a_good_fleet_and_one_with_nothing_to_do_have_no_problem():
    assert problems_of(BASE) == []
    idle = BASE
    for host in ZONES:
        idle = idle.with_facts(host, kernel=NEW, pending=(), file_systems=(), boot_loader="none")
    assert problems_of(idle.with_snapshot(pods=(pod("a", "node1", owner_kind=""),))) == []


def test_all_problems_come_at_once():
    some = BASE.with_facts("node1", broken=("dpkg",)).with_facts("node2", file_systems=()).with_policy(canary="node9")
    some.facts.pop("node3")
    assert [subject for subject, _ in problems_of(some)] == ["friday_canary", "node1", "node2", "node2", "node3"]


def test_a_host_that_was_not_read_and_fields_that_could_not_be():
    some = BASE.with_facts("node1")
    some.facts.pop("node1")
    assert problems_of(some) == [("node1", "was not surveyed")]
    assert of_host(unknown={"pending": "apt failed", "held": "apt failed", "raid": "x"}) == [
        ("node2", "could not be read (pending, held): apt failed")
    ]
    assert "kernel" in of_host(unknown={"*": "no answer"})[0][1]


def test_bpf_is_needed_where_cilium_is():
    some = BASE.with_facts("node2", unknown={"bpf": "no bpftool"})
    assert problems_of(some) == []
    assert problems_of(some.with_snapshot(cni="cilium")) == [("node2", "could not be read (bpf): no bpftool")]


@pytest.mark.parametrize(
    ("free", "message"),
    [
        ({"/": 2047, "/boot": 256}, "only 2047 MiB free on /, 2048 MiB required (friday_min_free_root_mib)"),
        ({"/": 2048, "/boot": 255}, "only 255 MiB free on /boot, 256 MiB required (friday_min_free_boot_mib)"),
        ({"/boot": 256}, "only 0 MiB free on /, 2048 MiB required (friday_min_free_root_mib)"),
    ],
)
def test_full_disks(free, message):
    assert of_host(file_systems=room(**free)) == [("node2", message)]


def test_room_that_is_enough():
    assert of_host(file_systems=room(**{"/": 2048, "/boot": 256})) == []
    assert of_host(file_systems=room(**{"/": 2048})) == [], "/boot is a folder of /"
    assert "on /var" in of_host(file_systems=room(**{"/": 2048, "/var": 10, "/boot": 256}))[0][1]
    little = room(**{"/": 2048, "/boot": 1})
    assert of_host(file_systems=little, candidate_kernel=OLD, pending=(CURL,)) == [], "no kernel goes there"
    assert "free space" in of_host(unknown={"file_systems": "df"})[0][1]


def test_packages_that_matter():
    assert "broken packages: libc6, mdadm" in of_host(broken=("mdadm", "libc6"))[0][1]
    assert of_host(held=(KUBELET, META)) == [], "a hold on what is not to be changed is kept"
    assert "holds packages that would be upgraded: curl" in of_host(held=(KUBELET, HELD_CURL))[0][1]
    kernel = BASE.with_policy(packages="kernel").with_facts("node2", held=(HELD_CURL, META))
    assert problems_of(kernel) == [("node2", "holds packages that would be upgraded: linux-image-amd64")]
    assert "no package manager" in of_host(package_manager="")[0][1]


def test_what_to_type_is_the_package_managers_word():
    """Commands come from the host; where it has none, the words remain."""
    broken = {"broken": ("mdadm",), "held": (HELD_CURL,), "file_systems": room(**{"/": 1, "/boot": 256})}

    def fixes(**changes):
        return [problem.fix for problem in preflight(*BASE.with_facts("node2", **broken, **changes).arguments())]

    assert fixes() == [
        "fix them first: repair",
        "release the hold: unhold curl; or leave the host out (friday_only)",
        "make room: make-room",
    ]
    assert fixes(remedies=Remedies()) == [
        "fix them first",
        "release the hold; or leave the host out (friday_only)",
        "make room",
    ]


def test_the_next_kernel_has_to_be_known_and_of_the_same_flavour():
    other = kernels(OLD, "6.12.5-amd64")
    message = "would boot 6.12.5-amd64 next, whose flavour (amd64) differs from that of the running kernel"
    assert of_host(kernels=other) == [("node2", f"{message} {OLD} (cloud-amd64)")]
    (problem,) = of_host(boot_default="GRUB is set to start the entry '2' instead of the newest kernel")
    assert "would not boot the newest kernel: GRUB is set to start the entry '2'" in problem[1]
    assert of_host(kernels=()) == [
        ("node2", "its kernels could not be read, so the kernel of its next boot is unknown")
    ]
    unread = of_host(kernels=(), unknown={"kernels": "apt failed"})
    assert unread == [("node2", "could not be read (kernels): apt failed")]
    assert of_host(unknown={"boot_default": "denied"}) == [("node2", "could not be read (boot_default): denied")]


def test_a_kernel_that_nothing_would_boot():
    assert of_host(boot_loader="none") == [("node2", f"has no boot loader that would start kernel {NEW}")]
    assert of_host(boot_loader="none", candidate_kernel=OLD) == []


def test_another_machine_than_the_node():
    some = BASE.with_node("node2", boot_id="another")
    assert problems_of(some)[0][1].startswith("is not the machine of node node2")
    assert problems_of(some.with_node("node2", ready=None)) == [], "its node may not have told its boot id yet"
    assert problems_of(BASE.with_node("node2", boot_id="boot-node2")) == []


def test_two_hosts_that_are_one_machine():
    assert of_host(boot_id="boot-node1") == [("node1", "is the same machine as node2 (same boot id)")]


def test_names_that_are_no_hosts():
    found = preflight(*BASE.with_policy(canary="nod1", only=("node1", "xyz")).arguments())
    assert [(p.subject, p.fix) for p in found] == [
        ("friday_canary", "did you mean node1?"),
        ("friday_only", "name a host of the inventory"),
    ]


def test_hosts_outside_of_only_are_not_looked_at():
    some = BASE.with_facts("node2", broken=("x",)).with_snapshot(pods=(pod("a", "node2", owner_kind=""),))
    assert len(problems_of(some)) == 2
    assert problems_of(some.with_policy(only=("node1",))) == []


def test_drains_that_are_certain_to_fail():
    pods = (
        *(pod(f"bare{i}", "node1", "x", owner_kind="") for i in range(7)),
        pod("cache", "node2", "y", local_storage=True),
        pod("web", "node3"),
    )
    found = problems_of(BASE.with_snapshot(pods=pods, budgets=(budget("web", 0, desired_healthy=3),)))
    assert [subject for subject, _ in found] == ["default/web", "friday_delete_emptydir_data", "friday_evict_unmanaged"]
    assert "default/bare4 on node1 and 2 more" in found[2][1]
    assert problems_of(BASE.with_snapshot(pods=pods[-1:], budgets=(budget("web", 0),))) == [], "that one may heal"


def test_resources_that_could_not_be_read():
    assert problems_of(BASE.with_snapshot(unknown={"budgets": "403"})) == [("budgets", "could not be read: 403")]


def change(name, installed, candidate, kind=PackageKind.OTHER, **fields):
    return PackageChange(name, installed, candidate, kind=kind, **{"initramfs": False, **fields})


def test_removals_are_problems_until_they_are_accepted_by_name():
    gone = (change("kubelet", "1.18.4-00", "", role="kubelet"), change("cri", "1", "", role="container runtime"))
    some = BASE.with_facts("node2", pending=(*gone, change("tool", "1", ""), CURL), candidate_kernel=OLD)
    (problem,) = preflight(*some.arguments())
    assert problem.message == "the upgrade would remove cri 1 (container runtime), kubelet 1.18.4-00, tool 1"
    assert problem.fix.endswith("accept it: friday_accept_removals: [cri, kubelet, tool]")
    (rest,) = preflight(*some.with_policy(accept_removals=("kubelet", "cri")).arguments())
    assert rest.message == "the upgrade would remove tool 1"
    assert problems_of(some.with_policy(accept_removals=("kubelet", "cri", "tool"))) == []


def test_a_downgrade_is_a_problem_with_both_versions():
    older = change("containerd.io", "1.7.27-1", "1.6.33-1", downgrade=True, role="container runtime")
    some = BASE.with_facts("node2", pending=(older,), candidate_kernel=OLD)
    (problem,) = preflight(*some.arguments())
    assert "downgrade containerd.io from 1.7.27-1 to 1.6.33-1 (container runtime)" in problem.message
    assert problem.fix.endswith("friday_accept_downgrades: [containerd.io]")
    assert problems_of(some.with_policy(accept_downgrades=("containerd.io",))) == []


def test_files_that_the_source_does_not_have():
    (problem,) = of_host(unavailable=("curl_7_amd64.deb (not at file:/x)",))
    assert problem == ("node2", "its package source does not have the files of curl_7_amd64.deb (not at file:/x)")
    idle = of_host(unavailable=("x.deb",), pending=(), candidate_kernel=OLD)
    assert idle == [], "nothing is to be done there"


@pytest.mark.parametrize(
    ("kubelet", "server", "said"),
    [
        ("1.34.1-1.1", "v1.34.9", ""),
        ("1.34.1-1.1", "v1.35.0+k3s1", ""),
        ("1.31.1-1.1", "v1.34.0", ""),
        ("1.34.1-1.1", "v1.33.9", "newer than the oldest API server (1.33)"),
        ("2:1.34.1-1.1", "v1.33.9", "newer than the oldest API server (1.33)"),
        ("1.30.1-1.1", "v1.34.0", "more than 3 minor versions older than API server 1.34"),
        ("1.34.1-1.1", "", ""),
    ],
)
def test_a_kubelet_that_no_api_server_supports(kubelet, server, said):
    some = BASE.with_facts("node2", pending=(change("kubelet", "1.29.0-1.1", kubelet),), candidate_kernel=OLD)
    found = problems_of(some.with_snapshot(version=server))
    assert [message for _, message in found] == ([f"its kubelet would become {kubelet}, {said}"] if said else [])
    assert problems_of(some.with_snapshot(version=server).with_policy(accept_skew=True)) == []


def test_the_oldest_api_server_counts():
    """One of them was not upgraded yet; the one that answered was."""
    some = BASE.with_facts("node2", pending=(change("kubelet", "1.33.0-1.1", "1.34.0-1.1"),), candidate_kernel=OLD)
    server = pod("kube-apiserver-cp1", "node1", owner_kind="Node", labels={"component": "kube-apiserver"})
    old = replace(server, image="registry.example.org:5000/kube-apiserver:v1.33.4")
    found = problems_of(some.with_snapshot(version="v1.34.0", pods=(old,)))
    assert "newer than the oldest API server (1.33)" in found[0][1]
    assert (
        problems_of(some.with_snapshot(version="v1.34.0", pods=(replace(old, image="x/kube-apiserver:v1.34.0"),))) == []
    )


MICROCODE = change("intel-microcode", "1", "2", initramfs=True)


def test_room_for_an_initramfs_where_no_kernel_is_planned():
    def found(pending, boot, **more):
        free = room(**{"/": 9000, "/boot": boot})
        return of_host(pending=pending, candidate_kernel=OLD, file_systems=free, **more)

    message = "only 9 MiB free on /boot, 64 MiB required (for the initramfs that intel-microcode writes)"
    assert found((MICROCODE, CURL), 9) == [("node2", message)]
    assert found((MICROCODE, CURL), 64) == []
    assert "50 MiB required" in found((MICROCODE,), 49, initramfs=40 * MIB)[0][1], "its size, and a quarter"
    assert found((MICROCODE,), 51, initramfs=40 * MIB) == []
    assert found((CURL,), 1) == []
    assert found((replace(CURL, initramfs=None),), 1) != [], "it is not known that it makes none"
    assert found((replace(MICROCODE, candidate=""),), 1, held=()) != [], "a removal needs to be accepted"


def test_inodes():
    def found(**free_inodes):
        systems = tuple(replace(system, inodes=10**6, free_inodes=free_inodes[name]) for name, system in both.items())
        return of_host(file_systems=systems)

    both = {"root": room(**{"/": 9000})[0], "boot": room(**{"/boot": 9000})[0]}
    assert found(root=20000, boot=20) == []
    assert found(root=19999, boot=20) == [("node2", "only 19999 inodes free on /, 20000 required")]
    assert found(root=20000, boot=3) == [("node2", "only 3 inodes free on /boot, 20 required")]


def test_room_where_packages_and_kernels_are_written():
    everywhere = {"/": 9000, "/boot": 9000, "/var": 9000, "/var/cache/apt/archives": 9000, "/boot/efi": 9000}
    assert of_host(file_systems=room(**everywhere)) == []
    little = of_host(file_systems=room(**{**everywhere, "/var/cache/apt/archives": 5}))
    assert little[0][1].startswith("only 5 MiB free on /var/cache/apt/archives")
    esp = room(**{**everywhere, "/boot/efi": 5})
    assert of_host(file_systems=esp) == [], "GRUB's kernels are not there"
    assert "on /boot/efi" in of_host(file_systems=esp, boot_loader="systemd-boot")[0][1]
