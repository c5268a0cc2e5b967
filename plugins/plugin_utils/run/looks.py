# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the cluster: read once for all hosts that look at the same time, and kept once for all of them.

The hosts of a wave look side by side, each in a process of its own, and a cluster of 5,000 nodes is 40 MB of JSON. Who
comes first reads it; who came before the reading began takes what was read. The file is linked to where it is needed
(link(2) costs no room), so that a host's before outlives the looks after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    AgentStatus,
    Observation,
    Snapshot,
    unreadable,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now, steady
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import HOSTS, RunFiles

SEEN, BEFORE, EARLIER = "seen", "before", "earlier"
"""A host's looks: the last one; how this run found it; how the first run found it that did not get it through."""

_FOLDER = "looks"
_NEWEST = "newest.json"
_CLUSTER = "cluster.json"


@dataclass(frozen=True)
class _Newest:
    """The look that was made last: when it was begun, and why it gave nothing (empty: it did)."""

    began: float
    problem: Problem | None = None


@dataclass(frozen=True)
class _Host:
    """A look at one host, but for the cluster: its node's agent, and the answers of the hosts that were asked."""

    agents: tuple[AgentStatus, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
    facts: dict[str, HostFacts] = field(default_factory=dict)


def look(files: RunFiles, api: Any, host: str = "") -> Snapshot:
    """The cluster as it was read after this call began, by this process or another one of the run.

    Args:
        host: whose last look it is to be: the very reading is linked to its folder before anybody can read again.

    Raises:
        KubeError: the API server did not answer whoever asked it.
    """
    asked = steady()
    with _turn(files):
        snapshot = _shared(files, api, asked)
        if host:
            _link(files.path(_FOLDER, _CLUSTER), files.path(HOSTS, host, _cluster(SEEN)))
        return snapshot


def keep_seen(files: RunFiles, host: str, snapshot: Snapshot, answered: bool = True) -> None:
    """Keep what was seen as the host's last look: that of :func:`look` for it, with the answer of its agent.

    Args:
        answered: false when the API server did not answer: all that is known then is that nothing is.
    """
    if not answered:
        files.save(snapshot, HOSTS, host, _cluster(SEEN))
    files.save(_Host(snapshot.agents, snapshot.unknown), HOSTS, host, _name(SEEN))


def keep(files: RunFiles, host: str, name: str, seen: Observation, cluster: Path) -> None:
    """Keep a look at a host under a name of its own. ``cluster`` is the file that has its cluster already."""
    _link(cluster, files.path(HOSTS, host, _cluster(name)))
    files.save(_Host(seen.snapshot.agents, seen.snapshot.unknown, seen.facts), HOSTS, host, _name(name))


def load(files: RunFiles, host: str, name: str) -> Observation | None:
    """A look at a host; None when there is none of that name. Raises ValueError when its files are torn."""
    kept = files.load(_Host, HOSTS, host, _name(name))
    cluster = files.load(Snapshot, HOSTS, host, _cluster(name))
    if kept is None or cluster is None:
        return None
    # What the cluster's own file lacks is unknown in any case.
    return Observation(replace(cluster, agents=kept.agents, unknown={**cluster.unknown, **kept.unknown}), kept.facts)


def cluster_file(files: RunFiles, host: str, name: str) -> Path:
    """The file that has the cluster of a host's look."""
    return files.path(HOSTS, host, _cluster(name))


def unanswered(error: KubeError) -> Snapshot:
    """A look without evidence, which the rounds weigh like any other."""
    return unreadable(now(), error.problem.line())


def _shared(files: RunFiles, api: Any, asked: float) -> Snapshot:
    newest = files.load(_Newest, _FOLDER, _NEWEST)
    if newest is None or newest.began < asked:
        return _read(files, api)
    if newest.problem:
        raise KubeError(newest.problem)
    return files.load(Snapshot, _FOLDER, _CLUSTER) or _read(files, api)


def _read(files: RunFiles, api: Any) -> Snapshot:
    began = steady()
    try:
        snapshot = read_snapshot(api)
    except KubeError as error:  # those that wait do not all wait for the same time-out
        files.save(_Newest(began, error.problem), _FOLDER, _NEWEST)
        raise
    files.save(snapshot, _FOLDER, _CLUSTER)
    files.save(_Newest(began), _FOLDER, _NEWEST)
    return snapshot


@contextlib.contextmanager
def _turn(files: RunFiles) -> Iterator[None]:
    """One process of the run at a time; flock(2) of one that is killed is free."""
    descriptor = os.open(files.path(_FOLDER, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _link(source: Path, target: Path) -> None:
    """Another name for a file, in place of what had that name; a copy where there are no links."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError:
        shutil.copyfile(source, draft)
    draft.replace(target)
    draft.unlink(missing_ok=True)  # rename(2) does nothing when both are the same file


def _name(name: str) -> str:
    return f"{name}.json"


def _cluster(name: str) -> str:
    return f"{name}-cluster.json"
