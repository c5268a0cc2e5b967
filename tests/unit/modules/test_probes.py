# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes, against sockets of this machine's own."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import probes
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, Unreadable
from tests.unit.modules.fakes import FakeSystem


def probe(kind: str, target: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "target": target, "timeout": 2.0, "name": None, "status": [], "validate_certs": True, **more}


def run(tmp_path: Path, *wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return probes.run_all(FakeSystem(tmp_path), wanted)


@pytest.fixture
def dns_server() -> Iterator[Callable[..., int]]:
    """Starts a server that gives the answers of a function (None: no answer) and returns its port."""
    servers: list[socket.socket] = []

    def start(answer: Callable[[bytes], bytes | None]) -> int:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            while True:
                try:
                    query, client = server.recvfrom(512)
                except OSError:
                    return
                reply = answer(query)
                if reply is not None:
                    server.sendto(reply, client)

        threading.Thread(target=serve, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.close()


def reply(query: bytes, code: int = 0, answers: int = 1) -> bytes:
    return query[:2] + struct.pack("!5H", 0x8180 | code, 1, answers, 0, 0) + query[12:]


def test_dns_answers_and_refusals(tmp_path: Path, dns_server: Callable[..., int]) -> None:
    good = dns_server(reply)
    missing = dns_server(lambda query: reply(query, code=3, answers=0))
    empty = dns_server(lambda query: reply(query, answers=0))
    results = run(
        tmp_path, *(probe("dns", f"127.0.0.1:{port}", query="web.default.svc") for port in (good, missing, empty))
    )
    assert [one["error"] for one in results] == ["", "NXDOMAIN", "the name has no address"]
    assert results[0]["ok"] and results[0]["target"] == f"web.default.svc@127.0.0.1:{good}"


def test_dns_asks_again_when_a_datagram_is_lost(tmp_path: Path, dns_server: Callable[..., int]) -> None:
    seen: list[bytes] = []

    def second(query: bytes) -> bytes | None:
        seen.append(query)
        return reply(query) if len(seen) > 1 else None

    (result,) = run(tmp_path, probe("dns", f"127.0.0.1:{dns_server(second)}", query="a.b"))
    assert result["ok"] and len(seen) == 2


def test_what_a_probe_stands_for_is_handed_through(tmp_path: Path, dns_server: Callable[..., int]) -> None:
    target = f"127.0.0.1:{dns_server(reply)}"
    (result,) = run(tmp_path, probe("dns", target, query="a.b", name="DNS service"))
    assert (result["name"], result["target"]) == ("DNS service", f"a.b@{target}")


def test_dns_takes_no_answer_to_another_question(tmp_path: Path, dns_server: Callable[..., int]) -> None:
    port = dns_server(lambda query: b"\0\0" + reply(query)[2:])
    (result,) = run(tmp_path, probe("dns", f"127.0.0.1:{port}", query="a.b", timeout=0.5))
    assert result["error"] == "no answer within 0.5 s"


def test_the_question_is_as_rfc_1035_has_it() -> None:
    query = probes.dns_query(0x1234, "www.example.com", 1)
    assert query == bytes.fromhex("123401000001000000000000") + b"\3www\7example\3com\0" + b"\0\1\0\1"


def test_tcp(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (result,) = run(tmp_path, probe("tcp", f"127.0.0.1:{port}"))
        assert result["ok"] and result["error"] == ""
    (result,) = run(tmp_path, probe("tcp", f"127.0.0.1:{port}"))
    assert not result["ok"] and result["error"] == "Connection refused"


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


def test_http(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        wanted = [probe("http", f"{url}/{status}") for status in (200, 302, 503)]
        results = run(tmp_path, *wanted, probe("http", f"{url}/503", status=[503]))
        server.shutdown()
    assert [one["error"] for one in results] == ["", "", "HTTP status 503", ""]
    (result,) = run(tmp_path, probe("http", url))
    assert result["error"] == "Connection refused"


def test_all_at_once_and_no_longer_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_KINDS", {"tcp": lambda _probe: time.sleep(30) or ""})
    monkeypatch.setattr(probes, "_GRACE", 0.0)
    started = time.monotonic()
    results = run(tmp_path, *(probe("tcp", f"host:{port}", timeout=0.3) for port in range(20)))
    assert time.monotonic() - started < 2
    assert [one["target"] for one in results] == [f"host:{port}" for port in range(20)]
    assert {one["error"] for one in results} == {"no answer within 0.3 s"}


def test_ping_by_the_program(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path, programs=("ping",))
    system.answers = {
        "10.0.0.1": "1 packets transmitted, 1 received",
        "10.0.0.2": Result(1, "2 packets transmitted, 0 received", ""),
        "nowhere": Result(2, "", "ping: nowhere: Name or service not known"),
        "10.0.0.3": Unreadable("ping did not answer within 3 s"),
    }
    results = probes.run_all(system, [probe("ping", host) for host in ("10.0.0.1", "10.0.0.2", "nowhere", "10.0.0.3")])
    assert [one["error"] for one in results] == [
        "",
        "no answer within 2 s",
        "ping: nowhere: Name or service not known",
        "no answer within 2 s",
    ]


def test_ping_by_tcp_where_no_icmp_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_probe: dict[str, Any]) -> str:
        raise PermissionError

    monkeypatch.setattr(probes, "_ping_socket", forbidden)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(probes, "_TCP_FALLBACK_PORT", server.getsockname()[1])
        assert run(tmp_path, probe("ping", "127.0.0.1"))[0]["ok"]
    assert run(tmp_path, probe("ping", "127.0.0.1"))[0]["ok"]  # refused: it is there all the same


def test_ping_by_a_socket(tmp_path: Path) -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except PermissionError:
        pytest.skip("needs root")
    assert probes._ping_socket(probe("ping", "127.0.0.1")) == ""


def test_the_checksum_of_rfc_1071() -> None:
    assert probes.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (probe("dns", "10.96.0.10"), "needs a query"),
        (probe("tcp", "10.0.0.1:1", query="x"), "must not have a query"),
        (probe("tcp", "10.0.0.1"), "not of the form host:port"),
        (probe("tcp", "10.0.0.1:http"), "not of the form host:port"),
        (probe("http", "10.0.0.1"), "not an http or https URL"),
        (probe("dns", "10.96.0.10", query="a..b"), "a..b"),
        (probe("ping", "10.0.0.1", timeout=0.0), "must be above 0"),
        (probe("tcp", "[fd00::1]:443"), ""),
        (probe("dns", "fd00::1", query="a.b"), ""),
        (probe("ping", "node2"), ""),
    ],
)
def test_probes_that_make_no_sense_are_refused(wanted: dict[str, Any], said: str) -> None:
    found = probes.problem(wanted)
    assert said in found if said else not found
