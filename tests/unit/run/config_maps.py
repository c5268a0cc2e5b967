# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ConfigMaps in memory, behind the three calls with which the record is written and read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError


class ConfigMaps:
    """``away``: the API server does not answer."""

    def __init__(self) -> None:
        self.away = False
        self._there: dict[str, dict[str, Any]] = {}
        self._versions = itertools.count(1)

    def get(self, path: str) -> dict[str, Any]:
        self._answer()
        if path not in self._there:
            raise ApiError(404, "not found")
        return self._there[path]

    def items(self, path: str, **_: object) -> Iterator[dict[str, Any]]:
        self._answer()
        return iter([item for name, item in self._there.items() if name.startswith(path + "/")])

    def request(self, method: str, path: str, *, body: dict[str, Any]) -> None:
        self._answer()
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            self._there[path] = {"metadata": body["metadata"], "data": body["data"]}
        else:
            self.get(path)["data"].update(body["data"])
        self._there[path]["metadata"]["resourceVersion"] = str(next(self._versions))

    def _answer(self) -> None:
        if self.away:
            raise ApiError(0, "no answer")
