# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One host, as the module ``friday.upgrade.node_facts`` reads it: before (survey) and after (verify) in one shape."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class PackageKind(str, enum.Enum):
    """What a package is to Friday. The package manager's class on the node says so: names are its business."""

    KERNEL = "kernel"  # a kernel's image, its modules, or the metapackage that pulls it in
    HEADERS = "headers"  # what modules for a kernel are built with
    OTHER = "other"

    @property
    def of_kernel(self) -> bool:
        """True for what ``friday_packages: kernel`` upgrades."""
        return self is not PackageKind.OTHER


@dataclass(frozen=True)
class PackageChange:
    """A package that the upgrade would change: ``installed`` is empty for a new one, ``candidate`` for a removal.

    The kind has no default: a package of which it is not known must not pass for an ordinary one.

    Attributes:
        downgrade: the candidate is older than what is installed.
        initramfs: it makes an initramfs anew; None where that is not known.
        role: what it is to a node that lives by it (``kubelet``, ``container runtime``, ``ssh``); empty for others.
    """

    name: str
    installed: str = ""
    candidate: str = ""
    kind: PackageKind = field(kw_only=True)
    downgrade: bool = False
    initramfs: bool | None = field(default=None, compare=False)
    role: str = field(default="", compare=False)

    def line(self) -> str:
        """The change as it is told: ``kubelet 1.34.1-1.1 -> 1.34.2-1.1``."""
        if not self.candidate:
            return f"{self.name} {self.installed} is removed"
        return f"{self.name} {self.installed or '(new)'} -> {self.candidate}"


@dataclass(frozen=True)
class KeptBack:
    """A package of which a newer version is available that the upgrade does not install, and why."""

    name: str
    reason: str

    def line(self) -> str:
        """As it is told: ``mdadm (on hold)``."""
        return f"{self.name} ({self.reason})"


@dataclass(frozen=True)
class Package:
    """A package by its name."""

    name: str
    kind: PackageKind


@dataclass(frozen=True)
class Kernel:
    """A kernel that the host can boot, or could after the upgrade.

    Attributes:
        release: as ``uname -r`` prints it.
        package: the one that brings its image, or has brought it; empty for a kernel of one's own.
        installed: its image is in /boot, or it is the running one.
        image: path of its image on the host; empty when it is not there.
        arriving: the upgrade brings it, or another build of it.
        leaving: the upgrade removes it.
        packages: those that arrive with its image and its modules (name, version), the image's first.
        headers: whether its headers arrive with it; None when it does not arrive.
    """

    release: str
    package: str = ""
    installed: bool = False
    image: str = ""
    arriving: bool = False
    leaving: bool = False
    packages: tuple[tuple[str, str], ...] = ()
    headers: bool | None = None


@dataclass(frozen=True)
class Remedies:
    """Commands of the host's package manager, as an operator types them. Empty: it has none, or is not known.

    ``install``, ``remove``, ``hold`` and ``unhold`` are followed by names of packages.
    """

    repair: str = ""  # completes what is half installed
    check: str = ""  # lists what is half installed
    free_space: str = ""
    install: str = ""
    remove: str = ""
    hold: str = ""
    unhold: str = ""


@dataclass(frozen=True)
class FileSystem:
    """Room on a mount point, in bytes and in inodes (``inodes`` is 0 where their number is not limited)."""

    mount: str
    size: int
    free: int
    inodes: int = 0
    free_inodes: int = 0


@dataclass(frozen=True)
class RaidArray:
    """One array of /proc/mdstat.

    ``wanted`` and ``active`` count members; ``syncing`` is true during resync or recovery.
    """

    name: str
    state: str
    wanted: int
    active: int
    syncing: bool = False


@dataclass(frozen=True)
class BpfAttachment:
    """A BPF program where it is attached.

    Attributes:
        hook: ``tc/ingress``, ``tc/egress``, ``tcx/ingress``, ``xdp``, ``cgroup/connect4``, ...
        device: network device, or cgroup path; empty where the hook has none.
        program: name of the program without what is the device's own (``cil_from_container``).
        tag: the kernel's hash of the code; says nothing of its configuration.
        into_netns: the device's other end is in another network namespace, as a pod's is; None: not known.
    """

    hook: str
    device: str
    program: str
    tag: str = ""
    into_netns: bool | None = None


@dataclass(frozen=True)
class Reach:
    """One probe from this host: ``kind`` is tcp, ping, http or dns; ``error`` is empty when it worked.

    ``name`` says what the target stands for (``pods of node2``) and is what before and after are compared by: addresses
    of pods change over a reboot. Where it is empty, the target is its own name.
    """

    kind: str
    target: str
    ok: bool
    error: str = ""
    seconds: float = 0.0
    name: str = ""


@dataclass(frozen=True)
class HostFacts:
    """Everything that Friday knows of one host from one round trip.

    ``unknown`` maps the name of a field that could not be read to the reason; such a field holds its empty value,
    which then means nothing. Times in seconds, sizes in bytes.
    """

    host: str  # name in the inventory
    distribution: str = ""  # ID of os-release: debian, ubuntu
    distribution_version: str = ""
    architecture: str = ""
    kernel: str = ""  # uname -r
    kernel_version: str = ""  # uname -v
    kernels: tuple[Kernel, ...] = ()  # that it can boot now or after the upgrade; decide/candidate.py chooses
    boot_id: str = ""
    uptime: float = 0.0
    boot_loader: str = ""  # grub, systemd-boot, none
    boot_next: str = ""  # release that its boot loader starts once the upgrade is done, by the loader's own rules
    boot_default: str = ""  # why that is not the newest kernel, or not known; empty: it is the newest
    boot_fix: str = ""  # what makes it the newest
    pending: tuple[PackageChange, ...] = ()
    kept_back: tuple[KeptBack, ...] = ()
    unavailable: tuple[str, ...] = ()  # pending packages whose files their source does not have, with what was seen
    kernel_metapackages: tuple[str, ...] | None = None  # that bring new kernels of its flavour; None: not known
    held: tuple[Package, ...] = ()
    broken: tuple[str, ...] = ()
    reboot_required: bool = False
    package_manager: str = ""
    remedies: Remedies = field(default_factory=Remedies)
    file_systems: tuple[FileSystem, ...] = ()
    initramfs: int = 0  # size in bytes of the largest in /boot; 0: there is none, or it is not known
    raid: tuple[RaidArray, ...] = ()
    bpf: tuple[BpfAttachment, ...] = ()
    btf: bool = False
    kernel_log: tuple[str, ...] = ()  # suspicious lines since boot, oldest first (oops, BUG, MCE, I/O error, verifier)
    failed_units: tuple[str, ...] = ()
    competing: tuple[str, ...] = ()  # other actors that upgrade or reboot: unattended-upgrades, ...
    reach: tuple[Reach, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
