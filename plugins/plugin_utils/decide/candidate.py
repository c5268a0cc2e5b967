# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which kernel an upgrade leads to, and what it must have beside room for the nodes' programs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.module_utils.kernel_release import next_boot, parse
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import known_bad
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, Kernel
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import BpfState, Group, Image, Word

NEEDED = (
    *("CGROUPS", "CGROUP_CPUACCT", "CGROUP_DEVICE", "CGROUP_FREEZER", "CGROUP_PIDS", "CGROUP_SCHED", "CPUSETS"),
    *("INET", "IPC_NS", "MEMCG", "NAMESPACES", "NET_NS", "OVERLAY_FS", "PID_NS", "PROC_FS", "UTS_NS"),
    *("BPF", "BPF_SYSCALL", "BPF_JIT", "CGROUP_BPF", "NET_CLS_ACT", "NET_CLS_BPF", "NET_SCH_INGRESS"),
    *("CRYPTO_USER_API_HASH", "PERF_EVENTS"),
)
"""Options without which the kubelet or Cilium's agent does not start.

Sources: the kernel checks of ``kubeadm`` (k8s.io/system-validators), Cilium's system requirements.
"""

USED = (
    *("BPF_EVENTS", "BPF_STREAM_PARSER", "DEBUG_INFO_BTF", "FIB_RULES", "GENEVE", "IP_SET", "IP_SET_HASH_IP"),
    *("KPROBES", "NETFILTER_XT_MATCH_COMMENT", "NETFILTER_XT_MATCH_MARK", "NETFILTER_XT_MATCH_SOCKET"),
    *("NETFILTER_XT_SET", "NETFILTER_XT_TARGET_CT", "NETFILTER_XT_TARGET_MARK", "NETFILTER_XT_TARGET_TPROXY", "NETKIT"),
    *("NET_SCH_FQ", "SCHEDSTATS", "UPROBES", "VXLAN", "WIREGUARD", "XDP_SOCKETS", "XFRM_USER", "IP_VS", "NF_TABLES"),
)
"""Options of features that an agent may use: one that is gone is worth a look. Source: Cilium's system requirements."""

_OPTION = re.compile(r"^CONFIG_(\w+)=([ym])$", re.MULTILINE)

Reason = tuple[Word, str]


@dataclass(frozen=True)
class Candidate:
    """The kernel that a host boots next, once its upgrade is done; the running one when nothing changes.

    ``kernel`` is None when it is not known, or when nothing was read of it. ``problem`` says why that kernel is not
    the one to go to, and ``fix`` what to do.
    """

    kernel: Kernel | None = None
    problem: str = ""
    fix: str = ""

    @property
    def release(self) -> str:
        """Empty when it is not known."""
        return self.kernel.release if self.kernel and not self.problem else ""


def next_kernel(facts: HostFacts, accepted: Collection[str] = ()) -> Candidate:
    """The kernel that a host's boot loader starts after the upgrade.

    Args:
        facts: where they don't say it, the newest kernel is meant.
        accepted: releases that may be booted all the same (``friday_accept_kernels``): though a newer one is there, or
            of another flavour than the running one.
    """
    kernels = {each.release: each for each in facts.kernels}
    if not kernels or not facts.kernel:
        return Candidate()
    staying = [each.release for each in facts.kernels if not each.leaving]
    newest = next_boot(staying, facts.kernel)
    chosen, own = parse(facts.boot_next) if facts.boot_next else newest, parse(facts.kernel)
    if facts.boot_default and chosen.name not in accepted:
        fix = facts.boot_fix or "set it to boot the newest kernel, which is planned and rehearsed"
        known = "or keep it so" if facts.boot_next else "or, if you know that it boots that one"
        message = f"would not boot the newest kernel: {facts.boot_default}"
        return Candidate(None, message, f"{fix}; {known}: friday_accept_kernels: [{chosen.name}]")
    kernel = kernels.get(chosen.name, Kernel(chosen.name, installed=True))
    if chosen.flavour != own.flavour and chosen.name not in accepted:
        message = (
            f"would boot {chosen.name} next, whose flavour ({chosen.flavour or 'none'}) differs from that of the "
            f"running kernel {facts.kernel} ({own.flavour or 'none'})"
        )
        fix = (
            "remove the packages of the other flavour, or boot that kernel first; "
            f"or change to it: friday_accept_kernels: [{chosen.name}]"
        )
        return Candidate(kernel, message, fix)
    return Candidate(kernel)


def options(config: str) -> dict[str, str]:
    """Those options of a kernel's configuration file that are looked at here: ``y`` or ``m``."""
    return {name: value for name, value in _OPTION.findall(config) if name in NEEDED or name in USED}


def reasons(
    group: Group, running: Image | None, candidate: Image | None, accepted: Collection[str]
) -> Iterator[Reason]:
    """What speaks against a candidate, beside what its verifier says. ``accepted``: references of known_bad's rows."""
    release = group.candidate.release
    names = _lacking_modules(group.state, candidate)
    if missing := [name for name in names if name not in group.state.dkms]:
        yield Word.WARN, f"modules in use that {release} does not have: {', '.join(missing)}"
    if group.headers is False and group.state.dkms:
        built = ", ".join(group.state.dkms)
        yield Word.WARN, f"the upgrade brings no headers for {release}: DKMS can't build {built} for it"
    if running and candidate:
        gone = list(_gone(running.options, candidate.options))
        for word, wanted in ((Word.FAIL, NEEDED), (Word.WARN, USED)):
            if listed := [f"CONFIG_{name}" for name in gone if name in wanted]:
                yield word, f"built without {', '.join(listed)}, which the running kernel has"
    for row in known_bad.found(group):
        if row.reference in accepted:
            yield Word.WARN, f"known to be bad, and accepted: {row.text}"
        else:
            yield Word.FAIL, f"known to be bad: {row.text}; to continue, set friday_known_bad_accept: [{row.reference}]"


def notes(group: Group, running: Image | None, candidate: Image | None) -> Iterator[str]:
    """What could not be looked at, by name."""
    if candidate is None:
        return
    if candidate.modules is None:
        yield "the candidate's modules could not be read: they are in separate packages"
    if built := [name for name in _lacking_modules(group.state, candidate) if name in group.state.dkms]:
        yield f"modules in use that DKMS must build for the candidate, so not rehearsed: {', '.join(built)}"
    if running and not (candidate.options and running.options):
        yield "the kernels' build options could not be read, and were not compared"


def _lacking_modules(state: BpfState, candidate: Image | None) -> list[str]:
    if candidate is None or candidate.modules is None:
        return []
    return [name for name in state.modules if name not in candidate.modules]


def _gone(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[str]:
    return [name for name in before if name not in after] if before and after else []
