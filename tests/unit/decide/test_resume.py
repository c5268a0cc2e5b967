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
    members_of,
    owes_reboot,
    packages_of,
    policy_of,
    replanned,
    unrecorded,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import PackageChange, PackageKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Target, Wave
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import (
    Event,
    EventKind,
    HostRecord,
    RunRecord,
    fold,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from tests.unit.decide.fleets import facts

HOSTS = ("node1", "node2", "node3", "node9", "bastion")
TARGETS = tuple(Target(host, f"{host}.example", "zone-a") for host in HOSTS[:-1])
MEMBERS = members_of(HOSTS, TARGETS)
POLICY = Policy(soak=30, ignore_workloads=("ci/*", "x/y"), min_free_boot=2**20)
HALF = {"node1": HostRecord(HostState.UPGRADED, 1.0), "node9": HostRecord(HostState.PLANNED, 1.0)}
LEFT = RunRecord("run-1", policy=policy_of(POLICY), inventory=inventory_of(HOSTS), members=MEMBERS, hosts=HALF)
OLDER = replace(LEFT, members={})  # or one that had no room for all the names


def test_the_same_goes_on() -> None:
    assert changed(POLICY, dict(reversed(MEMBERS.items())), [LEFT]) == ()
    assert changed(POLICY, MEMBERS, [OLDER]) == ()


def test_another_policy_is_refused_with_the_difference() -> None:
    other = replace(POLICY, soak=900, ignore_workloads=(), min_free_boot=512 * 2**20, packages="kernel")
    (problem,) = changed(other, MEMBERS, [LEFT])
    assert problem.subject == "friday_replan"
    assert problem.message.partition(": ")[2].split("; ") == [
        "friday_ignore_workloads was ci/*, x/y, is now empty",
        "friday_min_free_boot_mib was 1, is now 512",
        "friday_packages was all, is now kernel",
        "friday_soak was 30, is now 900",
    ]


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({host: MEMBERS[host] for host in HOSTS[:3]}, "bastion, node9 missing"),
        ({**MEMBERS, "node10": "", "node4": ""}, "node4, node10 added"),
        ({**MEMBERS, "node2": "other in zone-a"}, "node2 was node2.example in zone-a, is now other in zone-a"),
        (
            {**MEMBERS, "node2": "node2.example in zone-b"},
            "node2 was node2.example in zone-a, is now node2.example in zone-b",
        ),
        (
            {**MEMBERS, **{f"new{number}": "" for number in range(7)}},
            "new0, new1, new2, new3, new4, 2 more added",
        ),
    ],
)
def test_another_inventory_is_refused_and_the_hosts_are_named(members: dict[str, str], what: str) -> None:
    (problem,) = changed(POLICY, members, [LEFT])
    assert problem.message == f"the inventory differs from that of run run-1, which left hosts unfinished: {what}"


def test_whether_a_host_takes_part_is_no_matter_of_the_inventory() -> None:
    """As with friday_only, it may be another choice than before."""
    assert changed(POLICY, members_of(HOSTS, TARGETS[:1]), [LEFT]) == ()


@pytest.mark.parametrize(
    ("hosts", "what"), [(HOSTS[:3], "node9 missing"), ((*HOSTS, "node7"), "hosts were added or removed")]
)
def test_another_inventory_is_refused_by_its_digest_alone(hosts: tuple[str, ...], what: str) -> None:
    (problem,) = changed(POLICY, members_of(hosts, ()), [OLDER])
    assert problem.message.endswith(what)


def planned(host: str, kernel: str = "6.12", packages: str = "2.0") -> PlannedHost:
    return PlannedHost(
        host, host, "zone-a", "", "6.1", kernel, True, (PackageChange("tool", "1.0", packages, kind=PackageKind.OTHER),)
    )


def known(state: HostState, kernel: str = "6.12", packages: str = "2.0", step: str = "") -> HostRecord:
    digest = packages_of(planned("any", packages=packages).packages)
    return HostRecord(state, 1.0, step, target_kernel=kernel, packages=digest)


def replan(known: HostRecord, now: PlannedHost, policy: Policy = POLICY) -> list[str]:
    plan = Plan((Wave(1, "canary", "zone-a", "", (now,)),))
    return [each.message for each in replanned(policy, plan, [replace(LEFT, hosts={"node1": known})])]


def test_the_same_plan_goes_on() -> None:
    assert replan(known(HostState.PLANNED), planned("node1")) == []
    assert replan(known(HostState.PLANNED, "6.11"), planned("node2", "6.12")) == [], "it was not planned then"
    assert replan(HostRecord(HostState.PLANNED, 1.0), planned("node1")) == [], "of an older version"


def test_another_plan_is_refused_with_the_difference() -> None:
    (message,) = replan(known(HostState.UPGRADED, "6.11"), planned("node1"))
    which = "the plan differs from that of run run-1, which left hosts unfinished"
    assert message == f"{which}: node1 would get kernel 6.12 instead of 6.11"
    (message,) = replan(known(HostState.DRAINED, packages="2.1"), planned("node1"))
    assert message.startswith(f"{which}: node1 would get other packages than planned then (1 now, ")
    assert replan(known(HostState.UPGRADED, "6.11"), planned("node1"), replace(POLICY, replan=True)) == []


def test_what_is_installed_already_is_not_missed_and_a_repair_may_be_another_kernel() -> None:
    for state, step in ((HostState.UPGRADED, ""), (HostState.DRAINED, "upgrade")):
        assert replan(known(state, packages="2.1", step=step), planned("node1")) == []
    assert replan(known(HostState.FAILED, "6.11"), planned("node1")) == []
    assert replan(replace(known(HostState.FAILED, "6.11"), halted=True), planned("node1")) != []
    assert replan(known(HostState.DONE, "6.11"), planned("node1")) == []


BOOTED = replace(facts("node1"), boot_id="now")


@pytest.mark.parametrize(
    ("record", "owes"),
    [
        (HostRecord(HostState.UPGRADED, 1.0, "upgrade", boot_id="now"), True),
        (HostRecord(HostState.UPGRADED, 1.0, "recheck", boot_id="now"), True),
        (HostRecord(HostState.FAILED, 1.0, "recheck", boot_id="now"), True),
        (HostRecord(HostState.UPGRADED, 1.0, "upgrade", boot_id="before"), False),  # it has booted since
        (HostRecord(HostState.CORDONED, 1.0, "drain", boot_id="now"), False),
        # The next run died, too, before it came to the reboot that the first one owed.
        (HostRecord(HostState.PLANNED, 1.0, "cordon", owed=True), True),
        (HostRecord(HostState.CORDONED, 1.0, "drain", boot_id="now", owed=True), True),
        (HostRecord(HostState.FAILED, 1.0, "drain", boot_id="now", owed=True), True),
        (HostRecord(HostState.CORDONED, 1.0, "drain", boot_id="before", owed=True), False),
        (HostRecord(HostState.FAILED, 1.0, "verify", boot_id="now", rebooted=True), False),
    ],
)
def test_a_reboot_is_owed_until_it_has_happened(record: HostRecord, owes: bool) -> None:
    assert owes_reboot(replace(POLICY, reboot="always"), record, BOOTED) is owes


def test_a_boot_that_was_not_recorded_hides_no_reboot_that_is_pending() -> None:
    """Killed between the cordon and its event."""
    pending = replace(BOOTED, reboot_required=True)
    assert owes_reboot(POLICY, HostRecord(HostState.PLANNED, 1.0, "cordon"), pending)


def test_what_is_owed_goes_from_record_to_record() -> None:
    told = {"hosts": ["node1", "node2"], "owed": ["node1"], "resumes": {"node1": "run-0"}}
    events = [Event(1, 1.0, "run-1", EventKind.RUN_PLANNED, data=told)]
    hosts = fold(events).hosts
    assert (hosts["node1"].owed, hosts["node2"].owed) == (True, False)
    events.append(Event(2, 2.0, "run-1", EventKind.STATE, "node1", {"state": "rebooted", "boot_id": "b"}))
    assert not fold(events).hosts["node1"].owed


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
    unclosed = replace(LEFT, run="20261122-191500-3f2a")
    assert died([unclosed]) == unclosed, "nobody has closed it yet"
    assert died([unclosed, dead], at_work=unclosed.run) is None, "it lives"
    assert died([refused]) is None


def test_what_a_run_was_that_died_between_two_waves_is_told() -> None:
    hosts = {"node1": HostRecord(HostState.DONE, 1.0), "node9": HostRecord(HostState.PLANNED, 1.0)}
    (problem,) = changed(replace(POLICY, soak=31), MEMBERS, [replace(LEFT, hosts=hosts)])
    assert (
        problem.message
        == "the policy differs from that of run run-1, which died before it was done: friday_soak was 30, is now 31"
    )


def test_it_can_be_meant() -> None:
    assert changed(Policy(replan=True), {"other": ""}, [LEFT]) == ()


def test_what_is_not_about_hosts_does_not_count() -> None:
    assert (
        changed(replace(POLICY, keep_runs=5, only=("node1",), canary="node1", accept=("dns",)), MEMBERS, [LEFT]) == ()
    )


def test_nor_in_the_record_of_an_older_version() -> None:
    older = replace(LEFT, policy={**LEFT.policy, "friday_only": ["node2"]})
    assert changed(POLICY, MEMBERS, [older]) == ()


def test_a_record_that_knows_neither_is_not_compared() -> None:
    assert changed(Policy(), {"other": ""}, [RunRecord("old", hosts=HALF)]) == ()


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
    assert "run run-1 left hosts unfinished, and its record can't be read: there is none" in problem.message
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
