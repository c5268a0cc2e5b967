# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Events, and the run record that is their fold. The journal is the truth; everything else comes from :func:`fold`."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState


class EventKind(str, enum.Enum):
    """Kinds of events. ``step`` and ``note`` tell; all others change the record."""

    RUN_STARTED = "run-started"  # data: holder, version, check
    # data: plan_digest, hosts (in order), waves, policy, inventory, members, and by host: kernels, packages, resumes
    RUN_PLANNED = "run-planned"
    WAVE_STARTED = "wave-started"  # data: wave
    STEP = "step"  # a step on a host begins; data: step
    STATE = "state"  # a host has reached a state; data: state, kernel, boot_id
    FAILURE = "failure"  # a host failed or is held; data: state, step, message, halted (the run was, not the host)
    STOP = "stop"  # later waves will not start; data: reason
    NOTE = "note"  # data: message
    RUN_FINISHED = "run-finished"  # data: outcome, message, closed_by (the run that says so of a dead one)
    LOCK_BROKEN = (
        "lock-broken"  # somebody takes the lock away from the run; data: by, reason (empty: it was not, after all)
    )


@dataclass(frozen=True)
class Event:
    """One line of the journal. ``time`` in seconds since the epoch, ``seq`` counts from 1 without gaps."""

    seq: int
    time: float
    run: str
    kind: EventKind
    host: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HostRecord:
    """State of one host in a run, with when it was reached and what is known of it.

    ``step`` was begun last, at ``step_since`` (0: not recorded); ``kernel`` and ``boot_id`` are those seen last.
    ``target_kernel`` and ``packages`` (a digest) are what was planned for it; empty where that was not recorded.
    ``resumes`` is the run that had left it in the middle before; empty when none had. ``owed``: that run, or one before
    it, had still to reboot the host, and the run itself has not yet.
    """

    state: HostState
    since: float
    step: str = ""
    kernel: str = ""
    boot_id: str = ""
    message: str = ""
    step_since: float = 0.0
    rebooted: bool = False  # by the run
    halted: bool = False  # failed or held because the run was halted: nothing is wrong with the host
    target_kernel: str = ""
    packages: str = ""  # see decide/resume.py
    resumes: str = ""
    owed: bool = False


@dataclass(frozen=True)
class RunRecord:
    """The fold of a run's events: what is stored in the cluster and what the report is written from."""

    run: str
    started: float = 0.0
    finished: float = 0.0
    holder: str = ""
    plan_digest: str = ""
    policy: dict[str, Any] = field(default_factory=dict)  # variables that were not the defaults
    inventory: str = ""  # digest of its hosts, see decide/resume.py
    members: dict[str, str] = field(default_factory=dict)  # its hosts, with node and zone of those that took part
    wave: int = 0
    stop: str = ""  # reason why later waves don't start; empty while all is well
    outcome: str = ""  # pass, fail, inconclusive, nothing-to-do; empty while it runs
    message: str = ""
    seq: int = 0
    hosts: dict[str, HostRecord] = field(default_factory=dict)
    unlocked: str = ""  # when, by whom and why its lock was broken; empty when it was not
    closed_by: str = ""  # the run that has closed it; empty when it has said itself that it ended


def fold(events: Iterable[Event], record: RunRecord | None = None) -> RunRecord:
    """Reduce events (in order) to the record, from ``record`` on if given.

    Events that the record has seen already are skipped. Raises ``ValueError`` when there is neither event nor record.
    """
    for event in events:
        if record is None:
            record = RunRecord(run=event.run)
        if event.seq > record.seq:
            record = dataclasses.replace(_apply(record, event), seq=event.seq)
    if record is None:
        raise ValueError("no events and no record: there is nothing to fold")
    return record


def _apply(record: RunRecord, event: Event) -> RunRecord:
    data, kind = event.data, event.kind
    if kind is EventKind.RUN_STARTED:
        return dataclasses.replace(record, started=event.time, holder=str(data.get("holder", "")))
    if kind is EventKind.RUN_PLANNED:
        digest = str(data.get("plan_digest", ""))
        kernels, packages, resumes = (data.get(key) or {} for key in ("kernels", "packages", "resumes"))
        owed = data.get("owed") or ()
        hosts = {
            str(host): HostRecord(
                HostState.PLANNED,
                event.time,
                target_kernel=str(kernels.get(host, "")),
                packages=str(packages.get(host, "")),
                resumes=str(resumes.get(host, "")),
                owed=host in owed,
            )
            for host in data.get("hosts", ())
        }
        return dataclasses.replace(
            record,
            plan_digest=digest,
            policy=dict(data.get("policy") or {}),
            inventory=str(data.get("inventory", "")),
            members=dict(data.get("members") or {}),
            hosts={**record.hosts, **hosts},
        )
    if kind is EventKind.WAVE_STARTED:
        return dataclasses.replace(record, wave=int(data["wave"]))
    if kind is EventKind.STOP:
        return dataclasses.replace(record, stop=record.stop or str(data.get("reason", "")))
    if kind is EventKind.RUN_FINISHED:
        return dataclasses.replace(
            record,
            finished=event.time,
            outcome=str(data.get("outcome", "")),
            message=str(data.get("message", "")),
            closed_by=str(data.get("closed_by", "")),
        )
    if kind is EventKind.LOCK_BROKEN:
        when = datetime.fromtimestamp(event.time, timezone.utc)
        reason = str(data.get("reason", ""))
        unlocked = f"{when:%Y-%m-%d %H:%M:%S} UTC by {data.get('by', '?')}: {reason}"
        return dataclasses.replace(record, unlocked=unlocked if reason else "")
    if event.host and kind in (EventKind.STEP, EventKind.STATE, EventKind.FAILURE):
        old = record.hosts.get(event.host, HostRecord(HostState.PLANNED, event.time))
        return dataclasses.replace(record, hosts={**record.hosts, event.host: _apply_to_host(old, event)})
    return record


def _apply_to_host(old: HostRecord, event: Event) -> HostRecord:
    data = event.data
    if event.kind is EventKind.STEP:
        return dataclasses.replace(old, step=str(data.get("step", "")), step_since=event.time)
    state = HostState(data["state"])
    return dataclasses.replace(
        old,
        state=state,
        since=event.time,
        step=str(data.get("step", old.step)),
        kernel=str(data.get("kernel", "")) or old.kernel,
        boot_id=str(data.get("boot_id", "")) or old.boot_id,
        message=str(data.get("message", "")),
        rebooted=old.rebooted or state is HostState.REBOOTED,
        owed=old.owed and state is not HostState.REBOOTED,
        halted=bool(data.get("halted", False)),
    )
