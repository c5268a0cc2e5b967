# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The validated variables of a Friday, as decide and act want them. Times in seconds, room in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

MIB = 1024**2

_IN_MIB = ("min_free_root", "min_free_boot")
"""Fields that hold bytes, and whose variables are in MiB and say so in their names."""


@dataclass(frozen=True)
class NamedQuorum:
    """Pods of which a number has to be ready at any time: ``labels`` are ``key=value``, and a pod has all of them."""

    name: str
    namespace: str
    labels: tuple[str, ...]
    minimum: int

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod with these labels is one of them."""
        return all(labels.get(key) == value for key, _, value in (label.partition("=") for label in self.labels))


@dataclass(frozen=True)
class Policy:
    """One field for each ``friday_*`` variable that a decision depends on.

    docs/reference/variables.md says what each does.
    """

    canary: str = ""
    only: tuple[str, ...] = ()
    wave_sizes: tuple[str, ...] = ("1", "2", "4", "8")
    max_unavailable: str = "33%"  # of the cluster's nodes
    max_unavailable_per_zone: str = "50%"
    quorums: tuple[NamedQuorum, ...] = ()
    accept_outage: tuple[str, ...] = ()  # names of nodes
    accept_budgets: tuple[str, ...] = ()  # namespace/name
    packages: str = "all"  # all | kernel
    reboot: str = "needed"  # needed | always
    soak: int = 900
    soak_interval: int = 60
    drain_timeout: int = 1800
    package_lock_timeout: int = 300
    upgrade_timeout: int = 3600
    reboot_timeout: int = 1800
    verify_timeout: int = 900
    check_timeout: int = 300
    check_interval: int = 10
    ignore_workloads: tuple[str, ...] = ()  # globs of namespace/name
    accept: tuple[str, ...] = ()  # names of checks
    delete_emptydir_data: bool = False
    evict_unmanaged: bool = False
    accept_kernels: tuple[str, ...] = ()  # releases that may be booted, though not the newest or of another flavour
    accept_removals: tuple[str, ...] = ()  # packages that the upgrade may remove
    accept_downgrades: tuple[str, ...] = ()  # packages that the upgrade may downgrade
    accept_skew: bool = False  # a kubelet outside of what its API server supports
    min_free_root: int = 2 * 1024**3
    min_free_boot: int = 256 * 1024**2
    cluster_domain: str = "cluster.local"
    lease_ttl: int = 120
    keep_runs: int = 20
    replan: bool = False
    rehearsal: str = "require"  # require | accept | skip
    rehearsal_warn_share: int = 70  # percent of the verifier's limit
    rehearsal_warn_growth: int = 2  # times the running kernel's count
    rehearsal_timeout: int = 180
    known_bad_accept: tuple[str, ...] = ()  # references of decide/known_bad.py
    rehearsal_parallel: int = 0  # guests at a time; 0: by processors and memory


def variables(policy: Policy) -> dict[str, Any]:
    """The policy as an operator writes it: the name of each variable with its value, in that variable's unit."""
    written = {}
    for each in fields(policy):
        value = getattr(policy, each.name)
        if each.name in _IN_MIB:
            written[f"friday_{each.name}_mib"] = value // MIB
        else:
            written[f"friday_{each.name}"] = value
    return written
