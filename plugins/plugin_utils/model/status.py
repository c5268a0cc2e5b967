# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where things stand: the lock, a run, and each of its hosts as it was recorded and as it is now."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState

CLOCK_SKEW = 5.0
"""Seconds by which two machines' clocks may differ without a remark."""


class Life(str, enum.Enum):
    """What can be told of a lock by one look at it."""

    FREE = "free"
    ALIVE = "alive"  # renewed within its time to live
    ABANDONED = "abandoned"  # not renewed for longer than that, by the clocks of both machines
    UNCLEAR = "unclear"  # renewed in the future: the clocks differ


@dataclass(frozen=True)
class Lock:
    """Who holds the lock. Times in seconds since the epoch, by the holder's clock; ``ttl`` in seconds.

    ``identity`` is what the Lease says; ``user``, ``host`` and ``pid`` are empty when it was not Friday who wrote it.
    ``gone``: its process ran on this very machine, and has ended.
    """

    identity: str
    run: str = ""
    user: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0
    renewed: float = 0.0
    ttl: int = 0
    gone: bool = False

    @property
    def who(self) -> str:
        """The holder in words, without its run."""
        return f"{self.user}@{self.host}, process {self.pid}" if self.user else self.identity

    def life(self, now: float) -> Life:
        """What one look at the lock tells. ``now`` in seconds since the epoch, by our clock."""
        if self.gone:
            return Life.ABANDONED
        if self.renewed > now + CLOCK_SKEW:
            return Life.UNCLEAR
        return Life.ALIVE if now < self.renewed + self.ttl else Life.ABANDONED

    def may_live(self, now: float) -> bool:
        """Whether its holder may trust the lock still, on the safe side: its times are in whole seconds."""
        return not self.gone and abs(now - self.renewed) < self.ttl + CLOCK_SKEW


class Boot(str, enum.Enum):
    """Whether a node still runs the boot that was recorded last."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"  # one of the two is not known


@dataclass(frozen=True)
class HostStatus:
    """One host of a run: what was recorded, what the cluster says of its node now, and what that means.

    Attributes:
        node: name of its node; ``seen`` is that node now, None when it isn't in the cluster or could not be read.
        step: the step that was begun and is not known to have ended; empty when there is none.
        step_since: when it was begun, in seconds since the epoch; 0 when that is not recorded.
        kernel, boot_id: what was recorded last; empty when nothing was.
        means: what is true of the host, for a person.
        todo: what to do about it; empty when nothing is to be done.
        as_expected: the host is done, untouched or held, and its node is as that has it.
    """

    host: str
    node: str
    state: HostState
    since: float
    step: str = ""
    step_since: float = 0.0
    kernel: str = ""
    boot_id: str = ""
    seen: Node | None = None
    boot: Boot = Boot.UNKNOWN
    means: str = ""
    todo: str = ""
    as_expected: bool = True


@dataclass(frozen=True)
class RunLine:
    """An earlier run in one line. ``done`` of ``hosts`` hosts are done; ``unreadable`` says why nothing is known."""

    run: str
    started: float = 0.0
    finished: float = 0.0
    outcome: str = ""
    hosts: int = 0
    done: int = 0
    unreadable: str = ""


@dataclass(frozen=True)
class Status:
    """Everything that friday.upgrade.status tells. ``time`` in seconds since the epoch, by this controller's clock.

    Attributes:
        lock: None when it is free.
        run: the last run, or the one that was asked for; None when there is none.
        source: where that comes from, ``record`` (the cluster's) or ``journal`` (this controller's).
        notes: what is wrong with either, or how they differ.
        active: the run holds the lock, and the lock is alive.
        hosts: its hosts, in the order of the plan.
        cordons: node -> run, for Friday's cordons on nodes that are none of its hosts'.
        earlier: the other runs, the newest first.
        unread: why the cluster's nodes could not be read; empty when they were.
    """

    time: float
    server: str
    namespace: str
    lock: Lock | None = None
    life: Life = Life.FREE
    run: RunRecord | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    active: bool = False
    hosts: tuple[HostStatus, ...] = ()
    cordons: dict[str, str] = field(default_factory=dict)
    earlier: tuple[RunLine, ...] = ()
    unread: str = ""
