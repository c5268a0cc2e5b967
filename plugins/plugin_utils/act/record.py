# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run record in the cluster: one ConfigMap for each run.

A key for the run itself (``meta``) and one for each host (``host.NAME``), so that hosts which are worked on at the same
time patch keys of their own. Values are the JSON of the model; a person can read them with kubectl.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.kube import Api, ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord

MANAGED_BY = "app.kubernetes.io/managed-by"
RUN_LABEL = "friday.upgrade/run"

_META = "meta"
_HOST = "host."
_ORDER = "order"  # the hosts as they were planned: a ConfigMap forgets the order of its keys
_ATTEMPTS = 10


def write(api: Api, namespace: str, record: RunRecord, hosts: Collection[str] | None = None, meta: bool = True) -> None:
    """Write the record, or parts of it. The ConfigMap is made if it isn't there yet; the namespace has to be.

    Args:
        api: the connection.
        namespace: Friday's own.
        record: the fold of the run's events.
        hosts: whose states are written (each is owned by the process that works on it); None writes all.
        meta: also write what is the run's as a whole, unless somebody has written a newer one (by ``seq``).

    Raises:
        ApiError: it could not be written.
    """
    path = _path(namespace, record.run)
    chosen = [host for host in record.hosts if hosts is None or host in hosts]
    data = {_key(host): _host_value(record, host) for host in chosen}
    for _ in range(_ATTEMPTS):
        try:
            if meta:
                _patch_with_meta(api, path, record, data)
            else:
                api.request("PATCH", path, body={"data": data})
            return
        except ApiError as error:
            if error.status == 404:
                _create(api, namespace, record)
            elif error.status != 409:
                raise
    raise ApiError(409, f"ConfigMap {_name(record.run)} changes faster than it can be written", request=path)


def read(api: Api, namespace: str, run: str) -> RunRecord | None:
    """Return the record of ``run``, None when there is none.

    Raises:
        ApiError: it can't be read.
        ValueError: it isn't a record; the message says what is wrong.
    """
    try:
        return _parse(api.get(_path(namespace, run)))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def read_all(api: Api, namespace: str) -> tuple[RunRecord, ...]:
    """Return the records of all runs, the newest first.

    Raises:
        ApiError: they can't be listed.
        ValueError: one isn't a record.
    """
    selector = f"{MANAGED_BY}=friday,{RUN_LABEL}"
    maps = api.items(f"/api/v1/namespaces/{namespace}/configmaps", labelSelector=selector)
    return tuple(sorted((_parse(item) for item in maps), key=lambda record: record.started, reverse=True))


def _patch_with_meta(api: Api, path: str, record: RunRecord, data: dict[str, str]) -> None:
    """Hosts' keys are patched blindly; the run's only over an older one, and over the very one that was read."""
    found = api.get(path)
    stored = json.loads((found.get("data") or {}).get(_META, "{}"))
    body: dict[str, Any] = {"data": data}
    if record.seq >= stored.get("seq", 0):
        body = {
            "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
            "data": {**data, _META: _meta_value(record)},
        }
    api.request("PATCH", path, body=body)


def _create(api: Api, namespace: str, record: RunRecord) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _name(record.run), "labels": {MANAGED_BY: "friday", RUN_LABEL: record.run}},
        # As if nothing had been written: whoever made it first, each writer then patches its own part in.
        "data": {_META: _meta_value(RunRecord(run=record.run))},
    }
    try:
        api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body=body)
    except ApiError as error:
        if error.status != 409:
            raise


def _parse(item: dict[str, Any]) -> RunRecord:
    name = item["metadata"]["name"]
    data = item.get("data") or {}
    try:
        meta = json.loads(data[_META])
        hosts = [json.loads(value) for key, value in data.items() if key.startswith(_HOST)]
        order = {host: place for place, host in enumerate(meta.get(_ORDER, ()))}
        hosts.sort(key=lambda host: (order.get(host["host"], len(order)), host["host"]))
        return from_data(RunRecord, {**meta, "hosts": {host["host"]: host for host in hosts}})
    except (KeyError, ValueError) as error:
        raise ValueError(f"ConfigMap {name} is not the record of a run: {error}") from error


def _meta_value(record: RunRecord) -> str:
    return _json({**to_data(dataclasses.replace(record, hosts={})), _ORDER: list(record.hosts)})


def _host_value(record: RunRecord, host: str) -> str:
    return _json({"host": host, **to_data(record.hosts[host])})


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False)


def _key(host: str) -> str:
    """A key of a ConfigMap has letters, digits, ``-``, ``_`` and ``.`` only; names in an inventory are freer."""
    safe = re.sub(r"[^-._a-zA-Z0-9]", "_", host)
    return _HOST + (host if safe == host else f"{safe}-{hashlib.sha256(host.encode()).hexdigest()[:8]}")


def _name(run: str) -> str:
    return f"friday-run-{run}"


def _path(namespace: str, run: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{_name(run)}"
