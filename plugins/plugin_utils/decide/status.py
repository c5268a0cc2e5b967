# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where things stand: what the lock, the record, the journal and the nodes say together, and what to do next."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.history import knows_more
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.lock import at_work, life
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.outcome import FAIL, NOTHING_TO_DO
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import (
    Boot,
    HostStatus,
    Life,
    Lock,
    RunLine,
    Status,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import (
    CORDON,
    REBOOT,
    STEPS,
    UNCORDON,
    UPGRADE,
    HostState,
    Step,
    in_hand,
)

_AGAIN = "rerun the same command"
STANDS = {
    HostState.CORDONED: "is cordoned, and some of its pods may have been evicted",
    HostState.DRAINED: "is cordoned and drained",
    HostState.UPGRADED: "has its new packages, but was not compared with how it was before",
    HostState.REBOOTED: "was rebooted, but was not compared with how it was before",
    HostState.VERIFIED: "was compared and is well; its soak had not ended",
    HostState.SOAKED: "was compared and soaked, and waits to be uncordoned",
}
"""What is true of a host in each state that is under way, when nobody works on it."""


@dataclass(frozen=True)
class Journal:
    """The journal of a run on this controller: its fold, where it is, and what is wrong with it.

    ``record`` is None when it has no events or cannot be trusted.
    """

    record: RunRecord | None
    path: str
    fault: str = ""


def last_run(
    runs: Sequence[str], records: Iterable[RunRecord], lock: Lock | None, now: float
) -> tuple[str, tuple[str, ...]]:
    """The run that says where the hosts are, and notes on those after it. Empty when there is none.

    It is the newest, but for runs that had no host yet when they were refused or died: those tell nothing of the hosts
    that an earlier one has left.

    Args:
        runs: all that there are, the newest first.
        records: those that can be read.
        lock, now: tell which run is still at work.
    """
    holder = at_work(lock, now)
    known = {record.run: record for record in records}
    refused: list[str] = []
    for run in runs:
        record = known.get(run)
        if record is None or record.hosts or run == holder or record.outcome == NOTHING_TO_DO:
            return run, tuple(refused)
        refused.append(f"run {run}, after this one, {_before_its_plan(record)}")
    return (runs[0] if runs else ""), ()


def _before_its_plan(record: RunRecord) -> str:
    if not record.finished:
        return "died before it had a plan"
    return f"{'was not started' if record.outcome == FAIL else 'did not get as far as a plan'}: {record.message}"


def assess(
    where: Status,
    recorded: RunRecord | None,
    journal: Journal | None,
    nodes: Sequence[Node] | None,
    node_names: Mapping[str, str],
) -> Status:
    """Fill in what is known of the run and of its hosts.

    Args:
        where: with the time, the cluster and the lock.
        recorded: the run's record in the cluster; None when there is none, or it cannot be read.
        journal: that of this controller; None when it has none.
        nodes: all nodes as they are now; None when they could not be read (``where.unread`` says why).
        node_names: host -> node, where they are called differently.
    """
    run, source, notes = _newer(recorded, journal)
    if run and recorded and recorded.unlocked:  # whoever breaks a lock from another machine writes there alone
        run = dataclasses.replace(run, unlocked=recorded.unlocked)
    state = life(where.lock, where.time)
    active = bool(run and where.lock and where.lock.run == run.run and state is Life.ALIVE)
    found = {node.name: node for node in nodes or ()}
    hosts: list[HostStatus] = []
    if run:
        moment = _moment(run, where.lock, state)
        for host, known in run.hosts.items():
            name = node_names.get(host) or host
            seen = judge(host, name, known, found.get(name), run.run, moment, active)
            hosts.append(seen if nodes is not None else _unseen(seen, known, moment, active, run.run))
    ours = {host.node for host in hosts}
    cordons = {name: node.cordoned_by for name, node in found.items() if node.cordoned_by and name not in ours}
    return dataclasses.replace(
        where,
        life=state,
        run=run,
        source=source,
        notes=(*where.notes, *notes),
        active=active,
        hosts=tuple(hosts),
        cordons={name: cordons[name] for name in sorted(cordons, key=natural_key)},
    )


def judge(
    host: str,
    name: str,
    known: HostRecord,
    node: Node | None,
    run: str,
    moment: str = "when the run died",
    active: bool = False,
) -> HostStatus:
    """What a host's record and its node as it is now mean together.

    Args:
        name: of the node.
        node: as it is now; None when the cluster has none of that name.
        run: whose record it is.
        moment: since when nothing more is known of it, for a sentence.
        active: the run is at work: what is under way is left to it.
    """
    step = in_hand(known.state, known.step)
    boot = _boot(known, node)
    means, todo = _active(known, step) if active else _stands(host, known, step, boot, node, moment)
    remarks = list(_remarks(name, known, step, boot, node, run, active))
    return HostStatus(
        host=host,
        node=name,
        state=known.state,
        since=known.since,
        step=step.name if step else "",
        step_since=known.step_since if step else 0.0,
        kernel=known.kernel,
        boot_id=known.boot_id,
        seen=node,
        boot=boot,
        means="; ".join([means, *remarks]),
        todo=todo or (f"check {host}: {remarks[0]}" if remarks and not active else ""),
        as_expected=not todo and not remarks,
    )


def earlier(
    runs: Iterable[str], records: Iterable[RunRecord], unreadable: Mapping[str, str], shown: str
) -> tuple[RunLine, ...]:
    """The runs but the one that is ``shown``, in the order of ``runs``."""
    lines = {
        record.run: RunLine(
            run=record.run,
            started=record.started,
            finished=record.finished,
            outcome=record.outcome,
            hosts=len(record.hosts),
            done=sum(host.state is HostState.DONE for host in record.hosts.values()),
        )
        for record in records
    }
    lines.update({run: RunLine(run=run, unreadable=why) for run, why in unreadable.items()})
    return tuple(lines[run] for run in runs if run != shown)


def _newer(recorded: RunRecord | None, journal: Journal | None) -> tuple[RunRecord | None, str, tuple[str, ...]]:
    """The one of record and journal that knows more, which it is, and what is to be said of the two."""
    notes = [f"the journal here: {journal.fault}"] if journal and journal.fault else []
    journaled = journal.record if journal else None
    best = knows_more(recorded, journaled)
    source = "" if best is None else "record" if best is recorded else "journal"
    if recorded is None and journal is not None and journaled is not None:
        notes.append(
            f"the cluster has no readable record of this run; the following is from the journal, {journal.path}"
        )
    elif recorded is not None and journaled is not None:
        notes += _compared(recorded, journaled)
    return best, source, tuple(notes)


def _compared(recorded: RunRecord, journaled: RunRecord) -> Iterator[str]:
    """How the two differ, and which one is believed."""
    here, there = (
        f"the journal here goes to event {journaled.seq}",
        f"the record in the cluster to event {recorded.seq}",
    )
    same = _essence(recorded) == _essence(journaled)
    if journaled.seq < recorded.seq:
        yield f"{here}, {there}: the journal has lost its end, and the following is from the record"
    elif journaled.seq > recorded.seq:
        rest = "what lies between is not kept in the record" if same else "the following is from the journal"
        yield f"{here}, {there}: {rest}"
    elif not same:
        yield f"{here}, and so does the record in the cluster, but they differ: the following is from the journal"


def _essence(record: RunRecord) -> object:
    """What both have to agree on: steps that change nothing are not written to the cluster."""
    recorded = {step.name for step in STEPS if step.recorded}
    hosts = {host: (known.state, known.step if known.step in recorded else "") for host, known in record.hosts.items()}
    return record.wave, record.stop, record.outcome, hosts


def _moment(run: RunRecord, lock: Lock | None, state: Life) -> str:
    if run.finished:
        return "when the run ended"
    unclear = state is Life.UNCLEAR and lock is not None and lock.run == run.run
    return "when this was recorded" if unclear else "when the run died"


def _unseen(seen: HostStatus, known: HostRecord, moment: str, active: bool, run: str) -> HostStatus:
    """Without the cluster's nodes: the record alone. A node stands in that contradicts nothing, and isn't shown."""
    stand_in = Node(
        seen.node,
        ready=True,
        unschedulable=known.state.cordoned,
        cordoned_by=run if known.state.cordoned else "",
    )
    alone = judge(seen.host, seen.node, known, stand_in, run, moment, active)
    return dataclasses.replace(alone, seen=None, as_expected=False)


def _boot(known: HostRecord, node: Node | None) -> Boot:
    if node is None or not known.boot_id or not node.boot_id:
        return Boot.UNKNOWN
    return Boot.SAME if node.boot_id == known.boot_id else Boot.OTHER


def _active(known: HostRecord, step: Step | None) -> tuple[str, str]:
    if known.state.stopped:
        return f"{known.state.value} in step {known.step or 'start'}: {known.message or 'no message'}", ""
    if known.state is HostState.DONE:
        return "done", ""
    if step:
        return f"{step.name} is under way", ""
    return ("waits for its turn" if known.state is HostState.PLANNED else "is being worked on"), ""


def _stands(
    host: str, known: HostRecord, step: Step | None, boot: Boot, node: Node | None, moment: str
) -> tuple[str, str]:
    """What is true of a host on which nobody works, and what to do next."""
    state, message = known.state, known.message or "no message"
    if state is HostState.DONE:
        return "done", ""
    if state is HostState.FAILED:
        if known.halted:
            return f"was halted in step {known.step or 'start'}: {message}", _AGAIN
        return f"failed in step {known.step or 'start'}: {message}", f"fix {host}, then {_AGAIN}"
    if state is HostState.HELD:
        held = f"held in step {known.step or 'start'}, nothing on it was changed: {message}"
        return held, f"clear what blocked {host}, then {_AGAIN}"
    if step is UPGRADE:
        fix = f"check `dpkg --audit` on {host} (`dpkg --configure -a` finishes what was begun), then {_AGAIN}"
        return f"upgrade was under way {moment}: packages may be half installed", fix
    if step is REBOOT:
        return _rebooting(host, boot, node, moment)
    if step is UNCORDON and not state.touched:
        return f"did not get through; nothing on it was changed, and it was being uncordoned {moment}", _AGAIN
    if state is HostState.PLANNED:
        return _planned(known, step, moment)
    if step is UNCORDON:
        return f"was compared and soaked, and was being uncordoned {moment}", _AGAIN
    unchanged = "" if state.touched else f"; nothing on it was changed{_by_this_run(known)}"
    return STANDS[state] + unchanged + (f"; {step.name} was under way {moment}" if step else ""), _AGAIN


def _planned(known: HostRecord, step: Step | None, moment: str) -> tuple[str, str]:
    if not step:
        return f"not touched{_by_this_run(known)}", _AGAIN if known.resumes else ""
    what = "cordoned" if step is CORDON else "checked"
    return f"was being {what} {moment}; nothing on it was changed{_by_this_run(known)}", _AGAIN


def _by_this_run(known: HostRecord) -> str:
    """What an earlier run had done on it is not undone by resuming."""
    return f" by this run; run {known.resumes} had left it unfinished" if known.resumes else ""


def _rebooting(host: str, boot: Boot, node: Node | None, moment: str) -> tuple[str, str]:
    begun = f"reboot was under way {moment}"
    if node is None or node.ready is not True:
        return f"{begun}, and its node does not answer", f"check {host}'s console; once it is back, {_AGAIN}"
    if boot is Boot.OTHER:
        return f"{begun}: it has booted since, runs kernel {node.kernel or '?'}, and was not compared", _AGAIN
    if boot is Boot.SAME:
        return f"{begun} and did not happen: kernel {node.kernel or '?'} still runs, in the same boot", _AGAIN
    return f"{begun}; its boot before that is not recorded, so whether it happened is unknown", _AGAIN


def _remarks(
    name: str, known: HostRecord, step: Step | None, boot: Boot, node: Node | None, run: str, active: bool
) -> Iterator[str]:
    """What the node has to say against the record."""
    away = step is not None and not step.needs_node
    if node is None:
        yield f"the cluster has no node {name}"
        return
    if node.ready is not True and not away:
        yield "its node is not Ready" if node.ready is False else "whether its node is Ready is unknown"
    if boot is Boot.OTHER and not away:
        yield f"it has booted again since that was recorded, and runs kernel {node.kernel or '?'}"
    if not active:
        yield from _cordon_remarks(known, step, node, run)


def _cordon_remarks(known: HostRecord, step: Step | None, node: Node, run: str) -> Iterator[str]:
    by = node.cordoned_by
    if known.state.cordoned:
        if not node.unschedulable:
            yield "its node is no longer cordoned"
        elif not by:
            yield "its node's cordon does not have Friday's mark: it is somebody else's"
        elif by != run:
            yield f"run {by} has cordoned its node"
    elif node.unschedulable and not (by and by == known.resumes):
        # Of a host that was about to be cordoned this is news, of any other a contradiction.
        own = "its node is cordoned by this run" + ("" if step is CORDON else ", which the record does not have")
        yield (
            own if by == run else f"its node is cordoned by run {by}" if by else "its node is cordoned by somebody else"
        )
    elif by and not node.unschedulable:
        yield f"its node has the mark of run {by}, but is not cordoned"
