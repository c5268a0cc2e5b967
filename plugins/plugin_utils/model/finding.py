# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a comparison found, and what follows from it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Layer(enum.IntEnum):
    """The layers that stand on each other; the deepest failing one is the probable cause of all above it."""

    HOST = 0  # the machine answers, packages are in order
    KERNEL = 1
    BPF = 2
    AGENT = 3
    ENDPOINTS = 4
    CNI = 5
    NETWORK = 6
    DNS = 7
    WEBHOOKS = 8
    STORAGE = 9
    WORKLOADS = 10
    VIPS = 11
    PROBES = 12

    @property
    def label(self) -> str:
        """The layer as people read it, for example ``BPF`` or ``node network``."""
        return _LABELS[self]


_LABELS = {
    Layer.HOST: "host",
    Layer.KERNEL: "kernel",
    Layer.BPF: "BPF",
    Layer.AGENT: "network agent",
    Layer.ENDPOINTS: "endpoints",
    Layer.CNI: "CNI",
    Layer.NETWORK: "node network",
    Layer.DNS: "DNS",
    Layer.WEBHOOKS: "webhooks",
    Layer.STORAGE: "storage",
    Layer.WORKLOADS: "workloads",
    Layer.VIPS: "virtual addresses",
    Layer.PROBES: "probes",
}


class Outcome(str, enum.Enum):
    """The three values of a verdict. Missing evidence is inconclusive, never a pass."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Severity(str, enum.Enum):
    """What a finding does to the verdict.

    ``fail`` fails it, ``unknown`` makes it inconclusive, ``warn`` and ``info`` do neither.
    """

    FAIL = "fail"
    UNKNOWN = "unknown"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One difference that matters, on one subject.

    Attributes:
        layer: where it belongs.
        check: name of the check that found it, for example ``bpf-host-programs``.
        subject: what it is about: a node's name, ``namespace/pod``, ``device eth1``.
        severity: see :class:`Severity`.
        message: one sentence for a person.
        before, after: the two values that were compared, as short text.
        evidence: lines as they were seen (kernel log, verifier log, API message), oldest first.
        lasting: waiting does not heal it (another kernel than planned, a program that the verifier refused).
        accepted: it would have stopped the run, and ``friday_accept`` names its check: a note.
    """

    layer: Layer
    check: str
    subject: str
    severity: Severity
    message: str
    before: str = ""
    after: str = ""
    evidence: tuple[str, ...] = ()
    lasting: bool = False
    accepted: bool = False


@dataclass(frozen=True)
class Verdict:
    """The outcome of a set of findings.

    ``cause`` is the finding of the deepest failing layer (or the deepest unknown one, if nothing failed);
    ``consequences`` are the failing and unknown findings above it, in order of layers.
    """

    outcome: Outcome
    cause: Finding | None = None
    consequences: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()  # warn and info
    checks: tuple[str, ...] = ()  # names of the checks that ran, so that "pass" says on what


@dataclass(frozen=True)
class Problem:
    """A reason not to start, before anything was touched.

    Attributes:
        subject: the variable, host or object that has to change, for example ``friday_wave_sizes`` or ``node3``.
        message: what is wrong.
        fix: what to do about it.
    """

    subject: str
    message: str
    fix: str = ""

    def line(self) -> str:
        """The problem in one line, as the console shows it."""
        return f"{self.subject}: {self.message}" + (f" -> {self.fix}" if self.fix else "")
