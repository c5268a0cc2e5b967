# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that goes on where another left hosts in the middle does so under the same rules, or says that it does not."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.policy import parse_policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.resume import (
    changed,
    died,
    inventory_of,
    owes_reboot,
    policy_of,
    unrecorded,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, HostState, RunRecord
from tests.unit.decide.fleets import facts

HOSTS = ("node1", "node2", "node3")
POLICY = Policy(soak=30, ignore_workloads=("ci/*", "x/y"), min_free_boot=2**20)
HALF = {"node1": HostRecord(HostState.UPGRADED, 1.0), "node9": HostRecord(HostState.PLANNED, 1.0)}
LEFT = RunRecord("run-1", policy=policy_of(POLICY), inventory=inventory_of(HOSTS), hosts=HALF)


def test_the_same_goes_on() -> None:
    assert changed(POLICY, HOSTS[::-1], [LEFT]) == ()


def test_another_policy_is_refused_with_the_difference() -> None:
    other = replace(POLICY, soak=900, ignore_workloads=(), min_free_boot=512 * 2**20, packages="kernel")
    (problem,) = changed(other, HOSTS, [LEFT])
    assert problem.subject == "friday_replan"
    assert problem.message.partition(": ")[2].split("; ") == [
        "friday_ignore_workloads was ci/*, x/y, is empty",
        "friday_min_free_boot_mib was 1, is 512",
        "friday_packages was all, is kernel",
        "friday_soak was 30, is 900",
    ]


@pytest.mark.parametrize(
    ("hosts", "what"),
    [(("node1", "node2"), "it lacks node9"), ((*HOSTS, "node9"), "hosts were added or removed")],
)
def test_another_inventory_is_refused(hosts: tuple[str, ...], what: str) -> None:
    (problem,) = changed(POLICY, hosts, [LEFT])
    assert problem.message.endswith(what)


def test_a_run_that_died_is_gone_on_for_and_one_that_ended_is_not() -> None:
    dead = replace(LEFT, run="20261122-161500-3f2a", finished=1.0, closed_by="20261122-171500-3f2a")
    refused = RunRecord("20261122-181500-3f2a", finished=2.0, outcome="fail")
    assert died([refused, dead]) == dead
    assert died([replace(dead, closed_by="")]) is None
    assert died([replace(LEFT, run="20261122-191500-3f2a", finished=3.0), dead]) is None, "another came after it"
    behind = replace(LEFT, run="20261122-151500-3f2a", finished=3.0)
    assert died([behind, dead]) is None, "on a controller whose clock is behind"
    done = {"node1": HostRecord(HostState.DONE, 1.0)}
    assert died([replace(dead, hosts=done)]) is None
    assert died([refused]) is None


def test_what_a_run_was_that_died_between_two_waves_is_told() -> None:
    hosts = {"node1": HostRecord(HostState.DONE, 1.0), "node9": HostRecord(HostState.PLANNED, 1.0)}
    (problem,) = changed(replace(POLICY, soak=31), HOSTS, [replace(LEFT, hosts=hosts)])
    assert (
        problem.message
        == "the policy is not that of run run-1, which died before it was done: friday_soak was 30, is 31"
    )


def test_it_can_be_meant() -> None:
    assert changed(Policy(replan=True), ("other",), [LEFT]) == ()


def test_what_is_not_about_hosts_does_not_count() -> None:
    assert changed(replace(POLICY, keep_runs=5, only=("node1",), canary="node1"), HOSTS, [LEFT]) == ()


def test_nor_in_the_record_of_an_older_version() -> None:
    older = replace(LEFT, policy={**LEFT.policy, "friday_only": ["node2"]})
    assert changed(POLICY, HOSTS, [older]) == ()


def test_a_record_that_knows_neither_is_not_compared() -> None:
    assert changed(Policy(), ("other",), [RunRecord("old", hosts=HALF)]) == ()


def test_a_recorded_policy_is_what_somebody_would_write() -> None:
    """Each variable in it is one that exists, and gives the same policy again."""
    counted = [field for field in fields(Policy) if type(field.default) is int]
    other = {field.name: field.default + 1 for field in counted if not field.name.startswith("rehearsal")}
    other |= {"min_free_root": 3 * 2**20, "min_free_boot": 5 * 2**20, "ignore_workloads": ("ci/*",)}
    policy = Policy(**{**other, "keep_runs": Policy.keep_runs, "lease_ttl": Policy.lease_ttl})
    again, problems = parse_policy(policy_of(policy))
    assert (again, problems) == (policy, ())


def test_a_run_without_a_record_is_not_gone_on_with_in_silence() -> None:
    (problem,) = unrecorded(Policy(), "run-1", "there is none")
    assert problem.subject == "friday_replan"
    assert "run run-1 has left hosts in the middle, and its record can't be read: there is none" in problem.message
    assert unrecorded(Policy(replan=True), "run-1", "there is none") == []


@pytest.mark.parametrize(
    ("known", "policy", "required", "owed"),
    [
        (HostRecord(HostState.UPGRADED, 1.0, step="reboot", boot_id="now"), {}, False, True),
        (HostRecord(HostState.FAILED, 1.0, step="reboot", boot_id="now"), {}, False, True),
        (HostRecord(HostState.REBOOTED, 1.0, step="reboot", boot_id="now", rebooted=True), {}, False, False),
        (HostRecord(HostState.UPGRADED, 1.0, step="reboot", boot_id="then"), {}, False, False),
        (HostRecord(HostState.UPGRADED, 1.0, step="upgrade", boot_id="now"), {"reboot": "always"}, False, True),
        (HostRecord(HostState.DRAINED, 1.0, step="drain", boot_id="now"), {"reboot": "always"}, False, False),
        (HostRecord(HostState.UPGRADED, 1.0, step="upgrade", boot_id="now"), {}, False, False),
        (HostRecord(HostState.UPGRADED, 1.0, step="upgrade", boot_id="now"), {"packages": "kernel"}, True, True),
        (None, {"packages": "kernel"}, True, True),
        (None, {}, False, False),
    ],
)
def test_a_reboot_that_an_earlier_run_owes(
    known: HostRecord | None, policy: dict[str, str], required: bool, owed: bool
) -> None:
    seen = facts("node1", boot_id="now", reboot_required=required)
    assert owes_reboot(Policy(**policy), known, seen) is owed
