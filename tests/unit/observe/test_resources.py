# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of the API: what is read from an object."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.resources import RESOURCES

PODS = next(resource for resource in RESOURCES if resource.field == "pods")


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}, False),
        (None, False),
    ],
)
def test_whether_a_pod_may_be_scheduled_to_a_cordoned_node(toleration: dict[str, Any] | None, expected: bool) -> None:
    spec = {"nodeName": "node1", **({"tolerations": [toleration]} if toleration else {})}
    (pod,) = PODS.parse({"metadata": {"namespace": "a", "name": "b"}, "spec": spec})
    assert pod.tolerates_cordon is expected
