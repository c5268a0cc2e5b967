# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock: one Friday at a time for a cluster, held in a Lease (coordination.k8s.io/v1) with a time to live.

No clock but one's own is trusted. A lease is dead when it was *seen* unchanged for its whole time to live, by the
monotonic clock of whoever looks; ``renewTime``, which another machine's clock has written, only spares the waiting
where it says that the lease is plainly alive. So the holder may trust it until a time to live after the last renewal
that it *began*, whatever the clocks say.

A dead run whose process ran on this very machine is known to be dead (``lock/process.py``): there one renewal's time is
watched in place of the whole time to live. The holder's clock goes on while its machine sleeps, see ``lock/keeper.py``.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError, KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock.process import surely_gone
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import CLOCK_SKEW, Life, Lock

NAME = "friday"
RUN_ANNOTATION = "friday.upgrade/run"
STARTED_ANNOTATION = "friday.upgrade/started"
PROCESS_ANNOTATION = "friday.upgrade/process"
TTL = 60
"""Seconds without a renewal after which the lease is dead. Also what a run waits for that finds a dead one."""

_LABELS = {"app.kubernetes.io/managed-by": "friday"}
_BREAKS = 5  # attempts to break a lease that its holder renews at the same time
_SLACK = 2.0  # seconds that a renewal may be late
_LOOKS = 10  # at a lease that may be dead, while its time to live goes by


@dataclass(frozen=True)
class Lease:
    """A lease that we hold. ``resource_version`` is that of our last renewal: any other writer changes it.

    ``uid`` is that of the object: the API server makes a lease anew that is written to and isn't there (it allows that
    for leases), but not under another uid.
    """

    namespace: str
    holder: str
    run: str
    ttl: int
    uid: str
    resource_version: str
    started: float
    process: str = ""  # of the run, see lock/process.py
    written: float = 0.0  # our last renewal, by the API server's clock; 0: not told


@dataclass(frozen=True)
class Holder:
    """Who holds the lease. Times in seconds since the epoch, by the holder's clock (see :func:`current`).

    ``identity`` is ``user@host:pid:run``; the parts are empty when somebody else than Friday has written it.
    """

    identity: str
    user: str
    host: str
    pid: int
    run: str
    started: float
    renewed: float
    ttl: int
    process: str = ""

    def lock(self) -> Lock:
        """The holder, for who judges and tells of it."""
        told = {name: value for name, value in vars(self).items() if name != "process"}
        return Lock(**told, gone=bool(self.process) and surely_gone(self.process))

    def line(self, now: float) -> str:
        """The holder in one sentence; ``now`` in seconds since the epoch."""
        who = f"{self.user}@{self.host}, process {self.pid}" if self.user else self.identity
        since = f", started {_utc(self.started)} ({_span(now - self.started)} ago)" if self.started else ""
        return f"run {self.run or '?'} of {who}{since}, renewed {_span(now - self.renewed)} ago"


class LeaseHeld(KubeError):
    """Another Friday holds the lease, and lives. ``holder`` says who; ``namespace`` is told when it is not ours."""

    def __init__(self, holder: Holder, now: float, namespace: str = "") -> None:
        where = f", with its lock in namespace {namespace}" if namespace else ""
        message = f"another Friday is running on this cluster{where}: {holder.line(now)}"
        advice = "wait until it has ended (a killed one's lock expires by itself); friday.upgrade.status shows it"
        super().__init__(Problem("lock", message, advice))
        self.holder = holder


class NotBroken(KubeError):
    """The lease could not be broken: it isn't held by the run any more."""

    def __init__(self, message: str) -> None:
        super().__init__(Problem("lock", message, "nothing was broken; run friday.upgrade.status"))


class LeaseLost(KubeError):
    """The lease isn't ours any more."""

    def __init__(self, message: str) -> None:
        super().__init__(Problem("lock", message, "check who holds the Lease, then run Friday again"))


def take(
    api: Api,
    namespace: str,
    holder: str,
    run: str,
    ttl: int = TTL,
    process: str = "",
    *,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] | None = None,
) -> Lease:
    """Take the lease for ``run`` of ``holder``, who is ``user@host:pid``. Makes the namespace if it is missing.

    A lease that may be dead is watched for its time to live first; ``tell`` is then given a line. ``ttl`` in seconds;
    ``process`` is the run's own (``process.identity``).

    Raises:
        LeaseHeld: somebody else's run lives, or came first.
        ApiError: the API server refuses or doesn't answer.
    """
    holder = f"{holder}:{run}"
    found = _get(api, namespace)
    if found is None:
        _make_namespace(api, namespace)
        return _create(api, namespace, holder, run, ttl, process, clock)
    owner = _holder(found)
    if owner.identity not in ("", holder):
        found = _watch(api, namespace, found, clock, monotonic, sleep, tell)
    return _write(api, namespace, found, holder, run, ttl, process, clock)


def check_alone(api: Api, lease: Lease, *, since: float = 0.0, clock: Callable[[], float] = time.time) -> None:
    """See that no run with another namespace is at work on the cluster: its lock is not the one that we have taken.

    Of two that come at the same time each has its lock by now, so that one of them at least sees the other. A lock that
    looks abandoned is not waited for: should its holder come back, it is that one's turn to look (``lock/keeper.py``).

    Args:
        since: by the API server's clock, seconds since the epoch; a run that was at work since then has to be seen too,
            although it has ended. 0: only one that is at work.

    Raises:
        LeaseHeld: there is one.
        LeaseLost: there was one.
        ApiError: they can't be listed.
    """
    # By name, which is how far the right to list them goes.
    for found in api.items("/apis/coordination.k8s.io/v1/leases", fieldSelector=f"metadata.name={NAME}"):
        owner, now, namespace = _by_our_clock(api, found, clock), clock(), found["metadata"]["namespace"]
        if namespace == lease.namespace:
            continue
        if owner.user and owner.lock().may_live(now):
            raise LeaseHeld(owner, now, namespace)
        # One that was given back has no holder any more, whose name would say that it is not somebody else's.
        if since and _written(found) > since and (found["metadata"].get("labels") or {}).items() >= _LABELS.items():
            raise LeaseLost(f"another Friday, with its lock in namespace {namespace}, has been running in the meantime")


def renew(api: Api, lease: Lease, *, clock: Callable[[], float] = time.time) -> Lease:
    """Renew the lease and return it with its new version.

    Raises:
        LeaseLost: it is somebody else's, was released or deleted.
        ApiError: the API server refuses or doesn't answer; the lease may still be ours.
    """
    body = _body(lease.namespace, lease.holder, lease.run, lease.ttl, lease.started, clock(), lease.process)
    body["metadata"].update(uid=lease.uid, resourceVersion=lease.resource_version)
    try:
        return _lease(lease, api.request("PUT", _path(lease.namespace), body=body))
    except ApiError as error:
        if error.status not in (404, 409):
            raise
    # Somebody has touched it, perhaps only to look at it with an editor: what counts is whose it is.
    found = _get(api, lease.namespace)
    if found is None:
        raise LeaseLost("the lease was deleted")
    owner = _holder(found)
    if owner.identity != lease.holder or found["metadata"]["uid"] != lease.uid:
        raise LeaseLost(f"the lease was taken by {owner.line(clock())}" if owner.identity else "the lease was released")
    body["metadata"].update(_version(found))
    try:
        return _lease(lease, api.request("PUT", _path(lease.namespace), body=body))
    except ApiError as error:
        if error.status in (404, 409):
            raise LeaseLost("the lease is being changed by somebody else") from error
        raise


def release(api: Api, lease: Lease, *, clock: Callable[[], float] = time.time) -> bool:
    """Give the lease back; false when it wasn't ours any more. Somebody else's is never touched.

    Raises:
        ApiError: the API server refuses or doesn't answer; the lease then dies by itself.
    """
    found = _get(api, lease.namespace)
    if found is None or _holder(found).identity != lease.holder:
        return False
    body = _body(lease.namespace, "", "", 1, 0.0, clock())
    body["metadata"].update(_version(found))
    try:
        api.request("PUT", _path(lease.namespace), body=body)
    except ApiError as error:
        if error.status in (404, 409):
            return False
        raise
    return True


def break_lease(api: Api, namespace: str, run: str, *, clock: Callable[[], float] = time.time) -> Holder:
    """Take the lease away from ``run``, alive or not, and return whose it was. Any other run's is left alone.

    What is written holds for the very lease that was looked at. When its holder renews it at the same time, it is
    looked at again.

    Raises:
        NotBroken: it is free, another run's, or changes faster than it can be written.
        ApiError: the API server refuses or doesn't answer.
    """
    for _ in range(_BREAKS):
        found = _get(api, namespace)
        owner = _holder(found) if found else None
        if found is None or owner is None or not owner.identity:
            raise NotBroken("it is free")
        if owner.run != run:
            raise NotBroken(f"it is not held by run {run}, but by {owner.line(clock())}")
        body = _body(namespace, "", "", 1, 0.0, clock())
        body["metadata"].update(_version(found))
        try:
            api.request("PUT", _path(namespace), body=body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
        else:
            return owner
    raise NotBroken("it changes faster than it can be broken")


def current(api: Api, namespace: str, *, clock: Callable[[], float] = time.time) -> Holder | None:
    """Return who holds the lease (alive or not), None when nobody does.

    Its times are by our own clock then: what the holder's has written is set right by how long ago that was, which the
    API server knows, where it says so.

    Raises:
        ApiError: it can't be read.
    """
    found = _get(api, namespace)
    holder = _by_our_clock(api, found, clock) if found else None
    return holder if holder and holder.identity else None


def _watch(
    api: Api,
    namespace: str,
    found: dict[str, Any],
    clock: Callable[[], float],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    tell: Callable[[str], None] | None,
) -> dict[str, Any]:
    """Return the lease as it is when it is dead or free; raise LeaseHeld when it lives."""
    owner, now = _holder(found), clock()
    patience = float(owner.ttl)
    lock = owner.lock()
    if lock.gone:
        # Not at once: machines that were resumed from one image of a memory can't be told apart by what is seen here.
        patience = owner.ttl / 3 + _SLACK
    elif lock.life(now) is Life.ALIVE:  # a renewal in the future says that the clocks differ, and nothing of the holder
        raise LeaseHeld(owner, now)
    if tell:
        why = "was left behind by a process that has ended" if lock.gone else "looks abandoned"
        tell(f"the lease of {owner.line(now)} {why}: watching it for {patience:.0f} s")
    version, end = found["metadata"]["resourceVersion"], monotonic() + patience
    while (left := end - monotonic()) > 0:
        sleep(min(left, max(owner.ttl / _LOOKS, 0.1)))
        seen = _get(api, namespace)
        if seen is None or not _holder(seen).identity:
            return seen or {}
        if seen["metadata"]["resourceVersion"] != version:
            raise LeaseHeld(_holder(seen), clock())
    return found


def _write(
    api: Api,
    namespace: str,
    found: Mapping[str, Any],
    holder: str,
    run: str,
    ttl: int,
    process: str,
    clock: Callable[[], float],
) -> Lease:
    """Put our name on a lease, if it still is as we have ``found`` it (empty: it is gone)."""
    if not found:
        return _create(api, namespace, holder, run, ttl, process, clock)
    now = clock()
    body = _body(namespace, holder, run, ttl, now, now, process)
    body["metadata"].update(_version(found))
    try:
        answer = api.request("PUT", _path(namespace), body=body)
    except ApiError as error:
        if error.status not in (404, 409):
            raise
        raise _came_first(api, namespace, error, clock) from error
    meta = answer["metadata"]
    return Lease(namespace, holder, run, ttl, meta["uid"], meta["resourceVersion"], now, process, _written(answer))


def _create(
    api: Api, namespace: str, holder: str, run: str, ttl: int, process: str, clock: Callable[[], float]
) -> Lease:
    now = clock()
    body = _body(namespace, holder, run, ttl, now, now, process)
    try:
        answer = api.request("POST", _path(namespace).rsplit("/", 1)[0], body=body)
    except ApiError as error:
        if error.status != 409:
            raise
        raise _came_first(api, namespace, error, clock) from error
    meta = answer["metadata"]
    return Lease(namespace, holder, run, ttl, meta["uid"], meta["resourceVersion"], now, process, _written(answer))


def _came_first(api: Api, namespace: str, error: ApiError, clock: Callable[[], float]) -> Exception:
    found = _get(api, namespace)
    if found is None or not _holder(found).identity:
        return error  # came, and went again
    return LeaseHeld(_holder(found), clock())


def _make_namespace(api: Api, namespace: str) -> None:
    """Make the namespace if it is missing. To look first lets a user without the right to make one do without it."""
    try:
        api.get(f"/api/v1/namespaces/{namespace}")
        return
    except ApiError as error:
        if error.status != 404:
            raise
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": _LABELS}}
    try:
        api.request("POST", "/api/v1/namespaces", body=body)
    except ApiError as error:
        if error.status != 409:
            raise


def _get(api: Api, namespace: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = api.get(_path(namespace))
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return found


def _holder(found: Mapping[str, Any]) -> Holder:
    spec, notes = found.get("spec") or {}, found["metadata"].get("annotations") or {}
    name = spec.get("holderIdentity") or ""
    who, _, rest = name.partition(":")
    user, _, host = who.partition("@")
    pid, _, run = rest.partition(":")
    ours = bool(host) and pid.isdigit()
    return Holder(
        identity=name,
        user=user if ours else "",
        host=host if ours else "",
        pid=int(pid) if ours else 0,
        run=notes.get(RUN_ANNOTATION) or (run if ours else ""),
        started=_seconds(notes.get(STARTED_ANNOTATION)),
        renewed=_seconds(spec.get("renewTime")),
        ttl=int(spec.get("leaseDurationSeconds") or TTL),
        process=str(notes.get(PROCESS_ANNOTATION) or ""),
    )


def _by_our_clock(api: Api, found: Mapping[str, Any], clock: Callable[[], float]) -> Holder:
    """The holder of a lease that was just read, with its times as our clock would have had them."""
    owner = _holder(found)
    written = _written(found)
    if not (written and api.answered and owner.renewed):
        return owner
    ahead = owner.renewed - (clock() - max(0.0, api.answered - written))
    if abs(ahead) <= CLOCK_SKEW:
        return owner
    started = owner.started - ahead if owner.started else 0.0
    return dataclasses.replace(owner, renewed=owner.renewed - ahead, started=started)


def _written(found: Mapping[str, Any]) -> float:
    """When the lease was renewed or released last, by the API server's clock (ManagedFieldsEntry); 0: not told."""
    entries = found["metadata"].get("managedFields") or ()
    return max((_seconds(entry.get("time")) for entry in entries if "f:renewTime" in _owned(entry)), default=0.0)


def _owned(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of the spec a manager of fields has written last."""
    return (entry.get("fieldsV1") or {}).get("f:spec") or {}


def _body(
    namespace: str, holder: str, run: str, ttl: int, started: float, now: float, process: str = ""
) -> dict[str, Any]:
    annotations = {RUN_ANNOTATION: run, STARTED_ANNOTATION: _micro(started)} if holder else {}
    if process:
        annotations[PROCESS_ANNOTATION] = process
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": _LABELS,
            "annotations": annotations,
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": ttl,
            "acquireTime": _micro(started) if holder else None,
            "renewTime": _micro(now),
        },
    }


def _version(found: Mapping[str, Any]) -> dict[str, str]:
    """What makes a write apply to the very object that was read, and to no later state of it."""
    return {"uid": found["metadata"]["uid"], "resourceVersion": found["metadata"]["resourceVersion"]}


def _lease(lease: Lease, answer: Mapping[str, Any]) -> Lease:
    version = answer["metadata"]["resourceVersion"]
    return dataclasses.replace(lease, resource_version=version, written=_written(answer))


def _path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{NAME}"


def _micro(seconds: float) -> str:
    """MicroTime of the API: RFC 3339 with microseconds."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(micro: str | None) -> float:
    if not micro:
        return 0.0
    # Whole seconds come without a fraction, and fromisoformat knows neither the Z before Python 3.11.
    text = micro.removesuffix("Z")
    form = "%Y-%m-%dT%H:%M:%S.%f" if "." in text else "%Y-%m-%dT%H:%M:%S"
    try:
        return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc).timestamp()
    except ValueError:
        return 0.0


def _utc(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
