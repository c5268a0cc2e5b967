# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run record in the cluster: a ConfigMap for each run, and one more for each further 500 hosts.

A key for the run itself (``meta``) and one for each host (``host.NAME``), so that hosts which are worked on at the same
time patch keys of their own. Values are the JSON of the model; a person can read them with kubectl. A ConfigMap takes
1 MiB, so the hosts are spread over several in the order of the plan; ``meta`` is in the first.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord

MANAGED_BY = "app.kubernetes.io/managed-by"
RUN_LABEL = "friday.upgrade/run"

HOSTS_IN_PART = 500
LONGEST_MESSAGE = 300
"""Characters of a host's message that are kept, so that a full part fits whatever they are. The journal has all."""

LONGEST_SUMMARY = 2000
"""The same for what is said of the run as a whole."""

LONGEST_INVENTORY = 100_000
"""Characters that the inventory may take; that of 5,000 hosts has some 40,000. Of a longer one there is its digest."""

_META = "meta"
_HOST = "host."
_UNLOCKED = (
    "unlocked"  # a key of its own: whoever breaks a lock writes it, and the run's own writer does not know of it
)
_ORDER = "order"  # a part's hosts as they were planned: a ConfigMap forgets the order of its keys
_PARTS = "parts"
_INVENTORY = "inventory"  # ``RunRecord.members``: JSON, compressed by zlib, in base64
_ATTEMPTS = 10
_PAGE = 50  # ConfigMaps in one answer: each may have 1 MiB


@dataclass(frozen=True)
class Stored:
    """What is there of all runs.

    Attributes:
        runs: all of them, the newest first: by when the API server made their records, whose clock is the only one that
            they share. A run's id and its times are by the clock of its controller.
        records: those that can be read, in the same order.
        unreadable: why the others (by run) can't be.
    """

    runs: tuple[str, ...]
    records: tuple[RunRecord, ...]
    unreadable: dict[str, str]


def write(api: Api, namespace: str, record: RunRecord, hosts: Collection[str] | None = None, meta: bool = True) -> None:
    """Write the record, or parts of it. ConfigMaps are made if they aren't there yet; the namespace has to be.

    Args:
        api: the connection.
        namespace: Friday's own.
        record: the fold of the run's events.
        hosts: whose states are written (each is owned by the process that works on it); None writes all.
        meta: also write what is the run's as a whole, unless somebody has written a newer one (by ``seq``).

    Raises:
        ApiError: it could not be written.
    """
    for number, names in enumerate(_parts(record)):
        data = {_key(host): _host_value(record, host) for host in names if hosts is None or host in hosts}
        if hosts is None and names:
            data[_ORDER] = _json(names)
        if hosts is None and number == 0:
            data |= _inventory(record)
        path = _path(namespace, record.run, number)
        if meta and number == 0:
            _attempt(api, namespace, record.run, number, partial(_with_meta, api, path, record, data))
        elif data:
            _attempt(api, namespace, record.run, number, partial(_patch, api, path, {"data": data}))


def write_unlocked(api: Api, namespace: str, run: str, unlocked: str) -> None:
    """Note that the run's lock was broken (``RunRecord.unlocked``), or with an empty text that it was not after all.

    Nothing else of the record is touched, so that a run which lives after all does not lose a state.

    Raises:
        ApiError: it could not be written.
    """
    body = {"data": {_UNLOCKED: unlocked or None}}
    _attempt(api, namespace, run, 0, partial(_patch, api, _path(namespace, run, 0), body))


def prune(api: Api, namespace: str, runs: Sequence[str]) -> tuple[str, ...]:
    """Delete the records of these runs, and return those that are gone.

    What is deleted is what was looked at: a record that somebody writes at the same time stays. One that is left half
    deleted can't be read any more; the next call for it deletes the rest.

    Raises:
        ApiError: one can't be listed or deleted; the others, up to it, are.
    """
    return tuple(run for run in runs if _prune(api, namespace, run))


def _prune(api: Api, namespace: str, run: str) -> bool:
    selector = f"{MANAGED_BY}=friday,{RUN_LABEL}={run}"
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for item in api.items(path, page=_PAGE, labelSelector=selector):
        meta = item["metadata"]
        same = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        try:
            api.request("DELETE", f"{path}/{meta['name']}", body={"preconditions": same})
        except ApiError as error:
            if error.status == 409:
                return False
            if error.status != 404:
                raise
    return True


def read(api: Api, namespace: str, run: str) -> RunRecord | None:
    """Return the record of ``run``, None when there is none.

    Raises:
        ApiError: it can't be read.
        ValueError: it isn't a record, or not all of it is there; the message says what is wrong.
    """
    try:
        first = api.get(_path(namespace, run, 0))
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return _parse([first, *_further(api, namespace, run, first)])


def read_stored(api: Api, namespace: str) -> Stored:
    """Return all that is there of any run; one that can't be read is told, and the others are still worth having.

    Raises:
        ApiError: they can't be listed.
    """
    selector = f"{MANAGED_BY}=friday,{RUN_LABEL}"
    runs = defaultdict(list)
    for item in api.items(f"/api/v1/namespaces/{namespace}/configmaps", page=_PAGE, labelSelector=selector):
        runs[item["metadata"]["labels"][RUN_LABEL]].append(item)
    newest = sorted(runs, key=lambda run: (_made(runs[run]), run), reverse=True)
    records, unreadable = [], {}
    for run in newest:
        try:
            records.append(_parse(sorted(runs[run], key=partial(_number, run))))
        except ValueError as error:
            unreadable[run] = str(error)
    return Stored(tuple(newest), tuple(records), unreadable)


def _made(items: Sequence[dict[str, Any]]) -> str:
    """When the first of a run's ConfigMaps was made: in RFC 3339, UTC, whole seconds, as which texts sort as times."""
    return min(str(item["metadata"].get("creationTimestamp", "")) for item in items)


def _parts(record: RunRecord) -> list[list[str]]:
    """The hosts of each ConfigMap, in the order of the plan; there is always a first one."""
    hosts = list(record.hosts)
    return [hosts[begin : begin + HOSTS_IN_PART] for begin in range(0, len(hosts) or 1, HOSTS_IN_PART)]


def _attempt(api: Api, namespace: str, run: str, number: int, write_it: Callable[[], None]) -> None:
    """Write a part, which is made if it isn't there, again while others write it too."""
    for _ in range(_ATTEMPTS):
        try:
            return write_it()
        except ApiError as error:
            if error.status == 404:
                _create(api, namespace, run, number)
            elif error.status != 409:
                raise
    path = _path(namespace, run, number)
    raise ApiError(409, f"ConfigMap {_name(run, number)} changes faster than it can be written", request=path)


def _with_meta(api: Api, path: str, record: RunRecord, data: dict[str, str]) -> None:
    """Hosts' keys are patched blindly; the run's only over an older one, and over the very one that was read."""
    found = api.get(path)
    stored = json.loads((found.get("data") or {}).get(_META, "{}"))
    body: dict[str, Any] = {"data": data}
    if record.seq >= stored.get("seq", 0):
        body = {
            "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
            "data": {**data, _META: _meta_value(record)},
        }
    _patch(api, path, body)


def _patch(api: Api, path: str, body: dict[str, Any]) -> None:
    api.request("PATCH", path, body=body)


def _create(api: Api, namespace: str, run: str, number: int) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _name(run, number), "labels": {MANAGED_BY: "friday", RUN_LABEL: run}},
        # As if nothing had been written: whoever made it first, each writer then patches its own part in.
        "data": {} if number else {_META: _meta_value(RunRecord(run=run))},
    }
    try:
        api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body=body)
    except ApiError as error:
        if error.status != 409:
            raise


def _further(api: Api, namespace: str, run: str, first: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts behind the first. One that is missing is left out: ``_parse`` counts them."""
    for number in range(1, _how_many(first)):
        try:
            yield api.get(_path(namespace, run, number))
        except ApiError as error:
            if error.status != 404:
                raise


def _how_many(first: dict[str, Any]) -> int:
    try:
        return int(json.loads((first.get("data") or {}).get(_META, "{}")).get(_PARTS, 1))
    except (ValueError, TypeError, AttributeError):
        return 1  # no record; _parse says so


def _parse(parts: Sequence[dict[str, Any]]) -> RunRecord:
    """The record from all of its ConfigMaps, in their order."""
    name = parts[0]["metadata"]["name"]
    try:
        data = parts[0].get("data") or {}
        meta = json.loads(data[_META])
        meta[_UNLOCKED] = data.get(_UNLOCKED) or meta.get(_UNLOCKED, "")
        if _INVENTORY in data:
            meta["members"] = json.loads(zlib.decompress(base64.b64decode(data[_INVENTORY])))
        if len(parts) < (expected := meta.pop(_PARTS, 1)):
            raise ValueError(f"only {len(parts)} of its {expected} parts exist")
        hosts: dict[str, Any] = {}
        for part in parts:
            hosts.update(_hosts(part.get("data") or {}))
        return from_data(RunRecord, {**meta, "hosts": hosts})
    except (KeyError, ValueError, TypeError, AttributeError, zlib.error) as error:
        raise ValueError(f"ConfigMap {name} is not the record of a run: {error}") from error


def _hosts(data: dict[str, str]) -> dict[str, Any]:
    """The hosts of one part, in the order of the plan."""
    hosts = [json.loads(value) for key, value in data.items() if key.startswith(_HOST)]
    order = {host: place for place, host in enumerate(json.loads(data.get(_ORDER, "[]")))}
    hosts.sort(key=lambda host: (order.get(host["host"], len(order)), host["host"]))
    return {host["host"]: host for host in hosts}


def _meta_value(record: RunRecord) -> str:
    short = dataclasses.replace(
        record,
        hosts={},
        members={},
        message=_short(record.message),
        stop=_short(record.stop),
        unlocked=_short(record.unlocked),
    )
    return _json({**to_data(short), _PARTS: len(_parts(record))})


def _host_value(record: RunRecord, host: str) -> str:
    known = record.hosts[host]
    known = dataclasses.replace(known, message=_short(known.message, LONGEST_MESSAGE))
    return _json({"host": host, **to_data(known)})


def _inventory(record: RunRecord) -> dict[str, str]:
    packed = base64.b64encode(zlib.compress(_json(record.members).encode(), 9)).decode()
    return {_INVENTORY: packed} if record.members and len(packed) <= LONGEST_INVENTORY else {}


def _short(text: str, longest: int = LONGEST_SUMMARY) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False)


def _key(host: str) -> str:
    """A key of a ConfigMap has letters, digits, ``-``, ``_`` and ``.`` only; names in an inventory are freer."""
    safe = re.sub(r"[^-._a-zA-Z0-9]", "_", host)
    return _HOST + (host if safe == host else f"{safe}-{hashlib.sha256(host.encode()).hexdigest()[:8]}")


def _name(run: str, number: int) -> str:
    return f"friday-run-{run}-{number}" if number else f"friday-run-{run}"


def _number(run: str, item: dict[str, Any]) -> int:
    """Which part it is, by its name; a stranger with our labels comes last."""
    _, _, number = str(item["metadata"]["name"]).partition(f"friday-run-{run}-")
    return int(number) if number.isdigit() else 0


def _path(namespace: str, run: str, number: int) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{_name(run, number)}"
