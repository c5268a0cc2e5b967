# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node that changes between the look and the write; the rest is tested in tests/cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act.cordon import cordon, uncordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError


class ChangingNode:
    """A node that somebody cordons, as their own, after our first look (or for ever changes in another way)."""

    def __init__(self, restless: bool = False) -> None:
        self.version, self.unschedulable, self.restless = 1, False, restless
        self.patches: list[dict[str, Any]] = []

    def get(self, _path: str) -> dict[str, Any]:
        seen = {"metadata": {"resourceVersion": str(self.version)}, "spec": {"unschedulable": self.unschedulable}}
        if self.version == 1 or self.restless:
            self.version += 1
            self.unschedulable = not self.restless
        return seen

    def request(self, _method: str, _path: str, *, body: dict[str, Any]) -> None:
        if body["metadata"].get("resourceVersion", str(self.version)) != str(self.version):
            raise ApiError(409, "the object has been modified")
        self.patches.append(body)


def test_a_cordon_that_came_in_between_is_not_made_ours() -> None:
    node = ChangingNode()
    change = cordon(node, "a", "run")  # type: ignore[arg-type]
    assert not change.changed and change.foreign
    assert "somebody else" in change.message
    assert node.patches == []
    assert not uncordon(node, "a", "run").changed  # type: ignore[arg-type]


def test_a_node_that_never_rests() -> None:
    with pytest.raises(ApiError, match="has been modified"):
        cordon(ChangingNode(restless=True), "a", "run")  # type: ignore[arg-type]
