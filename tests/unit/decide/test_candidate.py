# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a candidate must have beside: modules, options; and the combinations that are known to be bad."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import candidate, known_bad, rehearsal
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, Kernel
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    BpfState,
    Group,
    Image,
    KernelSource,
    Word,
)

A, B = "6.1.0-56-cloud-amd64", "6.12.117+deb13-cloud-amd64"
STATE = BpfState(live=(), modules=("vxlan", "zfs", "nfs"), dkms=("zfs",))
GROUP = Group(("n1",), KernelSource(A, "#1", "x86_64"), KernelSource(B, "6.12.117-1", "x86_64"), STATE)
OPTIONS = {"BPF_SYSCALL": "y", "VXLAN": "m"}
RUNNING, IMAGE = Image(A, "bb", ("vxlan", "nfs"), "b0", OPTIONS), Image(B, "cc", ("vxlan", "nfs"), "c0", OPTIONS)
NOTHING = "no BPF program is live on the nodes: there was nothing to rehearse"


def reasons(running: Image | None, image: Image | None, group: Group = GROUP, *accepted: str) -> list[candidate.Reason]:
    return list(candidate.reasons(group, running, image, accepted))


def test_modules_in_use_that_the_candidate_lacks() -> None:
    without = replace(IMAGE, modules=("vxlan",))
    assert reasons(RUNNING, without) == [(Word.WARN, f"modules in use that {B} does not have: nfs")]
    dkms = "modules in use that DKMS must build for the candidate, so not rehearsed: zfs"
    assert list(candidate.notes(GROUP, RUNNING, without)) == [dkms]
    assert reasons(RUNNING, IMAGE) == []


def test_headers_for_what_dkms_has_to_build() -> None:
    said = f"the upgrade brings no headers for {B}: DKMS can't build zfs for it"
    assert reasons(RUNNING, IMAGE, replace(GROUP, headers=False)) == [(Word.WARN, said)]
    assert reasons(RUNNING, IMAGE, replace(GROUP, headers=True)) == []
    ordinary = replace(STATE, modules=("vxlan",), dkms=())
    assert reasons(RUNNING, IMAGE, replace(GROUP, headers=False, state=ordinary)) == []


def test_what_is_not_known_is_said() -> None:
    bare = replace(IMAGE, modules=None, options={})
    assert reasons(RUNNING, bare) == []
    unknown_modules, unknown_options = candidate.notes(GROUP, RUNNING, bare)
    assert "the candidate's modules could not be read" in unknown_modules
    assert "options" in unknown_options
    assert list(candidate.notes(GROUP, None, None)) == [], "why there is no image is said elsewhere"


def test_options_that_are_gone() -> None:
    """What was a module may be built in; what the running kernel does not have either is nobody's loss."""
    assert reasons(RUNNING, replace(IMAGE, options={"BPF_SYSCALL": "y", "VXLAN": "y"})) == []
    assert reasons(replace(RUNNING, options={"VXLAN": "m"}), replace(IMAGE, options={"VXLAN": "m"})) == []
    (useful,) = reasons(RUNNING, replace(IMAGE, options={"BPF_SYSCALL": "y"}))
    assert useful == (Word.WARN, "built without CONFIG_VXLAN, which the running kernel has")
    (needed,) = reasons(RUNNING, replace(IMAGE, options={"VXLAN": "m"}))
    assert needed == (Word.FAIL, "built without CONFIG_BPF_SYSCALL, which the running kernel has")


def test_options_of_a_configuration_file() -> None:
    lines = ("CONFIG_BPF=y", "CONFIG_VXLAN=m", "# CONFIG_INET is not set", "CONFIG_HZ=250", "CONFIG_UNHEARD_OF=y")
    assert candidate.options("\n".join((*lines, "#CONFIG_BPF_JIT=y"))) == {"BPF": "y", "VXLAN": "m"}


def test_they_are_part_of_the_verdict() -> None:
    verdict = rehearsal.weigh(GROUP, {}, RUNNING, replace(IMAGE, options={"VXLAN": "m"}), Policy())
    assert (verdict.word, verdict.notes) == (Word.FAIL, (candidate_note(), NOTHING))
    assert rehearsal.problems([verdict], Policy(rehearsal="accept"))


def candidate_note() -> str:
    return "modules in use that DKMS must build for the candidate, so not rehearsed: zfs"


@pytest.mark.parametrize(
    ("release", "build", "distribution", "agent", "reference"),
    [
        ("6.18.5-amd64", "6.18.5-1", "debian", "cilium 1.18.6", "cilium/cilium#44216"),
        ("6.18.8", "installed", "debian", "cilium v1.19.0", "cilium/cilium#44216"),
        ("6.18.9-amd64", "6.18.9-1", "debian", "cilium 1.18.6", ""),
        ("6.18.5-amd64", "6.18.5-1", "debian", "cilium 1.18.5", ""),
        ("6.18.5-amd64", "6.18.5-1", "debian", "", ""),
        ("6.18.5-amd64", "6.18.5-1", "debian", "calico 1.18.6", ""),
        ("7.2.0-5-generic", "7.2.0-5.5", "ubuntu", "cilium 1.20.1", ""),  # of whatever upstream release
        ("6.1.0-17-amd64", "6.1.69-1", "debian", "cilium 1.15.0-rc.0", "cilium/cilium#30093"),
        ("6.1.0-17-amd64", "6.1.69-1", "debian", "cilium 1.15.0", ""),
        ("4.19.0-18-amd64", "4.19.208-1", "debian", "cilium 1.11.3", "cilium/cilium#24834"),
        ("4.19.0-17-amd64", "4.19.194-3", "debian", "cilium 1.11.3", ""),
        ("5.15.0-72-generic", "5.15.0-72.79", "ubuntu", "cilium 1.11.16", "cilium/cilium#25500"),
        ("5.15.0-71-generic", "5.15.0-71.78", "ubuntu", "cilium 1.11.16", ""),
        ("5.15.0-72-generic", "5.15.0-72.79", "debian", "cilium 1.11.16", ""),
        ("5.15.0-94-generic", "5.15.0-94.104", "ubuntu", "", "longhorn/longhorn#8344"),
        ("7.2.0-cloud-amd64", "7.2.0-1", "debian", "cilium 1.20.1", "cilium/cilium#48016"),
        ("7.2.1-cloud-amd64", "7.2.1-1", "debian", "cilium 1.20.1", ""),
    ],
)
def test_known_to_be_bad(release: str, build: str, distribution: str, agent: str, reference: str) -> None:
    group = replace(
        GROUP,
        candidate=KernelSource(release, build, "x86_64"),
        agent=agent,
        distribution=distribution,
        state=BpfState(),
    )
    assert [row.reference for row in known_bad.found(group)] == ([reference] if reference else [])
    words = [word for word, text in reasons(RUNNING, IMAGE, group) if reference in text]
    assert words == ([Word.FAIL] if reference else [])
    assert [word for word, _ in reasons(RUNNING, IMAGE, group, reference)] == ([Word.WARN] if reference else [])


def test_what_a_node_runs_already_is_no_news() -> None:
    bad, worse = (KernelSource(f"6.18.{number}-amd64", f"6.18.{number}-1", "x86_64") for number in (4, 5))
    group = replace(GROUP, running=bad, candidate=worse, agent="cilium 1.18.6", distribution="debian")
    assert list(known_bad.found(group)) == []


def test_every_row_can_be_found_by_its_own_words() -> None:
    for row in known_bad.ROWS:
        source = KernelSource(f"{row.kernel[0]}-1-amd64", row.kernel[0], "x86_64")
        group = replace(GROUP, candidate=source, agent=f"cilium {row.cilium[1]}", distribution=row.distribution)
        assert row in known_bad.found(group), row.text
        assert row.reference in row.text


def next_of(*kernels: Kernel, running: str = A, **more: str) -> candidate.Candidate:
    return candidate.next_kernel(HostFacts("n1", kernel=running, kernels=kernels, **more))


HERE, COMING = Kernel(A, installed=True), Kernel(B, arriving=True, packages=(("linux-image", "1"),))


def test_the_next_kernel_is_the_newest_that_stays() -> None:
    assert next_of(HERE, COMING).kernel == COMING
    assert next_of(COMING, HERE).kernel == COMING, "in whatever order"
    assert next_of(HERE).kernel == HERE
    assert next_of(HERE, replace(COMING, arriving=False, leaving=True, installed=True)).release == A
    older = Kernel("6.1.0-9-cloud-amd64", arriving=True)
    assert next_of(HERE, older).release == A, "an older one that arrives changes nothing"
    assert next_of(Kernel(B, installed=True), HERE).release == B, "installed by somebody else, not booted yet"
    assert next_of(replace(HERE, leaving=True)).release == A, "the running one is all that there is"


def test_backports_and_release_candidates_are_in_their_order() -> None:
    running = "6.1.0-0.deb11.17-amd64"
    releases = (running, "6.1.0-0.deb11.21-amd64", "6.1.0-0.deb11.9-amd64")
    assert next_of(*map(Kernel, releases), running=running).release == releases[1]
    assert next_of(Kernel("6.16-rc7-amd64"), Kernel("6.16-amd64"), running="6.12.9+bpo-amd64").release == "6.16-amd64"


def test_a_kernel_of_another_flavour_is_a_problem_and_no_candidate() -> None:
    found = next_of(HERE, Kernel("6.12.117+deb13-amd64", arriving=True))
    assert found.release == ""
    assert "whose flavour (amd64) differs" in found.problem
    assert "remove the packages" in found.fix
    same = next_of(HERE, COMING, Kernel("6.12.117+deb13-amd64", arriving=True))
    assert (same.release, same.problem) == (B, ""), "of one version, the boot menu has the later flavour first"


def test_without_evidence_there_is_no_candidate() -> None:
    assert next_of() == candidate.Candidate()
    assert next_of(HERE, COMING, running="") == candidate.Candidate()
    pinned = next_of(HERE, COMING, boot_default="GRUB is set to start the entry '2' instead of the newest kernel")
    assert pinned.release == ""
    assert "entry '2'" in pinned.problem


def test_what_the_boot_loader_starts_is_the_candidate() -> None:
    newest = Kernel("6.12.120+deb13-cloud-amd64", installed=True)
    reason = f"grub starts {A} next and not {newest.release}"
    found = next_of(HERE, newest, boot_next=A, boot_default=reason, boot_fix="set GRUB_DEFAULT=0")
    assert (found.release, found.problem) == ("", f"would not boot the newest kernel: {reason}")
    assert found.fix == f"set GRUB_DEFAULT=0; or keep it so: friday_accept_kernels: [{A}]"
    facts = HostFacts("n1", kernel=A, kernels=(HERE, newest), boot_next=A, boot_default=reason)
    assert candidate.next_kernel(facts, [A]).release == A
    assert candidate.next_kernel(facts, [newest.release]).problem, "what it starts is to be accepted, nothing else"
    unknown = replace(facts, boot_next="", boot_default="its default is a variable")
    assert candidate.next_kernel(unknown, [A]).problem
    assert f"if you know that it boots that one: friday_accept_kernels: [{newest.release}]" in (
        candidate.next_kernel(unknown).fix
    )
    assert candidate.next_kernel(unknown, [newest.release]).release == newest.release


def test_the_loaders_word_comes_before_the_order_of_versions() -> None:
    first, rebuilt = "6.12.57+deb13-cloud-amd64", "6.12.57+deb13+1-cloud-amd64"
    both = (Kernel(first, installed=True), Kernel(rebuilt, arriving=True))
    assert next_of(*both, running=first, boot_next=rebuilt).release == rebuilt
    assert next_of(*both, running=first, boot_next=first).release == first


def test_another_flavour_may_be_accepted_by_name() -> None:
    other = "6.12.117+deb13-amd64"
    facts = HostFacts("n1", kernel=A, kernels=(HERE, Kernel(other, installed=True)), boot_next=other)
    assert f"friday_accept_kernels: [{other}]" in candidate.next_kernel(facts).fix
    assert candidate.next_kernel(facts, [other]).release == other
