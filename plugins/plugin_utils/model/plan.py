# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Friday will do, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import PackageChange, Remedies


@dataclass(frozen=True)
class Target:
    """A host of the inventory: its name there, its node's name in the cluster, its zone (empty: the node's label)."""

    host: str
    node: str
    zone: str = ""


@dataclass(frozen=True)
class PlannedHost:
    """One host's part in the plan.

    ``evictions`` are ``namespace/pod`` that the drain will evict, ``blockers`` what would hold it up today (a PDB that
    allows nothing, with its pod); ``seconds`` is the estimate for the host, without the soak; ``remedies`` are commands
    of its package manager. ``notes`` tell what drain and reboot mean for what runs there, and ``outage`` what is
    down all the while, since it can run nowhere else.
    """

    host: str
    node: str
    zone: str
    reason: str
    kernel: str
    target_kernel: str
    reboot: bool
    packages: tuple[PackageChange, ...] = ()
    evictions: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    seconds: int = 0
    uid: str = ""  # of the Node object
    notes: tuple[str, ...] = ()
    outage: tuple[str, ...] = ()
    remedies: Remedies = field(default_factory=Remedies)
    kept_back: tuple[str, ...] = ()  # packages that stay although there is a newer version, each with the reason


@dataclass(frozen=True)
class Wave:
    """Hosts that are worked on at the same time, all of one zone. ``number`` counts from 1; the canary is wave 1."""

    number: int
    name: str  # canary, zone-a 1/2, ...
    zone: str
    reason: str
    hosts: tuple[PlannedHost, ...]


@dataclass(frozen=True)
class SkippedHost:
    """A host of the inventory that this run will not touch, and why.

    It is up to date, not in ``friday_only``, or done already.
    """

    host: str
    node: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Waves in order.

    ``seconds`` is the estimate for all of it, soaks included; ``digest`` identifies what was planned.
    """

    waves: tuple[Wave, ...]
    skipped: tuple[SkippedHost, ...] = ()
    seconds: int = 0
    digest: str = ""

    def hosts(self) -> tuple[PlannedHost, ...]:
        """Every planned host, in order."""
        return tuple(host for wave in self.waves for host in wave.hosts)

    def outline(self) -> Plan:
        """The plan without its reasons and lists: who is in which wave, and what is to run there."""

        def short(host: PlannedHost) -> PlannedHost:
            return replace(
                host,
                reason="",
                packages=(),
                evictions=(),
                blockers=(),
                notes=(),
                outage=(),
                remedies=Remedies(),
                kept_back=(),
            )

        waves = (replace(wave, hosts=tuple(map(short, wave.hosts))) for wave in self.waves)
        return replace(self, waves=tuple(waves), skipped=())
