# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One host, as the module ``friday.upgrade.node_facts`` reads it: before (survey) and after (verify) in one shape."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PackageChange:
    """A package that the upgrade would change: ``installed`` is empty for a new one, ``candidate`` for a removal."""

    name: str
    installed: str = ""
    candidate: str = ""


@dataclass(frozen=True)
class FileSystem:
    """Room on a mount point, in bytes."""

    mount: str
    size: int
    free: int


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
    """

    hook: str
    device: str
    program: str
    tag: str = ""


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
    candidate_kernel: str = ""  # what the next boot would run after the upgrade; equals kernel when nothing changes
    candidate_package: str = ""
    boot_id: str = ""
    uptime: float = 0.0
    boot_loader: str = ""  # grub, systemd-boot, none
    pending: tuple[PackageChange, ...] = ()
    held: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    reboot_required: bool = False
    package_manager: str = ""
    file_systems: tuple[FileSystem, ...] = ()
    raid: tuple[RaidArray, ...] = ()
    bpf: tuple[BpfAttachment, ...] = ()
    btf: bool = False
    kernel_log: tuple[str, ...] = ()  # suspicious lines since boot, oldest first (oops, BUG, MCE, I/O error, verifier)
    failed_units: tuple[str, ...] = ()
    competing: tuple[str, ...] = ()  # other actors that upgrade or reboot: unattended-upgrades, ...
    reach: tuple[Reach, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
