# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rehearsal: the nodes' own BPF programs, loaded on a kernel in a small VM before any node boots it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import Remedies


@dataclass(frozen=True)
class BpfObject:
    """An object of a node.

    ``contents``: map -> hexadecimal bytes that the agent puts in before it loads it. ``carried``: it was found in what
    a process runs, and it is not known what else the process does to it.
    """

    name: str
    sha256: str
    path: str = ""
    size: int = 0
    contents: dict[str, str] = field(default_factory=dict)
    carried: bool = False


@dataclass(frozen=True)
class LiveProgram:
    """A program that a node's kernel has loaded. Without BTF the kernel keeps 15 characters of the name."""

    name: str
    type: str = ""
    tag: str = ""


@dataclass(frozen=True)
class BpfState:
    """What the module ``bpf_objects`` reads of a node.

    ``live`` is None when it could not be asked for; ``modules`` are the kernel's that are loaded, ``dkms`` those of
    them that DKMS has built.
    """

    objects: tuple[BpfObject, ...] = ()
    live: tuple[LiveProgram, ...] | None = None
    sysctls: dict[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    dkms: tuple[str, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KernelSource:
    """A kernel that is tried, and where its image is had from: an installed one, or packages (name, version).

    ``build`` tells builds of one release apart: what ``uname -v`` says, or the package's version.
    """

    release: str
    build: str
    machine: str
    packages: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.release} ({self.build})"


@dataclass(frozen=True)
class OfferedKernel:
    """A kernel that a node's package sources have: its release, and its packages (name, version)."""

    release: str
    packages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Group:
    """Hosts for which one rehearsal is enough: the same kernels, objects, configuration and sysctls.

    ``host`` is the one that is asked for the kernels; ``agent`` is the network's, with its version (``cilium 1.15.19``,
    or empty); ``distribution`` the ID of os-release; ``headers`` says whether the candidate's come with it (None: it is
    not known, as the kernel itself is there already, or was only asked for); ``remedies`` are commands of their package
    manager.
    """

    hosts: tuple[str, ...]
    running: KernelSource
    candidate: KernelSource
    state: BpfState
    agent: str = ""
    distribution: str = ""
    headers: bool | None = None
    remedies: Remedies = field(default_factory=Remedies)

    @property
    def host(self) -> str:
        return self.hosts[0]


class LoadOutcome(str, enum.Enum):
    """What came of the load of one program: the loader's words (report.go), and two for what was not survived."""

    LOADED = "loaded"
    REFUSED = "refused"  # by the verifier, or by what comes before it
    MAP = "map"  # a map that it needs can't be created
    UNSUPPORTED = "unsupported"  # it can't be loaded by itself
    CRASH = "crash"  # the loader did not survive it
    ENDED = "ended"  # the guest did not survive it, or had to be ended in it

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ProgramResult:
    """What a kernel said to one program.

    ``stats`` are the verifier's counts by its own names: insns, limit, total_states, peak_states, max_states_per_insn,
    stack, verification_usec. ``log`` has its last lines; ``truncated``: there were more. ``tag`` is the kernel's hash
    of the code that it was given. ``assumed``: the object says nothing of its type, which is a guess by its other
    programs. ``late``: it had not finished within ``seconds``.
    """

    program: str
    outcome: LoadOutcome
    type: str = ""
    section: str = ""
    assumed: bool = False
    error: str = ""
    errno: int = 0
    tag: str = ""
    stats: dict[str, int] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    truncated: bool = False
    seconds: float = 0.0
    late: bool = False

    @property
    def loaded(self) -> bool:
        return self.outcome is LoadOutcome.LOADED


@dataclass(frozen=True)
class Trial:
    """What a kernel has said to one object. Unless ``complete``, the guest ended before all of it was tried.

    Attributes:
        release, version: the kernel's, as ``uname -r`` and ``-v`` print them; empty when it did not come up.
        btf: it has BTF of itself.
        error: why there is no answer, or why the object can't be read.
        expired: something of it took too long, or its guest did: another time it may not.
        splats: what the kernel complained of while it was given the object.
        console: the guest's last lines, when it is not complete.
    """

    release: str = ""
    version: str = ""
    btf: bool = False
    complete: bool = False
    error: str = ""
    expired: bool = False
    programs: tuple[ProgramResult, ...] = ()
    splats: tuple[str, ...] = ()
    console: str = ""


@dataclass(frozen=True)
class Image:
    """What is known of a kernel's image.

    Attributes:
        sha256: of the image.
        modules: names of those that there are for it; None: not known.
        config: hash of the file of options that it was built with; empty: not known.
        options: those of them that are looked at (see decide/candidate.py), ``y`` or ``m``.
    """

    release: str
    sha256: str
    modules: tuple[str, ...] | None = None
    config: str = ""
    options: dict[str, str] = field(default_factory=dict)


class Word(str, enum.Enum):
    """A rehearsal's verdict, the worst first."""

    SPLAT = "splat"  # the kernel itself is broken by what it was given
    FAIL = "fail"  # what is live, and loads on the running kernel, does not on the candidate
    INCONCLUSIVE = "inconclusive"  # the control failed, or there is no answer: its word is worth nothing
    WARN = "warn"
    PASS = "pass"


@dataclass(frozen=True)
class ProgramVerdict:
    """One program on both kernels. ``live``: it is loaded on the nodes now, so that it counts."""

    object: str
    program: str
    word: Word
    message: str
    live: bool = True
    running: ProgramResult | None = None
    candidate: ProgramResult | None = None


@dataclass(frozen=True)
class GroupVerdict:
    """The verdict on one group of hosts.

    Attributes:
        reasons: what has led to the word, a sentence each; empty for a pass without remarks.
        programs: every program that was tried or should have been, the worst first.
        notes: what was not rehearsed, by name, and other remarks.
        machine: the hosts' architecture, as ``uname -m`` prints it.
        package: the one that brings the candidate's image; empty when it is not known.
        remedies: commands of the hosts' package manager.
    """

    hosts: tuple[str, ...]
    running: str
    candidate: str
    word: Word
    reasons: tuple[str, ...] = ()
    programs: tuple[ProgramVerdict, ...] = ()
    notes: tuple[str, ...] = ()
    machine: str = ""
    package: str = ""
    remedies: Remedies = field(default_factory=Remedies)


@dataclass(frozen=True)
class Newest:
    """The newest kernel that passes for some hosts, of those that were tried; ``release`` is empty where none does.

    ``package`` brings it, ``remedies`` are commands of the hosts' package manager; both may be empty.
    """

    hosts: tuple[str, ...]
    release: str
    tried: int
    package: str = ""
    remedies: Remedies = field(default_factory=Remedies)


@dataclass(frozen=True)
class Rehearsal:
    """All of a run's rehearsals. ``skipped`` says why there was none (it was switched off, nothing reboots).

    ``newest`` is there when it was asked for.
    """

    groups: tuple[GroupVerdict, ...] = ()
    skipped: str = ""
    seconds: float = 0.0
    accelerator: str = ""
    cached: int = 0  # answers (of one kernel to one object) that were known from before
    tried: int = 0  # those that were not
    newest: tuple[Newest, ...] = ()
