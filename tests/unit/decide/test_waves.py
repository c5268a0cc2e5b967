from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.preflight import preflight
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import make_plan, work_of
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import (
    KeptBack,
    Package,
    PackageChange,
    PackageKind,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot
from tests.unit.decide.fleets import CURL, IMAGE, NEW, OLD, budget, facts, fleet, kernels, pod, up_to_date

HEADERS = PackageChange(f"linux-headers-{OLD}", "1", "2", kind=PackageKind.HEADERS)
META = Package("linux-image-cloud-amd64", PackageKind.KERNEL)
KUBELET = Package("kubelet", PackageKind.OTHER)
ZONES = {"node1": "zone-a", "node2": "zone-b", "node3": "zone-c"}
RUN = "20261120-1"


def plan_of(some):
    return make_plan(*some.arguments())


def waves_of(some):
    return [(wave.name, [host.host for host in wave.hosts]) for wave in plan_of(some).waves]


def done(some, *hosts):
    for host in hosts:
        some = some.with_facts(host, kernel=NEW, candidate_kernel=NEW, pending=())
    return some


def test_three_hosts_in_three_zones_go_one_after_the_other():
    assert waves_of(fleet(ZONES)) == [("canary", ["node1"]), ("zone-b 1/1", ["node2"]), ("zone-c 1/1", ["node3"])]


def test_no_hosts_and_nothing_to_do():
    assert plan_of(fleet({})).waves == ()
    plan = plan_of(done(fleet(ZONES), *ZONES))
    assert plan.waves == ()
    assert [host.reason for host in plan.skipped] == [f"up to date (kernel {NEW})"] * 3


def test_sizes_grow_over_the_zones_and_the_last_repeats():
    zones = {f"a{i}": "zone-a" for i in range(4)} | {f"b{i:02}": "zone-b" for i in range(12)}
    whole = {"max_unavailable_per_zone": "100%"}
    sizes = [len(wave.hosts) for wave in plan_of(fleet(zones, wave_sizes=("1", "2", "4"))).waves]
    assert sizes == [1, 1, 2, 4, 4, 4]
    assert [len(w.hosts) for w in plan_of(fleet(zones, wave_sizes=("25%",), **whole)).waves] == [1, 3, 4, 4, 4]
    assert [len(w.hosts) for w in plan_of(fleet(ZONES, wave_sizes=("1%",))).waves] == [1, 1, 1]


def test_each_wave_says_why_it_is_not_larger():
    base = fleet({f"node{i}": "zone-a" for i in range(1, 5)}, wave_sizes=("2",))
    assert [wave.reason for wave in plan_of(base).waves[1:]] == [
        "2 hosts at a time (friday_wave_sizes)",
        "1 host, the last in zone-a (friday_wave_sizes allows 2)",
    ]
    tight = base.with_snapshot(
        pods=(pod("w1", "node1"), pod("w2", "node2"), pod("w3", "node3")), budgets=(budget("web", 1),)
    )
    assert plan_of(tight).waves[0].hosts[0].host == "node4", "the one with the fewest pods"
    assert plan_of(tight).waves[1].reason == "1 host instead of 2: default/web allows 1 disruption"


def test_a_host_that_exceeds_a_budget_alone_goes_alone_and_others_fill_up():
    base = fleet({f"node{i}": "zone-a" for i in range(1, 5)}, wave_sizes=("3",), canary="node4")
    pods = (pod("a", "node1"), pod("b", "node1"), pod("c", "node2"))
    some = base.with_snapshot(pods=pods, budgets=(budget("web", 1),))
    assert [hosts for _, hosts in waves_of(some)] == [["node4"], ["node1"], ["node2", "node3"]]


def test_waves_look_past_a_host_that_does_not_fit():
    base = fleet({f"node{i}": "zone-a" for i in range(1, 6)}, wave_sizes=("2",), canary="node5")
    some = base.with_snapshot(pods=(pod("a", "node1"), pod("b", "node2")), budgets=(budget("web", 1),))
    assert [hosts for _, hosts in waves_of(some)] == [["node5"], ["node1", "node3"], ["node2", "node4"]]


@pytest.mark.parametrize("resource", ["pods", "budgets"])
def test_without_pods_or_budgets_hosts_go_one_by_one(resource):
    base = fleet({f"node{i}": "zone-a" for i in range(1, 5)}, wave_sizes=("4",))
    plan = plan_of(base.with_snapshot(unknown={resource: "403"}))
    assert [len(wave.hosts) for wave in plan.waves] == [1, 1, 1, 1]
    assert f"{resource} could not be read" in plan.waves[1].reason


def test_control_planes_go_last_in_their_zone_and_one_by_one():
    base = fleet({f"node{i}": "zone-a" for i in range(1, 6)}, wave_sizes=("4",), max_unavailable="100%")
    some = base.with_node("node1", roles=("control-plane",), etcd=True).with_node("node2", roles=("etcd",))
    assert [hosts for _, hosts in waves_of(some)] == [["node3"], ["node4", "node5", "node1"], ["node2"]]


# -- the canary


def test_the_canary_is_a_worker():
    some = fleet(ZONES).with_node("node1", roles=("control-plane",))
    host = plan_of(some).waves[0].hosts[0]
    assert (host.host, "a worker" in host.reason) == ("node2", True)


def test_the_canary_is_not_held_up_then_evicts_least():
    some = fleet(ZONES).with_snapshot(pods=(pod("a", "node1"), pod("b", "node2", "db"), pod("c", "node3", "db")))
    assert waves_of(some.with_snapshot(budgets=(budget("web", 0),)))[0][1] == ["node2"]
    assert plan_of(some).waves[0].hosts[0].host == "node1"
    busier = some.with_snapshot(pods=(pod("a", "node1"), pod("b", "node2", "db")))
    host = plan_of(busier).waves[0].hosts[0]
    assert host.host == "node3"
    assert host.reason.startswith("canary: a worker; nothing blocks its drain; only 0 pods to evict; kernel")


def test_the_canary_is_of_the_smallest_zone_and_its_zone_comes_first():
    some = fleet({"node1": "zone-a", "node2": "zone-a", "node3": "zone-b", "node4": "zone-c", "node5": "zone-c"})
    assert [wave.zone for wave in plan_of(some).waves] == ["zone-b", "zone-a", "zone-a", "zone-c", "zone-c"]
    assert "in the smallest zone, zone-b" in plan_of(some).waves[0].hosts[0].reason
    chosen = some.with_policy(canary="node5")
    assert [wave.zone for wave in plan_of(chosen).waves] == ["zone-c", "zone-c", "zone-b", "zone-a", "zone-a"]


def test_friday_canary_is_obeyed_or_its_absence_explained():
    host = plan_of(fleet(ZONES, canary="node3")).waves[0].hosts[0]
    assert (host.host, host.reason.startswith("canary: friday_canary;")) == ("node3", True)
    other = plan_of(done(fleet(ZONES, canary="node3"), "node3")).waves[0].hosts[0]
    assert other.host == "node1"
    assert f"(friday_canary node3: up to date (kernel {NEW}))" in other.reason


# -- hosts that an earlier run left behind


def test_a_cordoned_host_with_nothing_pending_is_verified_first():
    some = done(fleet(ZONES, canary="node1"), "node2").with_node("node2", unschedulable=True, cordoned_by=RUN)
    some = some.with_snapshot(pods=(pod("late", "node2"),))
    first = plan_of(some).waves[0]
    host = first.hosts[0]
    assert (first.name, host.host, host.reboot, host.packages, host.evictions) == ("canary", "node2", False, (), ())
    assert (
        host.reason
        == f"canary: left cordoned by run {RUN}: verify and uncordon; already on kernel {NEW}, nothing pending"
    )
    assert [hosts for _, hosts in waves_of(some)] == [["node2"], ["node1"], ["node3"]]
    assert host.seconds < plan_of(some).waves[1].hosts[0].seconds


def test_a_cordoned_host_in_the_middle_of_its_upgrade_is_finished_first():
    some = fleet(ZONES).with_node("node3", unschedulable=True, cordoned_by=RUN)
    host = plan_of(some).waves[0].hosts[0]
    assert (host.host, host.reboot) == ("node3", True)
    assert f"left cordoned by run {RUN}: finish, verify and uncordon" in host.reason


def test_a_reboot_that_is_owed_is_made_where_nothing_else_is_left_to_do():
    some = done(fleet(ZONES), "node1", "node2").with_node("node2", unschedulable=True, cordoned_by=RUN)
    plan = make_plan(*some.arguments(), owed={"node1", "node2"})
    assert [(host.host, host.reboot) for host in plan.waves[0].hosts] == [("node2", True)]
    assert "node1" in {host.host for host in plan.skipped}, "owed by the run that has left it, and none has"


def test_all_that_wait_come_first_in_their_zones():
    some = fleet({f"node{i}": "zone-a" for i in range(1, 5)} | {"node5": "zone-b"}, wave_sizes=("1",))
    for host in ("node3", "node4"):
        some = some.with_node(host, unschedulable=True, cordoned_by=RUN)
    some = done(some, "node4")
    assert [hosts for _, hosts in waves_of(some)] == [["node4"], ["node3"], ["node1"], ["node2"], ["node5"]]


def test_an_annotation_that_is_left_on_an_uncordoned_node_means_nothing():
    some = done(fleet(ZONES), "node2").with_node("node2", cordoned_by=RUN)
    assert "node2" in {host.host for host in plan_of(some).skipped}


# -- work


def test_the_kernel_alone():
    some = fleet(ZONES, packages="kernel").with_facts(
        "node2", candidate_kernel=OLD, pending=(CURL,), reboot_required=True
    )
    plan = plan_of(some)
    assert plan.hosts()[0].packages == (IMAGE,)
    assert plan.skipped[0].reason == f"up to date (kernel {OLD}; 1 other package skipped, friday_packages: kernel)"


@pytest.mark.parametrize(
    ("kind", "counts"), [(PackageKind.KERNEL, True), (PackageKind.HEADERS, True), (PackageKind.OTHER, False)]
)
def test_what_a_kernel_package_is(kind, counts):
    """The node says it, whatever the name is."""
    change = PackageChange("linux-something", "1", "2", kind=kind)
    assert bool(work_of(Policy(packages="kernel"), facts("h", candidate_kernel=OLD, pending=(change,)))) is counts


@pytest.mark.parametrize(
    ("changes", "policy", "reboot"),
    [
        ({}, {}, True),
        ({"pending": ()}, {}, True),  # installed by somebody else, not booted yet
        ({"candidate_kernel": OLD, "pending": (CURL,)}, {}, False),
        ({"candidate_kernel": "", "pending": (CURL,)}, {}, False),
        ({"candidate_kernel": OLD, "pending": (CURL,)}, {"reboot": "always"}, True),
        ({"candidate_kernel": OLD, "pending": ()}, {"reboot": "always"}, False),
        ({"candidate_kernel": OLD, "pending": (), "reboot_required": True}, {}, True),
        ({"candidate_kernel": OLD, "pending": (), "reboot_required": True}, {"packages": "kernel"}, False),
        ({"kernels": (replace(kernels(OLD)[0], arriving=True),), "pending": (IMAGE,)}, {}, True),  # rebuilt
        ({"kernels": kernels(OLD), "pending": (HEADERS,)}, {}, False),
    ],
)
def test_reboots(changes, policy, reboot):
    work = work_of(Policy(**policy), facts("h", **changes))
    assert work.reboot is reboot
    moves = "candidate_kernel" not in changes and "kernels" not in changes
    assert work.target_kernel == (NEW if moves else OLD)


def test_a_held_kernel_is_said():
    some = fleet(ZONES).with_facts(
        "node1",
        candidate_kernel=OLD,
        pending=(),
        held=(META, KUBELET),
    )
    assert plan_of(some).skipped[0].reason == f"up to date (kernel {OLD}; held: linux-image-cloud-amd64)"


def test_skipped_hosts_say_why():
    some = fleet(ZONES, only=("node1", "node2"))
    some.facts.pop("node2")
    assert {host.host: host.reason for host in plan_of(some).skipped} == {
        "node2": "could not be read",
        "node3": "not in friday_only",
    }
    assert plan_of(fleet(ZONES).with_snapshot(nodes=())).skipped[0].reason == "is not a node of the cluster"


def test_blockers_and_evictions_are_told():
    some = fleet({"node1": "zone-a"}).with_snapshot(
        pods=(pod("web-1", "node1"), pod("bare", "node1", "x", owner_kind="")), budgets=(budget("web", 0),)
    )
    host = plan_of(some).hosts()[0]
    assert host.evictions == ("default/web-1",)
    assert [line.split(":")[0] for line in host.blockers] == ["default/bare", "default/web-1"]


def test_estimates_are_capped_by_the_deadlines():
    slow = plan_of(fleet({"node1": "zone-a"}, soak=0))
    quick = plan_of(
        fleet({"node1": "zone-a"}, soak=0, drain_timeout=1, upgrade_timeout=2, reboot_timeout=3, verify_timeout=4)
    )
    assert (quick.seconds, quick.seconds < slow.seconds) == (10, True)


def test_up_to_date_hosts_are_not_asked_for_pods():
    some = fleet({"node1": "zone-a"})
    some.facts["node1"] = up_to_date("node1")
    assert make_plan(some.policy, some.targets, Snapshot(0, "x", nodes=some.snapshot.nodes), some.facts).waves == ()


def test_what_a_host_that_is_skipped_does_not_get_is_said():
    kept = (KeptBack("mdadm", "deferred by phasing"),)
    idle = fleet({"node1": "zone-a"}).with_facts(
        "node1", kernel=NEW, candidate_kernel=NEW, pending=(), kept_back=kept, kernel_metapackages=()
    )
    assert make_plan(*idle.arguments()).skipped[0].reason == f"up to date (kernel {NEW}; kept back: {kept[0].line()})"
    kernel = make_plan(*idle.with_policy(packages="kernel").arguments())
    assert kernel.skipped[0].reason == (
        f"nothing brings it newer kernels: no metapackage of its kernel is installed (kernel {NEW})"
    )


def test_a_kernel_that_is_accepted_though_a_newer_one_is_there_is_said():
    reason = f"grub starts {OLD} next and not {NEW}: GRUB is set to start the entry '1>2'"
    pinned = fleet({"node1": "zone-a"}).with_facts("node1", boot_next=OLD, boot_default=reason)
    (host,) = make_plan(*pinned.with_policy(accept_kernels=(OLD,)).arguments()).hosts()
    assert (host.target_kernel, host.reboot) == (OLD, False)
    assert host.reason.endswith(f"2 packages; accepted (friday_accept_kernels): {reason}")
    assert [p.subject for p in preflight(*pinned.arguments())] == ["node1"]
    assert preflight(*pinned.with_policy(accept_kernels=(OLD,)).arguments()) == ()
