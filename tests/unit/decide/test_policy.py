from __future__ import annotations

from dataclasses import fields

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.policy import misplaced, parse_policy, unknown_names
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import NamedQuorum, Policy


def problems_of(**variables):
    return parse_policy(variables)[1]


def test_nothing_set_is_the_default_policy():
    assert parse_policy({}) == (Policy(), ())
    assert parse_policy({"friday_soak": None, "friday_kubeconfig": "x"}) == (Policy(), ())


def test_every_field_of_the_policy_can_be_set():
    policy, problems = parse_policy(
        {
            "friday_canary": "node2",
            "friday_only": ["node2", "node3", "node2"],
            "friday_wave_sizes": [1, "25%"],
            "friday_max_unavailable": 3,
            "friday_max_unavailable_per_zone": "40%",
            "friday_quorums": [{"name": "s3", "namespace": "garage", "selector": {"app": "garage"}, "minimum": "2"}],
            "friday_accept_outage": "node1",
            "friday_accept_budgets": ["shop/web"],
            "friday_packages": "kernel",
            "friday_reboot": "always",
            "friday_soak": 30,
            "friday_soak_interval": 10,
            "friday_drain_timeout": 1,
            "friday_upgrade_timeout": 2,
            "friday_reboot_timeout": 3,
            "friday_verify_timeout": 4,
            "friday_package_lock_timeout": 5,
            "friday_replan": "yes",
            "friday_check_timeout": 6,
            "friday_check_interval": 7,
            "friday_ignore_workloads": ["ci/*"],
            "friday_accept": "dns, kernel-raid,dns",
            "friday_delete_emptydir_data": True,
            "friday_evict_unmanaged": True,
            "friday_min_free_root_mib": 1,
            "friday_min_free_boot_mib": 0,
            "friday_cluster_domain": "k8s.example.org.",
            "friday_lease_ttl": "15",
            "friday_keep_runs": "1",
            "friday_rehearsal": "accept",
            "friday_rehearsal_warn_share": 80,
            "friday_rehearsal_warn_growth": 3,
            "friday_rehearsal_timeout": 60,
            "friday_rehearsal_parallel": 4,
            "friday_known_bad_accept": "cilium/cilium#44216",
            "friday_accept_kernels": "6.1.0-50-amd64",
            "friday_accept_removals": ["cri-tools", "libfoo1:i386"],
            "friday_accept_downgrades": "containerd.io, runc",
            "friday_accept_skew": "yes",
        }
    )
    expected = Policy(
        canary="node2", only=("node2", "node3"), wave_sizes=("1", "25%"), packages="kernel", reboot="always", soak=30,
        max_unavailable="3", max_unavailable_per_zone="40%", accept_outage=("node1",), accept_budgets=("shop/web",),
        quorums=(NamedQuorum("s3", "garage", ("app=garage",), 2),),
        soak_interval=10, drain_timeout=1, upgrade_timeout=2, reboot_timeout=3, verify_timeout=4,
        replan=True, package_lock_timeout=5, check_timeout=6, check_interval=7,
        ignore_workloads=("ci/*",), delete_emptydir_data=True, evict_unmanaged=True,
        min_free_root=1024**2, min_free_boot=0, cluster_domain="k8s.example.org", lease_ttl=15,
        keep_runs=1, rehearsal="accept", rehearsal_warn_share=80, rehearsal_warn_growth=3, rehearsal_timeout=60,
        accept=("dns", "kernel-raid"), rehearsal_parallel=4, known_bad_accept=("cilium/cilium#44216",),
        accept_kernels=("6.1.0-50-amd64",), accept_removals=("cri-tools", "libfoo1:i386"),
        accept_downgrades=("containerd.io", "runc"), accept_skew=True,
    )  # fmt: skip
    assert (policy, problems) == (expected, ())
    same = {field.name for field in fields(Policy) if getattr(policy, field.name) == field.default}
    assert not same, "a field that keeps its default here is not proven to be read"


def test_the_strings_of_the_command_line_are_understood():
    policy, problems = parse_policy(
        {"friday_soak": "120", "friday_evict_unmanaged": "yes", "friday_only": "a, b", "friday_wave_sizes": "1,25%"}
    )
    assert not problems
    assert (policy.soak, policy.evict_unmanaged, policy.only) == (120, True, ("a", "b"))
    assert policy.wave_sizes == ("1", "25%")
    assert parse_policy({"friday_wave_sizes": 3})[0].wave_sizes == ("3",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("friday_wave_sizes", []),
        ("friday_wave_sizes", [0]),
        ("friday_wave_sizes", ["-1"]),
        ("friday_wave_sizes", ["0%"]),
        ("friday_wave_sizes", ["101%"]),
        ("friday_wave_sizes", [1.5]),
        ("friday_wave_sizes", ["all"]),
        ("friday_wave_sizes", [4, 2]),
        ("friday_wave_sizes", ["50%", "10%"]),
        ("friday_wave_sizes", [True]),
        ("friday_wave_sizes", {"a": 1}),
        ("friday_soak", -1),
        ("friday_soak", "15m"),
        ("friday_soak", True),
        ("friday_soak", 7 * 24 * 3600 + 1),
        ("friday_soak_interval", 0),
        ("friday_drain_timeout", 0),
        ("friday_upgrade_timeout", 1.5),
        ("friday_reboot_timeout", ""),
        ("friday_verify_timeout", []),
        ("friday_check_interval", 0),
        ("friday_packages", "kernels"),
        ("friday_reboot", "never"),
        ("friday_reboot", False),
        ("friday_canary", ["node1"]),
        ("friday_only", [["node1"]]),
        ("friday_ignore_workloads", ["minecraft"]),
        ("friday_ignore_workloads", ["a/b/c"]),
        ("friday_known_bad_accept", ["cilium/cilium#1"]),
        ("friday_known_bad_accept", {"a": 1}),
        ("friday_accept", ["raid"]),
        ("friday_accept", {"dns": True}),
        ("friday_delete_emptydir_data", "perhaps"),
        ("friday_evict_unmanaged", 2),
        ("friday_min_free_root_mib", -1),
        ("friday_min_free_boot_mib", "1G"),
        ("friday_cluster_domain", "Cluster.Local"),
        ("friday_cluster_domain", ["cluster.local"]),
        ("friday_keep_runs", 0),
        ("friday_keep_runs", 1001),
        ("friday_lease_ttl", 14),
        ("friday_lease_ttl", 3601),
    ],
)
def test_a_wrong_value_names_its_variable_and_what_to_write(name, value):
    policy, problems = parse_policy({name: value})
    assert [problem.subject for problem in problems] == [name]
    assert f"for example {name}: " in problems[0].fix
    assert "it is " in problems[0].message
    assert policy == Policy()


def test_a_check_that_does_not_exist_is_not_accepted():
    (problem,) = problems_of(friday_accept=["dns", "kernel-riad"])
    assert problem.message.startswith(
        "kernel-riad: there is no such check; known are agent-controllers, agent-datapath"
    )
    assert all(check.name in problem.message for check in CHECKS)
    assert problem.fix == "for example friday_accept: [kernel-raid]"


def test_all_errors_come_at_once():
    found = problems_of(friday_soak="x", friday_wave_sizes=[], friday_packages="none", friday_evict_unmanaged="?")
    names = ["friday_evict_unmanaged", "friday_packages", "friday_soak", "friday_wave_sizes"]
    assert sorted(problem.subject for problem in found) == names


def test_relations():
    assert problems_of(friday_canary="a", friday_only=["b"])[0].subject == "friday_canary"
    assert problems_of(friday_soak=60, friday_soak_interval=90)[0].subject == "friday_soak_interval"
    assert not problems_of(friday_soak=0, friday_soak_interval=90)
    (many,) = problems_of(friday_soak=30001, friday_soak_interval=60)
    assert (many.subject, many.fix) == ("friday_soak_interval", "set friday_soak_interval: 151 or more")
    assert not problems_of(friday_soak=30001, friday_soak_interval=151)


def test_a_short_soak_shortens_the_default_interval():
    policy, problems = parse_policy({"friday_soak": 20, "friday_soak_interval": 60})
    assert (policy.soak_interval, problems) == (20, ())


def test_a_name_that_looks_like_ours_is_found():
    known = ["friday_soak", "friday_canary"]
    found = unknown_names(["friday_sock", "friday_soak", "soak", "friday-canary", "friday_xyzzy"], known)
    assert [(problem.subject, problem.fix) for problem in found] == [
        ("friday-canary", "did you mean friday_canary?"),
        ("friday_sock", "did you mean friday_soak?"),
        ("friday_xyzzy", "remove it, or give a variable of your own another prefix"),
    ]


def test_a_variable_of_the_run_has_no_place_on_a_host():
    run = {"friday_soak": 60, "friday_only": "a"}
    hosts = {"a": {"friday_soak": 60, "friday_zone": "z"}, **{name: {"friday_canary": "a"} for name in "bcde"}}
    (problem,) = misplaced(["friday_soak", "friday_canary", "friday_only"], run, hosts)
    assert (problem.subject, problem.message) == (
        "friday_canary",
        "is set for b, c, d and others, where it has no effect",
    )
    assert not misplaced(["friday_soak"], {"friday_soak": "60"}, hosts)


def test_names_that_are_accepted_are_names():
    _, problems = parse_policy({"friday_accept_removals": ["a b"], "friday_accept_kernels": {"a": 1}})
    assert [(each.subject, each.message) for each in problems] == [
        ("friday_accept_kernels", "must be a list of releases of kernels; it is {'a': 1}"),
        ("friday_accept_removals", "must be a list of names of packages; it is ['a b']"),
    ]


@pytest.mark.parametrize(
    "quorum",
    [
        "garage",
        {"name": "s3"},
        {"name": "s3", "namespace": "garage", "selector": {}, "minimum": 2},
        {"name": "s3", "namespace": "garage", "selector": "app", "minimum": 2},
        {"name": "s3", "namespace": "garage", "selector": {"app": "garage"}, "minimum": 0},
    ],
)
def test_a_quorum_that_would_hold_nothing_is_refused(quorum):
    policy, problems = parse_policy({"friday_quorums": [quorum]})
    assert (policy.quorums, [problem.subject for problem in problems]) == ((), ["friday_quorums"])
