# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cordon and uncordon a node, with a mark that says it was ours: somebody else's cordon is never undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import CORDONED_BY

_ATTEMPTS = 5


@dataclass(frozen=True)
class Change:
    """What became of the node: whether it was changed, is cordoned now (by somebody else: foreign), and a sentence.

    ``kernel`` and ``boot_id`` are those that the node had when it was looked at.
    """

    changed: bool
    cordoned: bool
    message: str
    foreign: bool = False
    kernel: str = ""
    boot_id: str = ""


def cordon(api: Api, node: str, run: str) -> Change:
    """Cordon ``node`` for ``run``. An own cordon of an earlier run is taken over; somebody else's stays theirs.

    Raises:
        ApiError: the node isn't there, or can't be changed.
    """

    def decide(unschedulable: bool, owner: str) -> tuple[Change, dict[str, Any] | None]:
        if unschedulable and not owner:
            return Change(False, True, f"{node} is cordoned by somebody else: left as it is", foreign=True), None
        if unschedulable and owner == run:
            return Change(False, True, f"{node} is already cordoned"), None
        taken = f" (taken over from run {owner})" if unschedulable else ""
        return Change(True, True, f"{node} cordoned{taken}"), _patch(True, run)

    return _change(api, node, decide)


def uncordon(api: Api, node: str, run: str = "") -> Change:
    """Undo Friday's own cordon of ``node``: that of ``run``, or of any run when it is empty.

    Raises:
        ApiError: the node isn't there, or can't be changed.
    """

    def decide(unschedulable: bool, owner: str) -> tuple[Change, dict[str, Any] | None]:
        if not unschedulable and not owner:
            return Change(False, False, f"{node} is not cordoned"), None
        if not unschedulable:
            return Change(True, False, f"{node} was uncordoned by somebody else: mark removed"), _patch(False, None)
        if not owner:
            return Change(False, True, f"{node} is cordoned by somebody else: left as it is", foreign=True), None
        if run and owner != run:
            return Change(False, True, f"{node} is cordoned by run {owner}: left as it is", foreign=True), None
        return Change(True, False, f"{node} uncordoned"), _patch(False, None)

    return _change(api, node, decide)


def _change(api: Api, node: str, decide: Callable[[bool, str], tuple[Change, dict[str, Any] | None]]) -> Change:
    """Read, decide, write what was decided on that very state; again when it has changed in between."""
    path = f"/api/v1/nodes/{node}"
    for attempt in range(1, _ATTEMPTS + 1):
        found = api.get(path)
        meta: Mapping[str, Any] = found["metadata"]
        owner = str((meta.get("annotations") or {}).get(CORDONED_BY, ""))
        change, patch = decide(bool((found.get("spec") or {}).get("unschedulable")), owner)
        info = (found.get("status") or {}).get("nodeInfo") or {}
        change = replace(change, kernel=info.get("kernelVersion", ""), boot_id=info.get("bootID", ""))
        if patch is None:
            return change
        patch["metadata"]["resourceVersion"] = meta["resourceVersion"]
        try:
            api.request("PATCH", path, body=patch)
        except ApiError as error:
            if error.status != 409 or attempt == _ATTEMPTS:
                raise
        else:
            return change
    raise AssertionError("the last attempt returns or raises")


def _patch(unschedulable: bool, run: str | None) -> dict[str, Any]:
    return {
        "metadata": {"annotations": {CORDONED_BY: run}},
        "spec": {"unschedulable": unschedulable or None},
    }
