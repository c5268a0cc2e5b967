# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where things stand, as plain text: the lock, the run, its hosts, other cordons, earlier runs. Times are UTC."""

from __future__ import annotations

from datetime import timezone

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import Boot, HostStatus, Life, Lock, Status
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.console import WIDTH, table
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import clean, duration, plural, stamp, wrap

_LABEL = 11
_EARLIER = 10
_BOOT = {Boot.SAME: "the boot that was recorded", Boot.OTHER: "another boot than recorded", Boot.UNKNOWN: ""}


def status_text(status: Status, width: int = WIDTH) -> str:
    """Everything that is known, in lines of at most ``width`` characters."""
    lines = _field("cluster", [f"{status.server}, namespace {status.namespace}, at {_when(status.time)}"], width)
    lines += _field("lock", _lock(status.lock, status.life, status.time), width)
    lines += _field("run", _run(status), width)
    for note in status.notes:
        lines += _field("note", [note], width)
    if status.unread:
        lines += _field("nodes", [f"could not be read, so this is the record alone: {status.unread}"], width)
    if status.hosts:
        rows = [_host_row(host, status) for host in status.hosts]
        lines += ["", *table(("host", "recorded", "its node now", "what that means"), rows, width)]
    lines += _todo(status, width)
    if status.cordons:
        rows = [(node, f"run {run}") for node, run in status.cordons.items()]
        lines += ["", "Friday's cordons on other nodes:", *table(("node", "cordoned by"), rows, width)]
    lines += _earlier_lines(status, width)
    return "\n".join(lines)


def unlock_text(lock: Lock, now: float, reason: str, done: bool, width: int = WIDTH) -> str:
    """That a lock is broken, or (``done`` false) would be."""
    what = "is broken" if done else "would be broken (nothing was changed)"
    lines = _field("lock", [f"of run {lock.run} of {lock.who} {what}: {reason}"], width)
    since = f"held since {_when(lock.started)} ({_age(now - lock.started)}), " if lock.started else ""
    return "\n".join([*lines, *_hang(" " * _LABEL, f"{since}renewed {_age(now - lock.renewed)}", width)])


def still_alive(lock: Lock, life: Life, now: float) -> str:
    """A warning to whoever breaks a lock whose holder is not known to be dead; empty when there is nothing to warn of.

    What becomes of the holder: its keeper sees at its next renewal, each third of the time to live, what has happened.
    """
    if life not in (Life.ALIVE, Life.UNCLEAR):
        return ""
    seems = (
        f"THE HOLDER SEEMS TO BE ALIVE, it renewed the lock {_age(now - lock.renewed)}"
        if life is Life.ALIVE
        else "THE HOLDER MAY BE ALIVE, the clocks differ too much to tell"
    )
    return (
        f"{seems}: run {lock.run} of {lock.who}. Its keeper notices within {lock.ttl // 3} s that the lease is lost; "
        "it then starts no further step, but finishes the one it is running. Start no other run before that process "
        "has ended."
    )


def _lock(lock: Lock | None, life: Life, now: float) -> list[str]:
    if lock is None:
        return ["free"]
    since = f", since {_when(lock.started)} ({_age(now - lock.started)})" if lock.started else ""
    lines = [f"held by run {lock.run or '?'} of {lock.who}{since}"]
    renewed, ttl = _age(now - lock.renewed), f"{lock.ttl} s"
    if life is Life.ALIVE:
        lines.append(
            f"alive: renewed {renewed}, good for {ttl}; unless renewed it expires at {_when(lock.renewed + lock.ttl)}"
        )
    elif life is Life.ABANDONED:
        if lock.gone:
            lines.append(f"abandoned: renewed {renewed}, and its process on this machine has ended")
            return [*lines, f"the next run watches it for {lock.ttl // 3} s, then takes it over"]
        lines.append(f"looks abandoned: renewed {renewed}, and expired at {_when(lock.renewed + lock.ttl)}")
        lines.append(f"a new run watches it for {ttl}, then takes it over; friday.upgrade.unlock breaks it at once")
    else:
        lines.append(f"renewed at {_when(lock.renewed)}, which is in the future: the clocks of the machines differ")
        lines.append("one check cannot tell whether it is alive: run this again, and see whether that time changes")
    return lines


def _run(status: Status) -> list[str]:
    run = status.run
    if run is None:
        return ["none is recorded"]
    lines = [f"{run.run}{' of ' + run.holder if run.holder else ''}"]
    lines.append(
        f"started {_when(run.started) if run.started else 'at a time that is not recorded'}, {_end(status, run)}"
    )
    if run.outcome:
        lines.append(f"{run.outcome.upper()}: {run.message}" if run.message else run.outcome.upper())
    if run.stop:
        lines.append(f"stopped: {run.stop}")
    if run.unlocked:
        lines.append(f"its lock was broken {run.unlocked}")
    wave = f"wave {run.wave}" if run.wave else "no wave was started"
    lines.append(f"{wave}; {plural(len(status.hosts), 'host')}; from the {_source(status)} (event {run.seq})")
    return lines


def _end(status: Status, run: RunRecord) -> str:
    if run.finished:
        return f"ended {_when(run.finished)} ({_age(status.time - run.finished)})"
    return "running now" if status.active else "did not finish cleanly"


def _source(status: Status) -> str:
    return "journal on this controller" if status.source == "journal" else "record in the cluster"


def _host_row(host: HostStatus, status: Status) -> tuple[str, ...]:
    recorded = [host.state.value, _when(host.since)]
    if host.step:
        recorded.append(f"{host.step} begun" + (f"\n{_when(host.step_since)}" if host.step_since else ""))
    name = host.host if host.node == host.host else f"{host.host}\n({host.node})"
    return name, "\n".join(recorded), _node(host.seen, host.boot, status), host.means


def _node(node: Node | None, boot: Boot, status: Status) -> str:
    if node is None:
        return "not read" if status.unread else "there is none"
    ready = {True: "Ready", False: "not Ready", None: "Ready unknown"}[node.ready]
    lines = [f"{ready}, {'cordoned' if node.unschedulable else 'not cordoned'}"]
    if node.cordoned_by:
        lines.append("by this run" if status.run and node.cordoned_by == status.run.run else f"by {node.cordoned_by}")
    elif node.unschedulable:
        lines.append("not by Friday")
    return "\n".join(line for line in (*lines, node.kernel, _BOOT[boot]) if line)


def _todo(status: Status, width: int) -> list[str]:
    todo: dict[str, list[str]] = {}
    for host in status.hosts:
        if host.todo:
            todo.setdefault(host.todo, []).append(host.host)
    if not todo:
        return []
    lines = ["", "What to do next"]
    for number, (text, hosts) in enumerate(todo.items(), start=1):
        lines += _hang(f"{number:>3}. ", f"{', '.join(hosts)}: {text}", width)
    return lines


def _earlier_lines(status: Status, width: int) -> list[str]:
    if not status.earlier:
        return []
    rows = []
    for line in status.earlier[:_EARLIER]:
        outcome = line.unreadable or line.outcome or "did not finish cleanly"
        rows.append((line.run, _when(line.started) or "?", f"{line.done} of {line.hosts} done", outcome))
    lines = ["", "Other runs, the newest first:", *table(("run", "started", "hosts", "outcome"), rows, width)]
    more = len(status.earlier) - _EARLIER
    return [*lines, f"and {more} more"] if more > 0 else lines


def _field(name: str, texts: list[str], width: int) -> list[str]:
    lines: list[str] = []
    for text in texts:
        lines += _hang(("" if lines else name).ljust(_LABEL), text, width)
    return lines


def _hang(first: str, text: str, width: int) -> list[str]:
    """``text`` behind ``first``, wrapped, further lines under its beginning."""
    lines = wrap(clean(text), max(20, width - len(first)))
    return [(first if not i else " " * len(first)) + line for i, line in enumerate(lines)]


def _when(time: float) -> str:
    return f"{stamp(time, timezone.utc)} UTC" if time else ""


def _age(seconds: float) -> str:
    """How long ago, ``3m12s ago``; of more than two days the days."""
    return f"{seconds // 86400:.0f} days ago" if seconds >= 2 * 86400 else f"{duration(seconds)} ago"
