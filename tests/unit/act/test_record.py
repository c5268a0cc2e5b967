# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the API server allows for the keys of a ConfigMap holds for every host's name; races end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import record
from ansible_collections.friday.upgrade.plugins.plugin_utils.kube import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, HostState, RunRecord


class Contended:
    """A ConfigMap that somebody else changes ``conflicts`` times, each time after we have read it."""

    def __init__(self, conflicts: int = 0, theirs: dict[str, str] | None = None) -> None:
        self.conflicts, self.theirs = conflicts, theirs or {}
        self.version = 1
        self.data: dict[str, str] = {}

    def get(self, _path: str) -> dict[str, Any]:
        seen = {"metadata": {"resourceVersion": str(self.version)}, "data": dict(self.data)}
        if self.conflicts > 0:
            self.conflicts -= 1
            self.version += 1
            self.data.update(self.theirs)
        return seen

    def request(self, _method: str, _path: str, *, body: dict[str, Any]) -> None:
        if body.get("metadata", {}).get("resourceVersion", str(self.version)) != str(self.version):
            raise ApiError(409, "the object has been modified")
        self.data.update(body["data"])


def test_keys_are_what_a_config_map_allows_and_tell_hosts_apart() -> None:
    names = ["node1", "node-1.example.com", "rack 2/node:2", "rack 2/node_2", "[fe80::1]", "knoten-ö"]
    hosts = {name: HostRecord(HostState.PLANNED, 1.0) for name in names}
    api = Contended()
    record.write(api, "friday", RunRecord(run="r", hosts=hosts))  # type: ignore[arg-type]
    assert api.data.keys() >= {"meta", "order", "host.node1"} and len(api.data) == len(names) + 2
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", key) for key in api.data)


def test_a_conflict_is_tried_again_and_not_for_ever() -> None:
    api = Contended(3)
    record.write(api, "friday", RunRecord(run="r", seq=1))  # type: ignore[arg-type]
    assert "meta" in api.data
    with pytest.raises(ApiError, match="changes faster than it can be written"):
        record.write(Contended(1000), "friday", RunRecord(run="r", seq=1))  # type: ignore[arg-type]


def test_a_newer_state_that_came_in_between_stays() -> None:
    newer = json.dumps({"run": "r", "seq": 5})
    api = Contended(1, {"meta": newer})
    hosts = {"node1": HostRecord(HostState.CORDONED, 1.0)}
    record.write(api, "friday", RunRecord(run="r", seq=4, hosts=hosts))  # type: ignore[arg-type]
    assert api.data["meta"] == newer
    assert "host.node1" in api.data, "what is the host's own is written all the same"
