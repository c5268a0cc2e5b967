# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubeconfigs that are wrong, and commands over a real web socket (to a stand-in with the API server's protocol)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api, ExecResult, preload
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import _who, connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError, KubeError, without_logins
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.kubeconfig import configuration_of, merged
from tests.support.pki import Authority


def refusal(path: str, context: str = "") -> str:
    with pytest.raises(KubeError) as caught:
        connect(path, context)
    return caught.value.problem.line()


def write(path: Path, **changes: object) -> str:
    data = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u"}}, {"name": "prod", "context": {}}],
        "current-context": "lab",
    }
    path.write_text(yaml.safe_dump({**data, **changes}))
    return str(path)


def test_no_such_file(tmp_path: Path) -> None:
    line = refusal(str(tmp_path / "none"))
    assert line.startswith(f"friday_kubeconfig: {tmp_path}/none: no such file")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(str(tmp_path))


def test_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("clusters:\n - {name: [\n")
    assert "is not YAML (line " in refusal(str(path))
    path.write_bytes(b"\xff\xfe\x00binary")
    assert "is not YAML" in refusal(str(path))


@pytest.mark.parametrize("text", ["", "- a\n", "clusters: 1\n", "kind: Pod\n"])
def test_not_a_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    assert "is not a kubeconfig" in refusal(str(path))


def test_no_such_context(tmp_path: Path) -> None:
    line = refusal(write(tmp_path / "config"), "staging")
    assert line == "friday_context: the context 'staging' does not exist -> the file has lab, prod"


def test_no_current_context(tmp_path: Path) -> None:
    line = refusal(write(tmp_path / "config", **{"current-context": ""}))
    assert "has no current-context -> name one: the file has lab, prod" in line


CLUSTERS = {"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}]}
CONTEXTS = {
    "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u"}}],
    "users": [{"name": "u", "user": {}}],
}


def split(folder: Path, *parts: dict[str, object]) -> list[Path]:
    paths = [folder / f"part{number}" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_text(yaml.safe_dump(part) if part else "")
    return paths


@pytest.mark.parametrize(
    "parts",
    [
        ({"current-context": "lab"}, {**CLUSTERS, **CONTEXTS}),
        ({**CLUSTERS, **CONTEXTS}, {"current-context": "lab"}),
        (CLUSTERS, {}, {**CONTEXTS, "current-context": "lab"}),
        ({**CLUSTERS, "contexts": None, "current-context": ""}, {**CONTEXTS, "current-context": "lab"}),
    ],
)
def test_files_that_make_a_kubeconfig_together(tmp_path: Path, parts: tuple[dict[str, object], ...]) -> None:
    paths, context = merged(split(tmp_path, *parts), "")
    assert (context, configuration_of(paths, context).host) == ("lab", "https://127.0.0.1:1")


def test_of_several_the_first_counts(tmp_path: Path) -> None:
    other = {"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:2"}}]}
    prod = {"contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}], "current-context": "prod"}
    paths, context = merged(split(tmp_path, {**CLUSTERS, **CONTEXTS, "current-context": "lab"}, {**other, **prod}), "")
    assert (context, configuration_of(paths, context).host) == ("lab", "https://127.0.0.1:1")
    assert merged(paths, "prod")[1] == "prod", "a context of any of them may be named"


def test_files_that_make_no_kubeconfig_together(tmp_path: Path) -> None:
    several = os.pathsep.join(map(str, split(tmp_path, {"current-context": "lab"}, CONTEXTS)))
    assert "are not kubeconfigs: none has clusters" in refusal(several)
    several = os.pathsep.join(map(str, split(tmp_path, {"current-context": "gone"}, {**CLUSTERS, **CONTEXTS})))
    assert "the current-context 'gone' of the kubeconfig does not exist -> name another: the files have lab" in refusal(
        several
    )


def test_a_context_without_its_cluster(tmp_path: Path) -> None:
    assert "Expected key cluster" in refusal(write(tmp_path / "config"), "prod")
    assert "Expected object with name c in" in refusal(write(tmp_path / "config", clusters=[]))


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    user = {"client-certificate": "gone.crt", "client-key": "gone.key"}
    line = refusal(write(tmp_path / "config", users=[{"name": "u", "user": user}]))
    assert "gone.crt" in line


def test_where_the_kubeconfig_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("K8S_AUTH_KUBECONFIG", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    assert "~/.kube/config: no such file" in refusal("")
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubectl")
    assert "/nowhere/kubectl: no such file" in refusal("")
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", "/nowhere/ansible")
    assert "/nowhere/ansible: no such file" in refusal("")
    # Several files, as kubectl takes them: what isn't there is left out.
    both = os.pathsep.join(["/nowhere/a", write(tmp_path / "one")])
    assert "the context 'x' does not exist" in refusal(both, "x")


def test_without_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which package, for which Python: there may be several on a machine."""
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    line = refusal(write(tmp_path / "config"))
    assert line.startswith(f"kubernetes: the Python that runs Ansible, {sys.executable}, cannot import this package: ")
    assert line.endswith(f"-> install it for this Python: `{sys.executable} -m pip install kubernetes`")


def imported_after(code: str) -> bool:
    """Whether the client is there in a process that has run this code."""
    code += "\nimport sys; print({'kubernetes.client.api_client', 'kubernetes.config'} <= set(sys.modules))"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    return {"True\n": True, "False\n": False}[answer.stdout]


def test_the_client_is_imported_when_it_is_needed() -> None:
    assert not imported_after(f"import {connect.__module__}")
    assert imported_after(f"from {preload.__module__} import preload; preload()")


_FOLLOWED = """
from types import SimpleNamespace as Some
from ansible_collections.friday.upgrade.plugins.callback import journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

answer = {{"session": to_data(Session("run", "/nowhere", Policy(), plan_only=True))}}
journal.CallbackModule().v2_runner_on_ok(Some(_task=Some(action={action!r}), _result=answer))
"""


def test_a_run_preloads_it_for_its_workers_once_the_guard_has_opened_it() -> None:
    assert imported_after(_FOLLOWED.format(action="friday.upgrade.guard"))
    assert not imported_after(_FOLLOWED.format(action="friday.upgrade.event"))


# Secrets of a kubeconfig: not in messages, not on stderr, not in files that stay.


def plugin(folder: Path, script: str) -> list[dict[str, object]]:
    """A user whose credentials come from a program with two secrets."""
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(program),
        "args": ["login", "--key=argument-secret"],
        "env": [{"name": "KEY", "value": "env-secret"}],
    }
    return [{"name": "u", "user": {"exec": spec}}]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo "$1 $2 with $KEY: refused" >&2; exit 3', "process returned 3. login --key=*** with ***: refused"),
        ("echo '{}'", "missing key 'apiVersion'"),
        ("exit 0", "failed to decode process output"),
    ],
)
def test_a_program_for_credentials_that_fails_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], script: str, message: str
) -> None:
    line = refusal(write(tmp_path / "config", users=plugin(tmp_path, script)))
    assert message in line
    assert "secret" not in line
    assert capfd.readouterr().err == ""


def embedded(folder: Path) -> str:
    """A kubeconfig with all its keys inside."""
    authority = Authority(folder / "pki")
    pair = authority.certificate("ann")
    data = {
        f"{name}-data": base64.b64encode(path.read_bytes()).decode()
        for name, path in (("client-certificate", pair.certificate), ("client-key", pair.key))
    }
    ca = base64.b64encode(authority.ca.read_bytes()).decode()
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority-data": ca}
    return write(folder / "config", users=[{"name": "u", "user": data}], clusters=[{"name": "c", "cluster": cluster}])


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux alone keeps files in memory")
def test_a_key_never_stays_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = embedded(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for _ in range(2):  # the library remembers where it has put them the first time
        assert "can't connect: Connection refused" in refusal(path)
        assert not list((tmp_path / "tmp").iterdir())


def test_without_memory_files_a_key_goes_with_the_process(tmp_path: Path) -> None:
    """A forked one too, such as the workers of Ansible are."""
    path = embedded(tmp_path)
    (tmp_path / "tmp").mkdir()
    code = f"""
import multiprocessing, os, pathlib, sys
from {connect.__module__} import connect
from {KubeError.__module__} import KubeError
if hasattr(os, "memfd_create"):
    del os.memfd_create
def work():
    try:
        connect({path!r})
    except KubeError as error:
        assert "Connection refused" in str(error), error
    assert list(pathlib.Path({str(tmp_path)!r}, "tmp").glob("*/*"))
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
sys.exit(child.exitcode)
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "tmp")}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://ann:secret@host:6443/x", "https://***@host:6443/x"),
        ("can't reach http://secret@proxy, or HTTP://a:b@c", "can't reach http://***@proxy, or HTTP://***@c"),
        ("https://host/ann@example.com", "https://host/ann@example.com"),
        ("mail ann@example.com about https://host", "mail ann@example.com about https://host"),
    ],
)
def test_logins_in_urls_are_left_out(text: str, told: str) -> None:
    assert without_logins(text) == told


# exec: web socket frames of the protocol v5.channel.k8s.io, the first byte of each being the channel.

SUCCESS = json.dumps({"status": "Success"})
Speak = Callable[[socket.socket], None]


def frame(channel: int, text: str) -> bytes:
    payload = bytes([channel]) + text.encode()
    size = (
        struct.pack("!BB", 0x82, len(payload)) if len(payload) < 126 else struct.pack("!BBH", 0x82, 126, len(payload))
    )
    return size + payload


CLOSE = b"\x88\x02\x03\xe8"


@contextlib.contextmanager
def server(speak: Speak) -> Iterator[Api]:
    """A web socket server for one connection, which says what it is told to."""
    from kubernetes.client import ApiClient, Configuration

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                speak(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{listener.getsockname()[1]}"
    configuration.proxy = None
    try:
        yield Api(ApiClient(configuration), timeout=5)
    finally:
        listener.close()
        thread.join(5)


def says(*frames: bytes, end: bool = True) -> Speak:
    def speak(connection: socket.socket) -> None:
        request = connection.recv(65536).decode()
        key = next(line.split(": ")[1] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Accept: {accept.decode()}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
        connection.sendall(head.encode())
        for part in frames:
            connection.sendall(part)
            time.sleep(0.02)
        if end:
            connection.sendall(CLOSE)
        connection.recv(1024)

    return speak


def run(api: Api, timeout: float = 5) -> ExecResult:
    return api.exec("ns", "pod", "main", ["cat", "file"], timeout=timeout)


def test_exec_collects_output_from_many_frames() -> None:
    long = "x" * 60000
    frames = (frame(1, "one "), frame(2, "warning"), frame(1, long), frame(1, " é"), frame(3, SUCCESS))
    with server(says(*frames)) as api:
        assert run(api) == ExecResult(0, f"one {long} é", "warning")


def test_exec_has_the_exit_code() -> None:
    causes = {"causes": [{"reason": "ExitCode", "message": "42"}]}
    status = {"status": "Failure", "reason": "NonZeroExitCode", "details": causes}
    with server(says(frame(2, "no such thing"), frame(3, json.dumps(status)))) as api:
        assert run(api) == ExecResult(42, "", "no such thing")


def test_exec_of_no_such_program() -> None:
    status = {"status": "Failure", "reason": "InternalError", "message": "executable file not found in $PATH"}
    with server(says(frame(3, json.dumps(status)))) as api:
        assert run(api) == ExecResult(-1, "", "executable file not found in $PATH")


def test_exec_that_is_cut_off() -> None:
    with server(says(frame(1, "half"))) as api:
        found = run(api)
    assert found.code == -1
    assert "without an exit code" in found.stderr


@pytest.mark.parametrize(
    "speak", [says(frame(1, "and then nothing"), end=False), lambda c: c.recv(65536) and time.sleep(3)]
)
def test_exec_that_never_ends(speak: Speak) -> None:
    """In the middle of the output, and before the first word: a client without a time limit would wait for ever."""
    with server(speak) as api:
        began = time.monotonic()
        with pytest.raises(ApiError, match=r"no answer to cat file within 0\.5 s"):
            run(api, timeout=0.5)
        assert time.monotonic() - began < 2.5


def test_exec_that_is_refused() -> None:
    status = json.dumps({"kind": "Status", "message": 'pods "pod" is forbidden', "code": 403})

    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(status)}\r\n\r\n"
        connection.sendall(head.encode() + status.encode())

    with server(refuse) as api, pytest.raises(ApiError) as caught:
        run(api)
    assert caught.value.status == 403
    assert "is forbidden" in caught.value.message


@pytest.mark.parametrize(("status", "message"), [(404, "not found"), (403, 'forbidden: User "ann" cannot create')])
def test_servers_that_tell_nobody_his_name_are_no_obstacle(status: int, message: str) -> None:
    class Server:
        def request(self, *_: object, **__: object) -> None:
            raise ApiError(status, message)

    assert _who(Server()) == ""  # type: ignore[arg-type]


def test_a_nobody_is_told_so() -> None:
    class Server:
        def request(self, *_: object, **__: object) -> None:
            raise ApiError(403, 'forbidden: User "system:anonymous" cannot create resource "selfsubjectreviews"')

    with pytest.raises(ApiError):
        _who(Server())  # type: ignore[arg-type]
