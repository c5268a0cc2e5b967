# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which lines of the kernel's log are suspicious."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import kernel_log
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, Unreadable
from tests.unit.modules.fakes import FakeSystem

ORDINARY = """\
[    0.000000] Linux version 6.12.107+deb13-cloud-amd64 (debian-kernel@lists.debian.org)
[    0.100000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible!
[    0.200000] MCE: In-kernel MCE decoding enabled.
[    0.300000] mce: CPU0: Thermal monitoring enabled (TM1)
[    1.000000] I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0
[    1.000100] Buffer I/O error on dev sr0, logical block 0, async page read
[    1.368256] EXT4-fs (vda1): mounted filesystem with ordered data mode. Quota mode: none.
[    2.000000] traps: prog[12] general protection fault ip:55d0 sp:7ffd error:0 in prog[55d0+1000]
[    3.000000] Memory cgroup out of memory: Killed process 99 (app)
[    3.100000] bpf: renamed from eth0
"""


def test_ordinary_lines_are_not() -> None:
    assert kernel_log.suspicious(ORDINARY) == []


@pytest.mark.parametrize(
    "text",
    [
        "Kernel panic - not syncing: Fatal exception",
        "BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "Oops: 0000 [#1] PREEMPT SMP PTI",
        "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP NOPTI",
        "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP NOPTI",
        "WARNING: CPU: 0 PID: 513 at kernel/bpf/verifier.c:2571 reg_bounds_sanity_check+0x1d2/0x200",
        "verifier bug: REG INVARIANTS VIOLATION (true_reg1): range bounds violation u64=[0x1, 0x0]",
        "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kubelet:812]",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "INFO: task jbd2/vda1-8:130 blocked for more than 120 seconds.",
        "mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 5: be00000000800400",
        "I/O error, dev nvme0n1, sector 1953 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2",
        "Buffer I/O error on dev dm-0, logical block 3, lost async page write",
        "EXT4-fs error (device vda1): ext4_lookup:1785: inode #2: comm ls: iget: checksum invalid",
        "EXT4-fs (vda1): Remounting filesystem read-only",
        "XFS (sdb1): Corruption of in-memory data (0x8) detected",
        "BTRFS error (device sda): bdev /dev/sda errs: wr 1, rd 0",
        "nvme nvme0: I/O 12 QID 3 timeout, aborting",
        "md/raid1:md0: Disk failure on sdb1, disabling device.",
        "Out of memory: Killed process 812 (kubelet) total-vm:1GB",
        "failed to validate module [wireguard] BTF: -22",
        "ip6tables: Extension MARK revision 0 not supported, missing kernel module?",
    ],
)
def test_signs_of_trouble_are(text: str) -> None:
    assert kernel_log.suspicious(f"[   12.345678] {text}") == [f"[12.345678] {text}"]
    assert kernel_log.suspicious(f"[   12.345678] node1 kernel: {text}") == [f"[12.345678] {text}"]
    assert kernel_log.suspicious(f"[   12.345678][  T513] {text}") == [f"[12.345678] {text}"]


def test_lines_that_differ_in_numbers_are_told_once() -> None:
    text = "".join(f"[   {i}.000000] I/O error, dev sda, sector {i * 8}\n" for i in range(10, 20))
    assert kernel_log.suspicious(text) == ["[10.000000] I/O error, dev sda, sector 80"]


def test_no_more_lines_than_wanted() -> None:
    text = "".join(f"[   10.000000] BUG: {'x' * i}{'y' * 400}\n" for i in range(60))
    lines = kernel_log.suspicious(text)
    assert len(lines) == kernel_log.MAX_LINES and max(map(len, lines)) == kernel_log.MAX_WIDTH
    assert lines[-1] == "(11 more lines of other kinds)"


def test_only_what_is_new() -> None:
    text = "[    1.000000] BUG: old\n[   99.500000] BUG: new\n"
    assert kernel_log.suspicious(text, since=50) == ["[99.500000] BUG: new"]


def test_the_journal_first_then_the_kernels_buffer(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    system.answers = {"journalctl": "[    1.000000] n kernel: BUG: a\n", "dmesg": "[    1.000000] BUG: b\n"}
    assert kernel_log.read(system) == ["[1.000000] BUG: a"]
    system.answers["journalctl"] = ""
    assert kernel_log.read(system) == ["[1.000000] BUG: b"]
    system.answers["journalctl"] = Result(1, "", "No journal files were found.")
    assert kernel_log.read(system) == ["[1.000000] BUG: b"]
    system.answers["dmesg"] = Result(1, "", "dmesg: read kernel buffer failed: Operation not permitted")
    with pytest.raises(Unreadable, match=r"No journal files.*Operation not permitted"):
        kernel_log.read(system)
