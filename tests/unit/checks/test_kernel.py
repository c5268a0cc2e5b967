# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planned kernel runs, was really booted, says nothing new and has what it had."""

from __future__ import annotations

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import RaidArray
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, note, only, unhealthy


def test_another_kernel_than_planned_is_lasting():
    finding = only(lab.with_facts(WELL, kernel="6.1.0-57"), "kernel-release")
    assert finding.lasting and finding.message == f"node2 runs kernel 6.1.0-57 instead of the planned {lab.NEW}"


def test_same_boot_id_when_a_restart_was_planned():
    assert "was not rebooted" in only(lab.with_facts(WELL, boot_id="boot-2"), "kernel-boot").message


def test_a_restart_that_came_after_the_planned_one():
    assert lab.judge(BEFORE, WELL, boot_id=WELL.facts["node2"].boot_id).outcome is Outcome.PASS
    finding = only(WELL, "kernel-boot", boot_id="the-planned-one")
    assert finding.lasting and "rebooted once more, but not by Friday" in finding.message


def test_another_boot_id_when_none_was_planned():
    finding = only(lab.with_facts(BEFORE, boot_id="x"), "kernel-boot", target_kernel=lab.OLD)
    assert "although no reboot was planned" in finding.message


@pytest.mark.parametrize(
    ("facts", "policy", "planned"),
    [
        ({}, Policy(), False),
        ({"reboot_required": True}, Policy(), True),
        ({}, Policy(reboot="always"), True),
    ],
)
def test_a_restart_is_planned_without_a_new_kernel(facts, policy, planned):
    before = lab.with_facts(BEFORE, **facts)
    verdict = lab.judge(before, lab.with_facts(before, boot_id="x"), target_kernel=lab.OLD, policy=policy)
    assert (verdict.outcome is Outcome.PASS) == planned


@pytest.mark.parametrize(("field", "check"), [("kernel", "kernel-release"), ("boot_id", "kernel-boot")])
def test_what_is_empty_was_not_read_even_if_it_is_so_twice(field, check):
    same = lab.with_facts(BEFORE, **{field: ""})
    only(same, check, Severity.UNKNOWN, before=same, target_kernel=lab.OLD, reboot=False)


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("[  20.1] BUG: unable to handle page fault for address: ffff888000000000", Severity.FAIL),
        ("[  20.1] blk_update_request: I/O error, dev sda, sector 2048", Severity.FAIL),
        ("[  20.1] EXT4-fs error (device vda1): ext4_find_entry:1455", Severity.FAIL),
        ("[  20.1] mce: [Hardware Error]: Machine check events logged", Severity.FAIL),
        ("[  20.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [apt:812]", Severity.WARN),
        ("[  20.1] rcu: INFO: rcu_sched self-detected stall on CPU", Severity.WARN),
        ("[  20.1] I/O error, dev fd0, sector 0 op 0x0:(READ)", Severity.WARN),
        ("[  20.1] Extension MARK revision 0 not supported, missing kernel module?", Severity.FAIL),
        ("[  20.1] WARNING: CPU: 0 PID: 71 at net/core/dev.c:3219 skb_warn_bad_offload", Severity.WARN),
    ],
)
def test_new_lines_of_the_kernel_log(line, severity):
    after = lab.with_facts(WELL, kernel_log=(*WELL.facts["node2"].kernel_log, line))
    if severity is Severity.FAIL:
        finding = only(after, "kernel-log")
        assert finding.lasting and finding.evidence == (line[9:],)
    else:
        assert note(after, "kernel-log").severity is Severity.WARN


def test_a_line_that_was_there_before_is_not_new_with_other_numbers():
    before = lab.with_facts(BEFORE, kernel_log=("[ 1.5] I/O error, dev sda, sector 2048",))
    same = lab.with_facts(WELL, kernel_log=("2026-01-02T10:00:00+0000 node2 kernel: I/O error, dev sda, sector 4096",))
    assert lab.judge(before, same).outcome is Outcome.PASS
    other_disk = lab.with_facts(WELL, kernel_log=("[ 1.5] I/O error, dev sdb, sector 2048",))
    only(other_disk, "kernel-log", before=before)


def test_btf_is_gone():
    assert only(lab.with_facts(WELL, btf=False), "kernel-btf").lasting


@pytest.mark.parametrize(
    "arrays", [(), (RaidArray("md0", "active raid1", 2, 1),), (RaidArray("md0", "inactive", 2, 2),)]
)
def test_raid_is_worse(arrays):
    assert only(lab.with_facts(WELL, raid=arrays), "kernel-raid").subject == "array md0"


def test_a_raid_that_was_degraded_before_and_one_that_synchronises():
    degraded = (RaidArray("md0", "active raid1", 2, 1),)
    assert lab.judge(lab.with_facts(BEFORE, raid=degraded), lab.with_facts(WELL, raid=degraded)).outcome is Outcome.PASS
    syncing = lab.with_facts(WELL, raid=(RaidArray("md0", "active raid1", 2, 2, syncing=True),))
    assert "resyncing" in note(syncing, "kernel-raid").message


def test_failed_units_are_a_warning():
    finding = note(lab.with_facts(WELL, failed_units=("smartd.service",)), "failed-units")
    assert finding.severity is Severity.WARN and "smartd.service" in finding.message
    unasked = note(lab.with_facts(WELL, unknown={"failed_units": "not requested"}), "failed-units")
    assert unasked.severity is Severity.INFO and "not requested" in unasked.message


@pytest.mark.parametrize(
    ("observation", "check", "text"),
    [
        (lab.with_facts(HEALTHY, raid=(RaidArray("md0", "active raid1", 2, 1),)), "kernel-raid", "1 of 2 members"),
    ],
)
def test_what_keeps_a_friday_from_starting(observation, check, text):
    assert text in unhealthy(observation, check).message
