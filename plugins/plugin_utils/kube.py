# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API server: a connection with clear errors, plain JSON requests, and what Friday has to be allowed to do.

Requests are JSON in and JSON out: the typed models of the ``kubernetes`` client take four times the time on a list of
5,000 pods and give nothing to code that turns them into its own dataclasses at once.
The client is imported when the first connection is made: it takes 0.4 s, and a process that merely lists tags has no
use for it. A run preloads it in the process that its workers are forked from.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import json
import logging
import os
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

PAGE = 500
"""Objects a list request: what kubectl asks for."""

_CONNECT_SECONDS = 5.0
_RIGHTS_AT_ONCE = 8
_SUBJECT = "friday_kubeconfig"
_LOGIN = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#@]+@", re.IGNORECASE)
_ANONYMOUS = "system:anonymous"
_SHORTEST_SECRET = 6
_NO_SECRETS = frozenset(
    (
        *("apiVersion", "command", "interactiveMode", "installHint", "name", "username", "as"),
        *("client-certificate", "client-key", "tokenFile", "client-certificate-data"),
    )
)
"""Keys in a user of a kubeconfig whose values may be told."""


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
        super().__init__(Problem(request or "API server", words, _advice(status)))


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


def connect(kubeconfig: str = "", context: str = "", timeout: float = 30.0) -> Api:
    """Connect to the cluster and make sure that it answers and knows us.

    Args:
        kubeconfig: path; empty takes ``$K8S_AUTH_KUBECONFIG``, ``$KUBECONFIG`` or ``~/.kube/config`` (in this order).
        context: name in the file; empty takes its current context.
        timeout: seconds that a request may wait for an answer.

    Raises:
        KubeError: with what is wrong and what to do, for each way in which this can fail.
    """
    paths = kubeconfig_paths(kubeconfig)
    _check_context(paths, context)
    configuration = _configuration(paths, context)
    from kubernetes.client import ApiClient
    from urllib3.exceptions import LocationValueError

    try:
        api = Api(ApiClient(configuration), timeout)
    except LocationValueError as error:
        text = f"{paths[0]}: its server or its proxy-url is no URL: {_masked(str(error), paths)}"
        raise KubeError(Problem(_SUBJECT, text, "check the file")) from None
    try:
        api.version = str(api.get("/version").get("gitVersion", ""))
        api.user = _who(api)
    except ApiError as error:
        raise KubeError(_connection_problem(error, api, configuration)) from error
    return api


def kubeconfig_paths(kubeconfig: str = "") -> list[Path]:
    """The kubeconfigs that are meant by ``friday_kubeconfig``, or by the environment when it is empty.

    Raises:
        KubeError: none of them is there.
    """
    named = kubeconfig or os.environ.get("K8S_AUTH_KUBECONFIG") or os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    found = [path for path in paths if path.is_file()]
    if not found:
        what = "is a folder" if paths and paths[0].is_dir() else "no such file"
        raise KubeError(
            Problem(_SUBJECT, f"{named}: {what}", "give the path of a kubeconfig (or set K8S_AUTH_KUBECONFIG)")
        )
    return found


def _check_context(paths: Iterable[Path], context: str) -> None:
    """Find what the client library has no clear words for: a file that is no kubeconfig, a context that isn't there."""
    import yaml  # type: ignore[import-untyped]

    names: list[str] = []
    current = ""
    for path in paths:
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise KubeError(Problem(_SUBJECT, f"{path}: {error.strerror}", "make the file readable")) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark else ""
            raise KubeError(Problem(_SUBJECT, f"{path} is not YAML{where}", "check the file")) from error
        if not isinstance(data, dict) or not isinstance(data.get("clusters"), list):
            raise KubeError(Problem(_SUBJECT, f"{path} is not a kubeconfig: it has no clusters", "check the path"))
        names += [str(item.get("name")) for item in data.get("contexts") or () if isinstance(item, dict)]
        current = current or str(data.get("current-context") or "")
    known = f"the file has {', '.join(names)}" if names else "the file has none"
    if context and context not in names:
        raise KubeError(Problem("friday_context", f"there is no context {context!r}", known))
    if not context and not current:
        raise KubeError(Problem("friday_context", "the kubeconfig has no current-context", f"name one: {known}"))


def _configuration(paths: Sequence[Path], context: str) -> Configuration:
    from kubernetes import client, config
    from urllib3 import Retry

    configuration = client.Configuration()
    # The library writes what a kubeconfig has inside (a private key, for one) to files, for OpenSSL to read.
    folder = tempfile.mkdtemp(prefix="friday-")
    # A forked worker of Ansible runs the finalizers of multiprocessing at its end, and none of atexit.
    remove = Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=0)
    complaints = _Complaints()
    try:
        with complaints:
            config.load_kube_config(
                config_file=os.pathsep.join(map(str, paths)),
                context=context or None,
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=folder,
            )
        _take_into_memory(configuration, folder)
    except (config.ConfigException, KeyError, TypeError, ValueError, binascii.Error, OSError) as error:
        remove()
        raise KubeError(Problem(_SUBJECT, f"{paths[0]}: {_masked(str(error), paths)}", "check the file")) from None
    if complaints.texts:
        remove()
        text = _masked("; ".join(complaints.texts), paths)
        advice = "run by hand the program that it names for its credentials"
        raise KubeError(Problem(_SUBJECT, f"{paths[0]}: it gives no credentials: {text}", advice))
    # Only reads are tried again, and where the server asks for it (429, 503); all else is for the caller to decide.
    configuration.retries = Retry(
        total=3, connect=1, read=1, redirect=0, other=0, status=2, allowed_methods=["GET"], backoff_factor=0.2
    )
    return configuration


class _Complaints(logging.Filter):
    """What the library logs instead of raising it: that the program failed which a kubeconfig names for credentials.

    It is taken from the log, as the program's own words may have a secret in them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._handler = logging.NullHandler()  # without any, logging.error sets one up that writes to stderr

    def filter(self, record: logging.LogRecord) -> bool:
        if record.module != "kube_config":
            return True
        self.texts.append(record.getMessage())
        return False

    def __enter__(self) -> None:
        root = logging.getLogger()
        root.addHandler(self._handler)
        root.addFilter(self)

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeFilter(self)
        root.removeHandler(self._handler)


def _take_into_memory(configuration: Configuration, folder: str) -> None:
    """Move the files in ``folder`` that the connection needs into memory: there a killed process leaves no key behind.

    Where there is no memfd_create(2), as on macOS, they stay until the process ends.
    """
    if not hasattr(os, "memfd_create"):
        return
    kept: dict[str, str] = {}
    hook = configuration.refresh_api_key_hook

    def take(current: Configuration) -> None:
        for name in ("cert_file", "key_file", "ssl_ca_cert"):
            path = Path(getattr(current, name) or "/")
            if str(path.parent) != folder:
                continue
            if path.exists():
                descriptor = os.memfd_create(name)
                weakref.finalize(configuration, os.close, descriptor)
                os.write(descriptor, path.read_bytes())
                kept[name] = f"/proc/self/fd/{descriptor}"
            setattr(current, name, kept[name])
        shutil.rmtree(folder, ignore_errors=True)

    def refresh(current: Configuration) -> None:
        hook(current)  # with a token it is called for each request; it names the files again, and itself as the hook
        take(current)
        current.refresh_api_key_hook = refresh

    take(configuration)
    if hook:
        configuration.refresh_api_key_hook = refresh


def _masked(text: str, paths: Iterable[Path]) -> str:
    """``text`` in one line, with nothing in it that is a secret in these kubeconfigs."""
    import yaml

    for path in paths:
        with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
            secrets = {secret for user in data.get("users") or () for secret in _strings(user.get("user"))}
            for secret in sorted(secrets, key=len, reverse=True):
                text = text.replace(secret, "***")
    return without_logins(" ".join(text.split()))


def _strings(value: Any) -> Iterator[str]:
    """All text in a kubeconfig's user that is long enough for a secret, but for names: of keys, files and programs."""
    if isinstance(value, str):
        # An option is told, its value is not: --password=...
        _, _, found = value.rpartition("=") if value.startswith("-") else ("", "", value)
        if len(found) >= _SHORTEST_SECRET:
            yield found
    for name, part in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        if name not in _NO_SECRETS:
            yield from _strings(part)


def without_logins(text: str) -> str:
    """``text`` without what stands before the host in its URLs: ``https://name:password@host`` becomes ``https://***@host``."""
    return _LOGIN.sub(r"\1***@", text)


def _who(api: Api) -> str:
    """Ask the server for our name. Reading the version proves nothing: anybody may."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = api.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)
    except ApiError as error:
        # Before Kubernetes 1.28 there is no such thing: administrators are told so, others that it is forbidden.
        if error.status == 404 or (error.status == 403 and _ANONYMOUS not in error.message):
            return ""
        raise
    return str(answer["status"]["userInfo"]["username"])


def _connection_problem(error: ApiError, api: Api, configuration: Configuration) -> Problem:
    if error.status == 401:
        expired = _expired_credentials(configuration)
        if expired:
            return Problem(_SUBJECT, expired, "get a new kubeconfig")
        return Problem(_SUBJECT, f"{api.server} does not accept its credentials (401)", "get a new kubeconfig")
    if error.status == 403 and _ANONYMOUS in error.message:
        return Problem(
            _SUBJECT, f"it has no credentials that {api.server} knows: {error.message}", "check the user of the context"
        )
    if error.status:
        return Problem(_SUBJECT, f"{api.server}: {error.message} ({error.status})", _advice(error.status))
    return Problem(_SUBJECT, f"{api.server}: {error.message}", "check the server's address and the way to it")


def _expired_credentials(configuration: Configuration) -> str:
    """Say what has expired: the client certificate or the token (a JWT). Empty when neither shows a date gone by."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if configuration.cert_file:
        from cryptography import x509

        try:
            certificate = x509.load_pem_x509_certificate(Path(configuration.cert_file).read_bytes())
        except (OSError, ValueError):
            return ""
        # not_valid_after_utc came with cryptography 42; Ubuntu 24.04 has 41, whose field is UTC without saying so.
        end = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after.replace(
            tzinfo=datetime.timezone.utc
        )
        if end < now:
            return f"the client certificate expired on {end:%Y-%m-%d %H:%M} UTC"
    token = str((configuration.api_key or {}).get("BearerToken", "")).removeprefix("Bearer ")
    expiry = _token_expiry(token)
    if expiry and expiry < now.timestamp():
        end = datetime.datetime.fromtimestamp(expiry, datetime.timezone.utc)
        return f"the token expired on {end:%Y-%m-%d %H:%M} UTC"
    return ""


def _token_expiry(token: str) -> float:
    """``exp`` of a JSON Web Token (RFC 7519), 0 when it isn't one or has none."""
    parts = token.split(".")
    if len(parts) != 3:
        return 0.0
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims.get("exp", 0))
    except (ValueError, AttributeError, TypeError):
        return 0.0


def _advice(status: int) -> str:
    return {
        0: "is the API server up and reachable from here?",
        401: "get a new kubeconfig",
        403: "give this user the right that the message names",
    }.get(status, "")


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


@dataclass(frozen=True)
class Need:
    """One right that Friday needs.

    ``where`` is empty for the whole cluster, ``friday`` for Friday's own namespace, ``dns`` for kube-system. Two are
    for clusters with Cilium alone: ``cilium`` for the whole cluster, ``agents`` for the namespaces of its agents. One,
    ``missing``, is for the whole cluster while Friday's namespace isn't there.
    """

    verb: str
    group: str
    resource: str  # with its subresource: pods/eviction
    why: str
    where: str = ""
    name: str = ""  # of the only object that it is for; empty: all

    def rule(self) -> dict[str, list[str]]:
        """The need as a rule of a Role or ClusterRole."""
        rule = {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]}
        return {**rule, "resourceNames": [self.name]} if self.name else rule


_SNAPSHOT, _LEASE, _RECORD = "see the state of the cluster", "hold the lock", "keep the record of the run"
_AGENT = "ask the network agents"

NEEDS: tuple[Need, ...] = (
    *(
        Need("list", group, resource, _SNAPSHOT)
        for group, resource in (
            ("", "nodes"),
            ("", "pods"),
            ("apps", "deployments"),
            ("apps", "statefulsets"),
            ("apps", "daemonsets"),
            ("policy", "poddisruptionbudgets"),
            ("discovery.k8s.io", "endpointslices"),
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
            ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
            ("apiregistration.k8s.io", "apiservices"),
        )
    ),
    Need("list", "", "services", "find the DNS service", "dns"),
    Need("get", "", "nodes", "cordon and uncordon"),
    Need("patch", "", "nodes", "cordon and uncordon"),
    Need("create", "", "pods/eviction", "drain"),
    Need("list", "cilium.io", "ciliumendpoints", _SNAPSHOT, "cilium"),
    # The request for a web socket is a GET; from 1.35 on, the server asks for "create" as well (KEP-5325).
    Need("get", "", "pods/exec", _AGENT, "agents"),
    Need("create", "", "pods/exec", _AGENT, "agents"),
    Need("get", "", "pods/log", _AGENT, "agents"),
    # In a namespace, the namespace itself: a Role grants it.
    Need("get", "", "namespaces", _LEASE, "friday"),
    Need("create", "", "namespaces", _LEASE, "missing"),
    Need("list", "coordination.k8s.io", "leases", "see that no other Friday is at work", name="friday"),
    *(Need(verb, "coordination.k8s.io", "leases", _LEASE, "friday") for verb in ("get", "create", "update")),
    *(Need(verb, "", "configmaps", _RECORD, "friday") for verb in ("get", "list", "create", "patch", "delete")),
)
"""Everything that Friday asks of the API server. Whatever the plugins come to do, belongs here.

manifests/rights.yaml grants just this, but for what is needed while the namespace is missing: it makes that.
"""


def check_rights(api: Api, namespace: str) -> tuple[Problem, ...]:
    """Return a problem for each right of :data:`NEEDS` that we lack (SelfSubjectAccessReview); empty when all is well.

    ``namespace`` is Friday's own.
    """
    agents = _agent_namespaces(api)
    places: dict[str, tuple[str, ...]] = {
        "": ("",),
        "friday": (namespace,),
        "missing": ("",) if _is_missing(api, namespace) else (),
        "dns": ("kube-system",),
        "cilium": ("",) if agents else (),
        "agents": agents,
    }
    asked = [(need, place) for need in NEEDS for place in places[need.where]]
    with ThreadPoolExecutor(_RIGHTS_AT_ONCE) as pool:
        allowed = list(pool.map(lambda item: _allowed(api, *item), asked))
    missing = [item for item, yes in zip(asked, allowed, strict=True) if not yes]
    return tuple(_missing_right(api, need, place) for need, place in missing)


def _agent_namespaces(api: Api) -> tuple[str, ...]:
    """Where Cilium's agents are, by their DaemonSet and by themselves: one of the two may be hidden from us."""
    found: set[str] = set()
    for path in ("/apis/apps/v1/daemonsets", "/api/v1/pods"):
        try:
            found |= {item["metadata"]["namespace"] for item in api.items(path, labelSelector="k8s-app=cilium")}
        except ApiError:
            continue  # that we may not list them is a problem of its own
    return tuple(sorted(found))


def _is_missing(api: Api, namespace: str) -> bool:
    """True when the namespace isn't there. Whether it is may be hidden from us: then the right to see it is missing."""
    try:
        api.get(f"/api/v1/namespaces/{namespace}")
    except ApiError as error:
        return error.status == 404
    return False


def _allowed(api: Api, need: Need, place: str) -> bool:
    resource, _, subresource = need.resource.partition("/")
    attributes = {"verb": need.verb, "group": need.group, "resource": resource, "subresource": subresource}
    if place:
        attributes["namespace"] = place
    if need.name:
        attributes["name"] = need.name
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
    return bool(answer["status"].get("allowed"))


def _missing_right(api: Api, need: Need, place: str) -> Problem:
    resource = f"{need.resource}.{need.group}" if need.group else need.resource
    resource += f" named {need.name}" if need.name else ""
    where = f"in namespace {place}" if place else "in the whole cluster"
    kind = "Role" if place else "ClusterRole"
    return Problem(
        f"rights of {api.user or 'the user'}",
        f"may not {need.verb} {resource} {where} (needed to {need.why})",
        f"add to a {kind} of theirs: {json.dumps(need.rule())}",
    )
