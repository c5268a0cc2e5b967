# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong between Friday and the API server, as a person should read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

ANONYMOUS = "system:anonymous"
"""Who the server takes us for that shows it no credentials."""
_LOGIN = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#@]+@", re.IGNORECASE)


class KubeError(Exception):
    """The cluster can't be talked to, or refuses. ``problem`` says it for a person."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.line())
        self.problem = problem


class ApiError(KubeError):
    """A request that failed.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        message: the server's own words where it has some.
        body: the ``Status`` object of the answer, or empty.
    """

    def __init__(self, status: int, message: str, *, request: str = "", body: Mapping[str, Any] | None = None) -> None:
        self.status = status
        self.message = message
        self.body = dict(body or {})
        words = f"{message} ({status})" if status else message
        super().__init__(Problem(request or "API server", words, advice(status)))


def advice(status: int) -> str:
    return {
        0: "is the API server up and reachable from here?",
        401: "get a new kubeconfig",
        403: "grant this user the right that the message names",
    }.get(status, "")


def without_logins(text: str) -> str:
    """``text`` without what stands before the host in its URLs: ``https://name:password@host`` becomes ``https://***@host``."""
    return _LOGIN.sub(r"\1***@", text)
