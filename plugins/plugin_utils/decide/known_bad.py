# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernels that are known to break a cluster, and with what. Each row has its reference.

A rehearsal that passes does not outweigh a row: most of these load, and break later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import Group, KernelSource

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A combination that is bad.

    Attributes:
        kernel: first and last one. Of a distribution's kernels its own numbers (Ubuntu: 5.15.0-72), otherwise
            upstream's; one that is shorter than what it is held against covers all that begin so.
        symptom, fix, reference: as in the text.
        distribution: the ID of os-release of whose kernels it is said; empty: upstream's, of those that name theirs.
        cilium: first and last version it happens with, both alike shortened; empty: with any, or without.
    """

    kernel: tuple[str, str]
    symptom: str
    fix: str
    reference: str
    distribution: str = ""
    cilium: tuple[str, str] = ("", "")

    @property
    def text(self) -> str:
        versions = " to ".join(dict.fromkeys(self.cilium))
        agent = f" with Cilium {versions}" if versions.strip() else ""
        return (
            f"{' to '.join(dict.fromkeys(self.kernel))}{agent}: {self.symptom}; better: {self.fix} ({self.reference})"
        )


ROWS = (
    Row(
        ("5.15.0-72", "5.15.0-72"),
        "programs are too large (1,000,001 instructions)",
        "a newer Cilium",
        "cilium/cilium#25500",
        "ubuntu",
        ("1.11.15", "1.11.16"),
    ),
    Row(
        ("5.16", "5.16"),
        "programs are too large",
        "a newer Cilium",
        "cilium/cilium#18591",
        cilium=("1.10.6", "1.10.6"),
    ),
    Row(
        ("4.19.207", "4.19"),
        "endpoints do not regenerate",
        "another kernel series",
        "cilium/cilium#24834",
        cilium=("1.11", "1.11"),
    ),
    Row(
        ("6.1.69", "6.1.69"),
        "tail_nodeport_nat_ingress_ipv4 is too large with BPF masquerading",
        "a newer Cilium, or masquerading by iptables",
        "cilium/cilium#30093",
        cilium=("1.15.0-rc.0", "1.15.0-rc.0"),
    ),
    Row(
        ("5.15", "5.15"),
        "cil_sock4_connect is refused (map_value_or_null)",
        "a Cilium release with #33709",
        "cilium/cilium#33545",
        "ubuntu",
        ("1.16.0-rc.0", "1.16.0-rc.9"),
    ),
    Row(
        ("6.18.1", "6.18.8"),
        "the verifier's register invariants are violated, and the network goes down",
        "a kernel with efc11a667878",
        "cilium/cilium#44216",
        cilium=("1.18.6", "1.19.0"),
    ),
    Row(
        ("7.2.0", "7.2.0"),
        "the agent exits at its start, because of a probe",
        "a Cilium release with #48376 and #48405",
        "cilium/cilium#48016",
        cilium=("1.19.4", "1.20"),
    ),
    Row(
        ("5.15.0-127", "5.15.0-127"),
        "ip6tables has no MARK of revision 0",
        "another build of it",
        "cilium/cilium#36857",
        "ubuntu",
    ),
    Row(
        ("6.6.57", "6.6.58"),
        "ip6tables has no MARK of revision 0",
        "another build of it",
        "cilium/cilium#36857",
    ),
    Row(
        ("5.15.0-94", "5.15.0-94"),
        "NFS mounts fail (Protocol not supported), and Longhorn's shared volumes with them",
        "5.15.0-100",
        "longhorn/longhorn#8344",
        "ubuntu",
    ),
    Row(
        ("6.5.6", "6.5.6"),
        "NFS mounts fail (Protocol not supported), and Longhorn's shared volumes with them",
        "6.5.7",
        "longhorn/longhorn#8344",
    ),
)

_OWN_NUMBERS = ("ubuntu",)
"""Distributions whose kernels keep the number of the series' beginning, whatever they have taken over since."""


def found(group: Group) -> Iterator[Row]:
    """The rows that speak of the group's candidate and agent, and not of the kernel that it runs already."""
    for row in ROWS:
        bad, now = (_is_kernel(row, group.distribution, source) for source in (group.candidate, group.running))
        if bad and not now and _is_agent(row, group.agent):
            yield row


def _is_kernel(row: Row, distribution: str, source: KernelSource) -> bool:
    if row.distribution:
        return distribution == row.distribution and _within(source.release, row.kernel)
    if distribution in _OWN_NUMBERS:
        return False
    # Debian stable's release says 6.1.0-56, and the package 6.1.192-1: that is upstream's number.
    upstream = source.build if re.match(r"\d+\.\d+\.\d", source.build) else source.release
    return _within(upstream, row.kernel)


def _is_agent(row: Row, agent: str) -> bool:
    if not row.cilium[0]:
        return True
    name, _, version = agent.partition(" ")
    return name == "cilium" and _within(version, row.cilium)


def _within(text: str, limits: tuple[str, str]) -> bool:
    number, (first, last) = _numbers(text), (_numbers(limit) for limit in limits)
    return bool(number) and number[: len(first)] >= first and number[: len(last)] <= last


def _numbers(text: str) -> Numbers:
    """The numbers that a version begins with; a release candidate has one more than its release."""
    found = re.match(r"\d+(?:[.-](?:rc[.]?)?\d+)*", text.lstrip("v"))
    return tuple(map(int, re.findall(r"\d+", found[0]))) if found else ()
