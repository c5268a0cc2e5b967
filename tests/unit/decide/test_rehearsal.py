# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which rehearsals there have to be, and what their answers mean: the control comes first, and nothing is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import rehearsal as decide
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, Kernel, Remedies
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import PlannedHost
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    BpfObject,
    BpfState,
    Group,
    GroupVerdict,
    Image,
    KernelSource,
    LiveProgram,
    LoadOutcome,
    OfferedKernel,
    ProgramResult,
    Rehearsal,
    Trial,
    Word,
)

A, B = "6.1.0-56-cloud-amd64", "6.12.117+deb13-cloud-amd64"
HOST, LXC = BpfObject("/state/bpf_host.o", "aa"), BpfObject("/state/bpf_lxc.o", "bb")
LIVE = (LiveProgram("cil_from_netdev"), LiveProgram("tail_handle_ipv"))
STATE = BpfState((HOST,), LIVE, {"net.core.bpf_jit_harden": "0"}, ("vxlan",))
GROUP = Group(("n1", "n2"), KernelSource(A, "#1", "x86_64"), KernelSource(B, "6.12.117-1", "x86_64"), STATE)
OPTIONS = {"BPF": "y", "VXLAN": "m"}
RUNNING = Image(A, "bb", ("vxlan",), "b0", OPTIONS)
IMAGE = Image(B, "cc", ("vxlan",), "c0", OPTIONS)
TOO_LARGE = ("BPF program is too large. Processed 1000001 insn", "processed 1000001 insns (limit 1000000)")


def loaded(program: str, insns: int = 100) -> ProgramResult:
    return ProgramResult(program, LoadOutcome.LOADED, stats={"insns": insns, "limit": 1_000_000})


def refused(program: str) -> ProgramResult:
    return ProgramResult(program, LoadOutcome.REFUSED, error="load program: E2BIG", errno=7, log=TOO_LARGE)


def trial(release: str, *programs: ProgramResult) -> Trial:
    return Trial(release, "#1", btf=True, complete=True, programs=programs)


def weigh(control: Trial, candidate: Trial, state: BpfState = STATE, image: Image | None = IMAGE) -> GroupVerdict:
    return decide.weigh(replace(GROUP, state=state), {HOST.name: (control, candidate)}, RUNNING, image, Policy())


GOOD = trial(A, loaded("cil_from_netdev", 380), loaded("tail_handle_ipv4"))


def test_what_loads_on_both_passes() -> None:
    verdict = weigh(GOOD, trial(B, loaded("cil_from_netdev", 390), loaded("tail_handle_ipv4")))
    assert (verdict.word, verdict.reasons, verdict.notes) == (Word.PASS, (), ())
    assert [each.live for each in verdict.programs] == [True, True], "15 characters are all that the kernel keeps"
    assert decide.problems([verdict], Policy()) == ()


def test_the_incident() -> None:
    verdict = weigh(GOOD, trial(B, refused("cil_from_netdev"), loaded("tail_handle_ipv4")))
    assert verdict.word is Word.FAIL
    assert verdict.programs[0].program == "cil_from_netdev", "the worst first"
    (problem,) = decide.problems([verdict], Policy(rehearsal="accept"))
    assert problem.subject == "n1, n2"
    assert f"{B} would break it (rehearsal failed): " in problem.message
    (by_the_table,) = decide.problems([replace(verdict, programs=())], Policy())
    assert f"{B} would break it: " in by_the_table.message, "what nobody has tried is not called so"
    assert "cil_from_netdev: loads on the running kernel, but the candidate refuses it" in problem.message
    assert "BPF program is too large. Processed 1000001 insn (errno 7)" in problem.message


def test_a_program_that_is_not_live_says_nothing() -> None:
    """An agent prunes what it does not need; some of that loads nowhere."""
    dead = (refused("tail_nodeport"), loaded("tail_icmp"))
    gone = (refused("tail_nodeport"), refused("tail_icmp"))
    verdict = weigh(replace(GOOD, programs=GOOD.programs + dead), trial(B, *GOOD.programs, *gone))
    assert verdict.word is Word.PASS
    assert {each.program: each.word for each in verdict.programs if not each.live} == {
        "tail_nodeport": Word.INCONCLUSIVE,
        "tail_icmp": Word.FAIL,
    }


def test_without_its_control_nothing_is_proven() -> None:
    """It is live, so the running kernel has loaded it: a rehearsal that does not is wrong about the candidate too."""
    control = trial(A, refused("cil_from_netdev"), loaded("tail_handle_ipv4"))
    for candidate in (GOOD, control):
        verdict = weigh(control, replace(candidate, release=B))
        assert verdict.word is Word.INCONCLUSIVE
        assert "cil_from_netdev: does not load in the rehearsal of the running kernel either" in verdict.reasons[0]
    (problem,) = decide.problems([verdict], Policy())
    assert "was inconclusive" in problem.message
    assert decide.problems([verdict], Policy(rehearsal="accept")) == ()


def test_of_a_name_in_two_objects_the_one_that_loads_is_live() -> None:
    state = replace(STATE, objects=(HOST, LXC))
    first = trial(A, refused("cil_from_netdev"), loaded("tail_handle_ipv4"))
    answers = {HOST.name: (first, replace(first, release=B)), LXC.name: (GOOD, replace(GOOD, release=B))}
    assert decide.weigh(replace(GROUP, state=state), answers, RUNNING, IMAGE, Policy()).word is Word.PASS
    answers[LXC.name] = (GOOD, trial(B, refused("cil_from_netdev"), loaded("tail_handle_ipv4")))
    assert decide.weigh(replace(GROUP, state=state), answers, RUNNING, IMAGE, Policy()).word is Word.FAIL


def coded(trial: Trial, **tags: str) -> Trial:
    """The same with the tags of some programs' code."""
    programs = tuple(replace(each, tag=tags.get(each.program, each.tag)) for each in trial.programs)
    return replace(trial, programs=programs)


def test_of_a_name_in_two_objects_that_load_the_one_with_the_live_code_counts() -> None:
    """Some agents have an object for each range of kernels, with the same names in all of them."""
    state = replace(STATE, objects=(HOST, LXC), live=(LiveProgram("cil_from_netdev", "", "22"),))
    bad = trial(B, refused("cil_from_netdev"), refused("tail_handle_ipv4"))
    answers = {
        HOST.name: (coded(GOOD, cil_from_netdev="11"), bad),
        LXC.name: (coded(GOOD, cil_from_netdev="22"), replace(GOOD, release=B)),
    }
    verdict = decide.weigh(replace(GROUP, state=state), answers, RUNNING, IMAGE, Policy())
    assert (verdict.word, verdict.notes) == (Word.PASS, ())
    answers[LXC.name] = (coded(GOOD, cil_from_netdev="22"), bad)
    assert decide.weigh(replace(GROUP, state=state), answers, RUNNING, IMAGE, Policy()).word is Word.FAIL


def test_code_that_is_not_quite_what_is_live_counts_and_is_said() -> None:
    state = replace(STATE, live=(LiveProgram("cil_from_netdev", "", "22"), LiveProgram("tail_handle_ipv", "", "33")))
    control = coded(GOOD, cil_from_netdev="11", tail_handle_ipv4="33")
    verdict = weigh(control, trial(B, refused("cil_from_netdev"), loaded("tail_handle_ipv4")), state)
    assert verdict.word is Word.FAIL
    (note,) = verdict.notes
    assert note.endswith(": cil_from_netdev")
    assert "differs from what is live" in note


@pytest.mark.parametrize(
    ("was", "now", "word"),
    [
        (130, 698_840, Word.WARN),  # the incident with 16 checks: 70% by rounding only
        (700_000, 700_000, Word.WARN),
        (400_000, 699_999, Word.PASS),
        (60_000, 120_000, Word.WARN),
        (60_000, 119_999, Word.PASS),
        (12, 200, Word.PASS),  # small programs double for nothing
    ],
)
def test_headroom(was: int, now: int, word: Word) -> None:
    control = trial(A, loaded("cil_from_netdev", was), loaded("tail_handle_ipv4"))
    verdict = weigh(control, trial(B, loaded("cil_from_netdev", now), loaded("tail_handle_ipv4")))
    assert verdict.word is word
    assert decide.problems([verdict], Policy()) == ()


def test_a_candidate_that_goes_down() -> None:
    down = Trial(B, "#1", programs=GOOD.programs[:1], splats=("Kernel panic - not syncing: Fatal exception",))
    verdict = weigh(GOOD, down)
    assert verdict.word is Word.SPLAT
    assert any("Kernel panic" in reason for reason in verdict.reasons)
    assert decide.problems([verdict], Policy(rehearsal="accept"))


def test_a_warning_of_the_kernel_that_the_control_has_too_is_none_of_the_candidates() -> None:
    noise = ("WARNING: CPU: 0 at kernel/bpf/core.c",)
    verdict = weigh(replace(GOOD, splats=noise), replace(GOOD, release=B, splats=noise))
    assert verdict.word is Word.WARN
    verdict = weigh(GOOD, replace(GOOD, release=B, splats=noise))
    assert verdict.word is Word.SPLAT


def test_a_load_that_does_not_end_is_a_failure_and_with_a_complaint_the_kernels_own() -> None:
    """The loader had to be killed in it: nobody wants an agent that hangs there."""
    late = ProgramResult("cil_from_netdev", LoadOutcome.CRASH, error="did not finish within 90 s")
    candidate = trial(B, late, loaded("tail_handle_ipv4"))
    assert weigh(GOOD, candidate).word is Word.FAIL
    stuck = replace(candidate, splats=("watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",))
    assert weigh(GOOD, stuck).programs[0].word is Word.SPLAT


def test_a_candidate_without_btf() -> None:
    verdict = weigh(GOOD, replace(GOOD, release=B, btf=False))
    assert verdict.word is Word.WARN
    assert "has no BTF" in verdict.reasons[0]


def test_a_guest_that_hangs_or_never_was() -> None:
    late = Trial(B, "#1", expired=True, programs=GOOD.programs[:1])
    verdict = weigh(GOOD, late)
    assert verdict.word is Word.INCONCLUSIVE
    assert "the rehearsal of the candidate took too long" in verdict.reasons
    assert any(reason.startswith("tail_handle_ipv4: ") for reason in verdict.reasons)
    none = Trial(error="could not be done: qemu-system-x86_64 is not installed")
    verdict = weigh(none, none)
    assert verdict.word is Word.INCONCLUSIVE
    assert len(verdict.reasons) == 2
    assert "qemu-system-x86_64 is not installed" in verdict.reasons[0]


def ended(program: str) -> ProgramResult:
    error = "did not finish being loaded within 180 s, so the guest was ended"
    return ProgramResult(program, LoadOutcome.ENDED, error=error, late=True, seconds=180)


def test_a_program_that_hangs_its_guest_is_inconclusive_with_the_time_and_alone() -> None:
    candidate = replace(trial(B, ended("cil_from_netdev"), loaded("tail_handle_ipv4")), complete=False, expired=True)
    verdict = weigh(GOOD, candidate)
    assert verdict.word is Word.INCONCLUSIVE
    (told,) = verdict.reasons
    assert told.startswith("cil_from_netdev: was not rehearsed to its end")
    assert "within 180 s" in told
    assert {each.program: each.word for each in verdict.programs}["tail_handle_ipv4"] is Word.PASS
    control = replace(candidate, release=A)
    assert weigh(control, replace(GOOD, release=B)).word is Word.INCONCLUSIVE
    carried = replace(STATE, objects=(replace(HOST, carried=True),))
    assert weigh(control, replace(GOOD, release=B), carried).word is Word.INCONCLUSIVE, (
        "time says nothing of the object"
    )
    panicked = replace(candidate, splats=("Kernel panic - not syncing: Fatal exception",))
    assert weigh(GOOD, panicked).programs[0].word is Word.SPLAT
    elsewhere = replace(STATE, live=LIVE[1:])
    assert weigh(GOOD, candidate, elsewhere).word is Word.PASS, "it is not live"


def test_architectures_are_told_apart() -> None:
    """On Ubuntu releases and versions are the same for all of them."""
    arm = replace(
        GROUP, running=replace(GROUP.running, machine="aarch64"), candidate=replace(GROUP.candidate, machine="aarch64")
    )
    answers = {HOST.name: (GOOD, replace(GOOD, release=B))}
    verdicts = [decide.weigh(group, answers, RUNNING, IMAGE, Policy()) for group in (GROUP, arm)]
    assert [each.machine for each in decide.merged(verdicts)] == ["x86_64", "aarch64"]


def test_why_a_rehearsal_was_given_up_is_told() -> None:
    left = Trial(B, "#1", expired=True, error="given up: the guest hung at x for 180 s")
    assert any("took too long: given up: the guest hung at x for 180 s" in each for each in weigh(GOOD, left).reasons)


@pytest.mark.parametrize(("control", "word"), [(8.9, Word.FAIL), (9.0, Word.INCONCLUSIVE)])
def test_a_load_that_is_slow_on_both_kernels_is_no_failure_of_the_candidate(control: float, word: Word) -> None:
    """Ninety seconds are for ever where it takes one, and a slow host's where it takes ten."""
    late = ProgramResult(
        "cil_from_netdev", LoadOutcome.CRASH, error="did not finish within 90 s", late=True, seconds=90
    )
    before = trial(A, replace(loaded("cil_from_netdev"), seconds=control), loaded("tail_handle_ipv4"))
    verdict = weigh(before, trial(B, late, loaded("tail_handle_ipv4")))
    assert verdict.word is word
    assert "did not finish within 90 s" in verdict.reasons[0]


def test_equal_refusals_are_told_and_advised_once_whatever_else_differs() -> None:
    bad = weigh(GOOD, trial(B, refused("cil_from_netdev"), loaded("tail_handle_ipv4")))
    other = replace(bad, hosts=("n10",), notes=("another object could not be read",))
    found = decide.merged([bad, other])
    assert len(found) == 2
    (problem,) = decide.problems(found, Policy())
    assert problem.subject == "n1, n2, n10"
    assert next(step for step in decide.advice(Rehearsal(found)) if "n10" in step).count("n1, n2, n10") == 1
    assert len(decide.advice(Rehearsal(found))) == 3


def test_what_was_not_rehearsed_is_named() -> None:
    live = (*LIVE, LiveProgram("tetragon_probe"))
    verdict = weigh(GOOD, replace(GOOD, release=B), replace(STATE, live=live))
    assert verdict.word is Word.WARN
    assert verdict.reasons == ("live, but in none of the objects, so not rehearsed: tetragon_probe",)
    verdict = weigh(GOOD, replace(GOOD, release=B), replace(STATE, live=live[2:]))
    assert verdict.word is Word.INCONCLUSIVE, "of what is live nothing was rehearsed"
    freplace = ProgramResult(
        "cil_from_netdev", LoadOutcome.UNSUPPORTED, error="it replaces a function of another program"
    )
    control = trial(A, freplace, loaded("tail_handle_ipv4"))
    verdict = weigh(control, replace(control, release=B))
    assert verdict.word is Word.INCONCLUSIVE
    assert "was not rehearsed: it replaces a function" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("live", "word"), [("sched_cls", Word.PASS), ("", Word.PASS), ("socket_filter", Word.INCONCLUSIVE)]
)
def test_a_type_that_was_only_assumed_is_compared_with_the_live_one(live: str, word: Word) -> None:
    """The same code is another matter as another type: what it may read, and what it may return."""
    state = replace(STATE, live=(LiveProgram("filter", live),))
    control = trial(A, replace(loaded("filter"), type="SchedCLS", assumed=True))
    verdict = weigh(control, replace(control, release=B), state)
    assert verdict.word is word
    told = "filter: is live as socket_filter; its object does not say so, and it was rehearsed as sched_cls"
    assert verdict.reasons == ((told,) if word is Word.INCONCLUSIVE else ())
    carried = replace(state, objects=(replace(HOST, carried=True),))
    assert weigh(control, replace(control, release=B), carried).word is not Word.INCONCLUSIVE
    said = trial(A, replace(loaded("filter"), type="SocketFilter"))
    assert weigh(said, replace(said, release=B), state).word is Word.PASS, "its object says what it is"


def test_an_object_that_cannot_be_read_is_named() -> None:
    torn = Trial(A, "#1", complete=True, error="unexpected EOF")
    verdict = weigh(torn, replace(torn, release=B))
    assert f"{HOST.name} could not be read: unexpected EOF" in verdict.notes
    assert verdict.word is Word.INCONCLUSIVE


def test_what_was_found_in_a_process_and_fails_its_control_is_a_warning() -> None:
    """It may be loaded with more than it was found with. What is refused by the candidate alone is a failure still."""
    state = replace(STATE, objects=(replace(HOST, carried=True),))
    control = trial(A, refused("cil_from_netdev"), loaded("tail_handle_ipv4"))
    verdict = weigh(control, replace(control, release=B), state)
    assert verdict.word is Word.WARN
    assert "cil_from_netdev: does not load in the rehearsal of the running kernel either" in verdict.reasons[0]
    bad = weigh(control, trial(B, refused("cil_from_netdev"), refused("tail_handle_ipv4")), state)
    assert bad.word is Word.FAIL
    gone = weigh(GOOD, Trial(B, "#1", programs=GOOD.programs[:1]), state)
    words = {each.program: each.word for each in gone.programs}
    assert words["tail_handle_ipv4"] is Word.INCONCLUSIVE, "the candidate's guest ended before it was tried"


def test_a_log_that_is_truncated_is_said_where_its_line_is_shown() -> None:
    """The line that is shown may not be the reason then."""
    cut = replace(refused("cil_from_netdev"), truncated=True)
    (message,) = weigh(GOOD, trial(B, cut, loaded("tail_handle_ipv4"))).reasons
    assert message.endswith("Processed 1000001 insn (errno 7) (the verifier's log is truncated)")
    whole = weigh(GOOD, trial(B, refused("cil_from_netdev"), loaded("tail_handle_ipv4")))
    assert "truncated" not in whole.reasons[0]
    told = from_data(ProgramResult, {"program": "x", "outcome": "refused", "truncated": True})
    assert told == ProgramResult("x", LoadOutcome.REFUSED, truncated=True)
    with pytest.raises(ValueError, match="splendid"):
        from_data(ProgramResult, {"program": "x", "outcome": "splendid"})


def test_nothing_live_is_nothing_to_rehearse_and_not_knowing_is_not() -> None:
    verdict = weigh(GOOD, GOOD, BpfState(live=()))
    assert verdict.word is Word.PASS
    assert "nothing to rehearse" in verdict.notes[0]
    verdict = weigh(GOOD, GOOD, BpfState(live=None, unknown={"live": "bpftool is not installed"}))
    assert verdict.word is Word.INCONCLUSIVE
    assert "bpftool is not installed" in verdict.reasons[0]
    verdict = weigh(GOOD, GOOD, BpfState(live=LIVE))
    assert verdict.word is Word.INCONCLUSIVE
    assert "friday_bpf_objects" in verdict.reasons[0]
    blind = replace(STATE, live=None, unknown={"live": "bpftool is not installed"})
    assert weigh(GOOD, trial(B, refused("cil_from_netdev")), blind).word is Word.FAIL, "each is taken to be live"


def test_equal_hosts_share_one() -> None:
    packages = tuple((f"linux-{kind}-{B}", "6.12.117-1") for kind in ("image", "base", "modules"))
    arriving = Kernel(B, f"linux-image-{B}", arriving=True, packages=packages, headers=True)
    facts = HostFacts(
        "", kernel=A, kernel_version="#1", architecture="x86_64", kernels=(arriving, Kernel(A, installed=True))
    )
    hosts = [PlannedHost(name, name, "z", "", A, B, True) for name in ("n1", "n2", "n3", "n4")]
    hosts.append(PlannedHost("n5", "n5", "z", "", A, A, True))
    states = {"n1": STATE, "n2": replace(STATE, objects=(LXC,)), "n3": STATE, "n6": replace(STATE, live=LIVE[:1])}
    hosts.append(PlannedHost("n6", "n6", "z", "", A, B, True))
    hosts.append(PlannedHost("n7", "node7", "z", "", A, B, True))
    states["n7"] = STATE
    hosts.append(PlannedHost("n8", "n8", "z", "", A, B, True))
    states["n8"] = replace(STATE, live=(LiveProgram("cil_from_netdev", tag="aa"), LIVE[1]))
    found = decide.groups(hosts, {host.host: facts for host in hosts}, states, {"node7": "cilium 1.16.0"}, {})
    assert [group.hosts for group in found] == [("n1", "n3"), ("n2",), ("n4",), ("n6",), ("n7",), ("n8",)]
    assert [group.agent for group in found] == ["", "", "", "", "cilium 1.16.0", ""]
    assert found[0].candidate == KernelSource(B, "6.12.117-1", "x86_64", packages)
    assert found[0].headers is True
    without = replace(facts, kernels=(replace(arriving, headers=False),))
    (bare,) = decide.groups(hosts[:1], {"n1": without}, {"n1": STATE}, {}, {})
    assert bare.headers is False
    assert found[2].state.unknown == {"objects": "the host did not answer"}
    everywhere = decide.asked_for({"n5": facts}, {}, "6.16.3+deb13-amd64", {})
    (asked,) = decide.groups(everywhere, {"n5": facts}, {"n5": STATE}, {}, {})
    assert asked.hosts == ("n5",), "although nothing is planned for it"
    assert asked.headers is None
    assert (asked.candidate.build, asked.candidate.packages) == (decide.ANY, ()), "the host finds them in its sources"
    assert decide.volatile(asked.candidate)
    here = replace(facts, kernels=(Kernel(B, installed=True, image=f"/boot/vmlinuz-{B}"),))
    (booted,) = decide.groups(hosts[:1], {"n1": here}, {"n1": STATE}, {}, {})
    assert (booted.candidate.build, booted.candidate.packages, booted.headers) == (decide.INSTALLED, (), None)
    others = {"n1": facts, "n3": replace(facts, remedies=Remedies(hold="dnf versionlock add"))}
    two = decide.groups([hosts[0], hosts[2]], others, {"n1": STATE, "n3": STATE}, {}, {})
    assert [group.hosts for group in two] == [("n1",), ("n3",)], "what to do is not the same there"
    assert not decide.volatile(found[0].candidate)


def test_all_newer_kernels_that_the_sources_have() -> None:
    facts = {"n1": HostFacts("n1", kernel=A, kernel_version="#1", architecture="x86_64")}
    packages = (("linux-binary-7.3.4", "7.3.4-1"), ("linux-modules-7.3.4", "7.3.4-1"))
    offers = {"n1": (OfferedKernel("7.3.4", packages), OfferedKernel(A), OfferedKernel("5.10.0-30-cloud-amd64"))}
    asked = decide.asked_for(facts, {"n1": "node1"}, "newest", offers)
    assert [(each.host, each.node, each.target_kernel) for each in asked] == [("n1", "node1", "7.3.4")]
    (group,) = decide.groups(asked, facts, {"n1": STATE}, {}, offers)
    assert group.candidate == KernelSource("7.3.4", "7.3.4-1", "x86_64", packages)
    assert not decide.volatile(group.candidate)
    backport = {"n1": replace(facts["n1"], kernel="6.1.0-0.deb11.17-amd64")}
    newer = {"n1": tuple(OfferedKernel(f"{version}-amd64") for version in ("6.1.0-0.deb11.21", "6.1.0-0.deb11.9"))}
    (only,) = decide.asked_for(backport, {}, "newest", newer)
    assert only.target_kernel == "6.1.0-0.deb11.21-amd64"
    several = decide.asked_for(facts, {}, "6.12.90, 6.1.9", offers)
    assert [each.target_kernel for each in several] == ["6.12.90", "6.1.9"]


def test_the_newest_that_passes() -> None:
    """For each host the newest; a warning is no refusal, and what proves nothing is no pass."""
    bad = weigh(GOOD, trial(B, refused("cil_from_netdev"), loaded("tail_handle_ipv4")))
    words = {"6.12.90": Word.PASS, "6.12.100": Word.WARN, "6.12.117": Word.FAIL, "7.3.4": Word.INCONCLUSIVE}
    commands = Remedies(install="get", hold="pin")
    verdicts = [
        replace(bad, candidate=release, word=word, package=f"image-{release}", remedies=commands)
        for release, word in words.items()
    ]
    verdicts += [replace(each, hosts=("n3",), word=Word.FAIL) for each in verdicts[:2]]
    first, second = decide.newest(verdicts)
    assert (first.hosts, first.release, first.tried) == (("n1", "n2"), "6.12.100", 4)
    assert (second.hosts, second.release, second.tried) == (("n3",), "", 2)
    released = [replace(bad, candidate=release, word=Word.PASS) for release in ("6.16-amd64", "6.16-rc7-amd64")]
    assert decide.newest(released)[0].release == "6.16-amd64", "newer than its release candidate"
    (step,) = decide.advice(Rehearsal(tuple(verdicts), newest=(first, second)))
    assert step.startswith("For 6.12.100 on n1, n2: `get image-6.12.100`, and `pin` for the kernel's metapackage")
    bare = replace(first, remedies=Remedies())
    (step,) = decide.advice(Rehearsal(tuple(verdicts), newest=(bare,)))
    assert step.startswith("For 6.12.100 on n1, n2: install that kernel, and hold the kernel's metapackage")
    silent, problem = decide.without_candidate((first, second), {"n4": "apt-cache: not found"})
    assert silent.subject == "n4"
    assert "apt-cache: not found" in silent.message
    assert problem.subject == "n3"
    assert "none of the 2 kernels" in problem.message
    assert "(`pin`, with friday_packages: all)" in problem.fix


def test_hosts_with_the_same_result_are_told_once() -> None:
    """Their objects differ in an address or so, so that each is rehearsed; a host with another result stays apart."""
    bad = weigh(GOOD, trial(B, refused("cil_from_netdev"), loaded("tail_handle_ipv4")))
    good = weigh(GOOD, replace(GOOD, release=B))
    moved = tuple(replace(each, object="/elsewhere") for each in bad.programs)
    bad = replace(bad, reasons=(*bad.reasons, "and so is another one"))
    turned = replace(bad, hosts=("n4",), programs=moved, reasons=tuple(reversed(bad.reasons)))
    found = decide.merged([bad, replace(good, hosts=("n3",)), turned])
    assert [(each.hosts, each.word) for each in found] == [(("n1", "n2", "n4"), Word.FAIL), (("n3",), Word.PASS)]
    (problem,) = decide.problems(found, Policy())
    assert problem.subject == "n1, n2, n4"
    update, stay, other = decide.advice(Rehearsal(found))
    assert "friday_candidate_kernel=newest" in other
    assert update.startswith("Update what has loaded cil_from_netdev on n1, n2, n4 ")
    assert A in stay


def test_the_same_question_has_the_same_key() -> None:
    key = decide.trial_key(IMAGE, HOST, STATE.sysctls, "loader")
    assert key == decide.trial_key(IMAGE, replace(HOST, name="/elsewhere"), STATE.sysctls, "loader")
    others = {
        decide.trial_key(replace(IMAGE, config="dd"), HOST, STATE.sysctls, "loader"),
        decide.trial_key(replace(IMAGE, sha256="dd"), HOST, STATE.sysctls, "loader"),
        decide.trial_key(IMAGE, LXC, STATE.sysctls, "loader"),
        decide.trial_key(IMAGE, replace(HOST, contents={".rodata.config": "00"}), STATE.sysctls, "loader"),
        decide.trial_key(IMAGE, HOST, {}, "loader"),
        decide.trial_key(IMAGE, HOST, STATE.sysctls, "another loader"),
        decide.trial_key(IMAGE, HOST, STATE.sysctls, "loader", "all objects"),
    }
    assert key not in others
    assert len(others) == 7


def test_equal_reasons_in_another_order_are_one_problem() -> None:
    first = GroupVerdict(("node1",), "6.1", "6.12", Word.FAIL, ("a: refused", "b: refused"))
    second = replace(first, hosts=("node2",), reasons=("b: refused", "a: refused"))
    (problem,) = decide.problems([first, second], Policy())
    assert problem.subject == "node1, node2"
    assert "a: refused; b: refused" in problem.message
