# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to the API server: JSON in and JSON out, with errors that say what went wrong.

The typed models of the ``kubernetes`` client take four times the time on a list of 5,000 pods, and give nothing to code
that turns them into its own dataclasses at once.
The client is imported when the first connection is made: it takes 0.4 s, and a process that merely lists tags has no
use for it. A run preloads it in the process that its workers are forked from.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError, without_logins

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

PAGE = 500
"""Objects a list request: what kubectl asks for."""
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class ExecResult:
    """What a command in a container answered. ``code`` is its exit status, -1 when it could not be started."""

    code: int
    stdout: str
    stderr: str


class Api:
    """One API server, with JSON requests. Safe to share between threads.

    Attributes:
        client: the connection of the ``kubernetes`` package, for what this class has no words for.
        server: the URL.
        user: who the server says that we are.
        version: the server's version, ``v1.36.3``.
        timeout: seconds that a request may wait for an answer.
        answered: when the server answered last, in whole seconds since the epoch by its own clock (``Date``, RFC 9110);
            0 where it does not say.
    """

    def __init__(self, client: ApiClient, timeout: float) -> None:
        self.client = client
        self.timeout = timeout
        self.answered = 0.0
        self.server = without_logins(str(client.configuration.host))
        self.user = ""
        self.version = ""

    @property
    def unverified(self) -> bool:
        """True when the kubeconfig switches the check of the server's certificate off."""
        return not self.client.configuration.verify_ssl

    def get(self, path: str, **query: object) -> Any:
        """Return the object at ``path``."""
        return self.request("GET", path, query=query)

    def items(self, path: str, *, page: int = PAGE, **query: object) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, ``page`` of them a request (0: all in one).

        Raises:
            ApiError: 410 when it took longer than the server keeps the rest of a list (5 minutes): begin again.
        """
        token = None
        while True:
            answer = self.get(path, **{**query, "limit": page or None, "continue": token})
            yield from answer.get("items") or ()
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return

    def text(self, path: str, *, timeout: float | None = None, **query: object) -> str:
        """Return the body at ``path`` as text: a container's log."""
        return self._send("GET", path, query=query, timeout=timeout).decode("utf-8", "replace")

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        timeout: float | None = None,
    ) -> Any:
        """Send one request and return the JSON of its answer. A PATCH is a JSON merge patch (RFC 7386).

        Raises:
            ApiError: the answer is not 2xx, or there was none within ``timeout`` seconds.
        """
        raw = self._send(method, path, query=query, body=body, timeout=timeout)
        try:
            return json.loads(raw) if raw else {}
        except ValueError:
            raise ApiError(0, "the answer is not JSON: is this an API server?", request=path) from None

    def exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float | None = None
    ) -> ExecResult:
        """Run a command in a container. It gets no input; output comes back whole.

        Raises:
            ApiError: it could not be run, or took longer than ``timeout`` seconds (it may go on in the container).
        """
        limit = timeout or self.timeout
        request = f"exec in {namespace}/{pod}"
        attempt = _Exec(self.client.configuration, namespace, pod, container, command, limit)
        attempt.start()
        # The client connects without a time limit, and a node that is going down answers nothing: a thread of its own.
        attempt.join(limit + 1)
        if attempt.result is not None:
            return attempt.result
        if attempt.error is None:
            raise ApiError(0, f"no answer to {' '.join(command)} within {limit:g} s", request=request)
        raise ApiError(_handshake_status(attempt.error), _handshake_message(attempt.error), request=request)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        timeout: float | None = None,
    ) -> bytes:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        call = self.client.param_serialize(
            method,
            path,
            query_params=[(key, value) for key, value in (query or {}).items() if value is not None],
            header_params={"Accept": "application/json, */*", "Content-Type": content},
            auth_settings=["BearerToken"],
            body=body,
        )
        limits = (min(_CONNECT_SECONDS, self.timeout), timeout or self.timeout)
        try:
            response = self.client.call_api(*call, _request_timeout=limits)
            raw: bytes = response.read() or b""
        except (HTTPError, ApiException, OSError) as error:
            raise ApiError(0, _no_answer(error), request=f"{method} {path}") from error
        self.answered = _http_date(response.getheader("Date")) or self.answered
        if 200 <= response.status <= 299:
            return raw
        status = _status_object(raw)
        message = status.get("message") or raw.decode("utf-8", "replace").strip()[:300] or str(response.reason)
        raise ApiError(response.status, str(message), request=f"{method} {path}", body=status)


def _http_date(text: str | None) -> float:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except ValueError:
        return 0.0


class _Exec(threading.Thread):
    """One command over a web socket, with what came of it in ``result`` or ``error``."""

    def __init__(
        self,
        configuration: Configuration,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        limit: float,
    ) -> None:
        super().__init__(name=f"exec {namespace}/{pod}", daemon=True)
        self._configuration = configuration
        self._namespace, self._pod, self._container = namespace, pod, container
        self._command, self._limit = list(command), limit
        self.result: ExecResult | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._run()
        except Exception as error:  # of three libraries, none with a common base
            self.error = error

    def _run(self) -> ExecResult | None:
        from kubernetes import client, stream

        # stream() swaps a method of the client while it runs: a client of its own, or other threads would meet it.
        core = client.CoreV1Api(client.ApiClient(self._configuration))
        deadline = time.monotonic() + self._limit
        socket = stream.stream(
            core.connect_get_namespaced_pod_exec,
            self._pod,
            self._namespace,
            container=self._container,
            command=self._command,
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        try:
            while socket.is_open() and (left := deadline - time.monotonic()) > 0:
                socket.update(timeout=left)
            if socket.is_open():
                return None
            # Channels of the protocol v4/v5.channel.k8s.io: 1 stdout, 2 stderr, 3 a Status object with the exit code.
            stdout, stderr, status = (str(socket.read_channel(number)) for number in (1, 2, 3))
            return _exec_result(stdout, stderr, status)
        finally:
            socket.close(timeout=1)


def preload() -> None:
    """Import the client here and now, so that processes forked from this one need not. Never raises."""
    with contextlib.suppress(ImportError):  # it is missed, and told, where a connection is made
        from kubernetes import client, config, stream  # noqa: F401

        _ = (client.ApiClient, client.CoreV1Api)  # the library imports these when they are first named


def _status_object(raw: bytes) -> dict[str, Any]:
    try:
        data = json.loads(raw)
    except ValueError:
        return {}
    return data if isinstance(data, dict) and data.get("kind") == "Status" else {}


def _no_answer(error: BaseException) -> str:
    """Put an error of urllib3 (each wraps the one below) in words."""
    from urllib3 import exceptions as urllib3

    while isinstance(error, urllib3.MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, urllib3.ProxyError):
        return f"can't connect to the proxy: {_no_answer(error.original_error)}"
    text = without_logins(" ".join(str(error).split()))
    verify = re.search(r"certificate verify failed: (.+?) ?\(_ssl", text)
    if verify:
        return f"the server's certificate can't be trusted: {verify[1]}"
    if isinstance(error, urllib3.SSLError) or "SSL" in text:
        return f"TLS: {text}"
    if isinstance(error, urllib3.NameResolutionError):
        return "the name of the server can't be resolved"
    # Of urllib3's errors these two are subclasses of "no answer in time": the order matters.
    if isinstance(error, urllib3.NewConnectionError):
        cause = error.__cause__
        return f"can't connect: {(cause.strerror if isinstance(cause, OSError) else None) or text}"
    if isinstance(error, urllib3.ConnectTimeoutError):
        return "can't connect: no answer in time"
    if isinstance(error, urllib3.TimeoutError):
        return "no answer in time"
    return text


def _exec_result(stdout: str, stderr: str, status: str) -> ExecResult:
    try:
        data = json.loads(status)
    except ValueError:
        return ExecResult(-1, stdout, stderr + "the connection ended without an exit code")
    if data.get("status") == "Success":
        return ExecResult(0, stdout, stderr)
    causes = (data.get("details") or {}).get("causes") or ()
    codes = [str(cause.get("message")) for cause in causes if cause.get("reason") == "ExitCode"]
    if codes and codes[0].isdigit():
        return ExecResult(int(codes[0]), stdout, stderr)
    return ExecResult(-1, stdout, stderr + str(data.get("message", "")))


def _handshake_status(error: Exception) -> int:
    # websocket-client's words; the status is nowhere else to be had.
    found = re.search(r"Handshake status (\d+)", str(error))
    return int(found[1]) if found else 0


def _handshake_message(error: Exception) -> str:
    text = str(getattr(error, "reason", "") or error)
    found = re.search(r'"message":("(?:[^"\\]|\\.)*")', text)
    with contextlib.suppress(ValueError):
        return str(json.loads(found[1])) if found else " ".join(text.split())[:300]
    return found[1] if found else ""
