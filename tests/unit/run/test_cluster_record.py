# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the API server allows for the keys of a ConfigMap holds for every host's name; races end."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record


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
    cluster_record.write(api, "friday", RunRecord(run="r", hosts=hosts))  # type: ignore[arg-type]
    assert api.data.keys() >= {"meta", "order", "host.node1"} and len(api.data) == len(names) + 2
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", key) for key in api.data)


def test_the_inventory_is_kept_by_name_and_in_little_room() -> None:
    members = {
        f"node{number}.rack{number % 40}.example.org": f"node{number} in zone-{number % 3}" for number in range(5000)
    }
    api = Contended()
    given = RunRecord(run="r", seq=1, members=members)
    cluster_record.write(api, "friday", given)  # type: ignore[arg-type]
    assert len(api.data["inventory"]) < cluster_record.LONGEST_INVENTORY / 2
    assert "node7" not in api.data["meta"]
    found = cluster_record._parse([{"metadata": {"name": "x"}, "data": api.data}])
    assert found.members == members
    cluster_record.write(api, "friday", RunRecord(run="r", seq=2), hosts=())  # type: ignore[arg-type]
    assert "inventory" in api.data, "what is the run's is written at every event, and the inventory once"


def test_an_inventory_that_does_not_fit_is_left_to_its_digest() -> None:
    members = {uuid.uuid4().hex * 4: "" for _ in range(5000)}
    api = Contended()
    cluster_record.write(api, "friday", RunRecord(run="r", seq=1, members=members))  # type: ignore[arg-type]
    assert "inventory" not in api.data


def test_a_conflict_is_tried_again_and_not_for_ever() -> None:
    api = Contended(3)
    cluster_record.write(api, "friday", RunRecord(run="r", seq=1))  # type: ignore[arg-type]
    assert "meta" in api.data
    with pytest.raises(ApiError, match="changes faster than it can be written"):
        cluster_record.write(Contended(1000), "friday", RunRecord(run="r", seq=1))  # type: ignore[arg-type]


def test_a_newer_state_that_came_in_between_stays() -> None:
    newer = json.dumps({"run": "r", "seq": 5})
    api = Contended(1, {"meta": newer})
    hosts = {"node1": HostRecord(HostState.CORDONED, 1.0)}
    cluster_record.write(api, "friday", RunRecord(run="r", seq=4, hosts=hosts))  # type: ignore[arg-type]
    assert api.data["meta"] == newer
    assert "host.node1" in api.data, "what is the host's own is written all the same"


@pytest.mark.parametrize(
    "data",
    [
        {"meta": "[]"},
        {"meta": '{"run": "r", "parts": null}'},
        {"meta": '{"run": "r", "parts": "2"}'},
        {"meta": '{"run": "r"}', "host.x": "[]"},
        {"meta": '{"run": "r"}', "host.x": "1"},
        {"meta": '{"run": "r"}', "host.x": '{"host": ["x"]}'},
        {"meta": '{"run": "r"}', "order": "1"},
        {"meta": "no JSON"},
        {},
    ],
)
def test_what_is_no_record_is_told_and_hides_no_other(data: dict[str, str]) -> None:
    class Listed:
        def items(self, _path: str, **_: object) -> list[dict[str, Any]]:
            good = {"meta": '{"run": "good"}'}
            return [
                {"metadata": {"name": f"friday-run-{run}", "labels": {cluster_record.RUN_LABEL: run}}, "data": content}
                for run, content in (("odd", data), ("good", good))
            ]

    stored = cluster_record.read_stored(Listed(), "friday")  # type: ignore[arg-type]
    assert [known.run for known in stored.records] == ["good"]
    assert "ConfigMap friday-run-odd is not the record of a run" in stored.unreadable["odd"]
