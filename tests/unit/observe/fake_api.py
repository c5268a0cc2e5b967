# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An API server that answers from tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import ExecResult
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError

Command = tuple[str, ...]


class FakeApi:
    """Gives what is in its tables; an exception in them is raised; a path that isn't there is a 404.

    ``lists`` by path, ``texts`` by path, ``commands`` by words. ``asked`` has the commands that were run.
    """

    server = "https://192.0.2.1:6443"

    def __init__(
        self,
        lists: Mapping[str, Any] | None = None,
        texts: Mapping[str, Any] | None = None,
        commands: Mapping[Command, Any] | None = None,
    ) -> None:
        self.lists, self.texts, self.commands = dict(lists or {}), dict(texts or {}), dict(commands or {})
        self.asked: list[Command] = []

    def get(self, path: str, **_query: object) -> Any:
        return _give(self.lists, path)

    def items(self, path: str, *, page: int = 500, **_query: object) -> Iterator[dict[str, Any]]:
        found = _give(self.lists, path)
        yield from found(page) if isinstance(found, Callable) else found

    def text(self, path: str, **_query: object) -> str:
        return str(_give(self.texts, path))

    def exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float | None = None
    ) -> ExecResult:
        self.asked.append(tuple(command))
        missing = ExecResult(-1, "", f'exec: "{command[0]}": executable file not found in $PATH: unknown')
        found = self.commands.get(tuple(command), missing)
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, ExecResult) else ExecResult(0, found, "")


def _give(table: Mapping[str, Any], path: str) -> Any:
    if path not in table:
        raise ApiError(404, "the server could not find the requested resource", request=f"GET {path}")
    if isinstance(table[path], Exception):
        raise table[path]
    return table[path]
