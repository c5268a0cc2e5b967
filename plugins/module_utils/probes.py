# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes from this machine to others: tcp, ping, http, dns. All at once, each with its own time limit.

A probe is a dictionary with ``kind``, ``target``, ``timeout`` (seconds), and for dns ``query``, for http ``status`` and
``validate_certs``; ``name``, where there is one, says what it stands for and is handed through. Results have kind,
name, target, ok, error and seconds; a dns probe's target is told as ``query@server``.
"""

from __future__ import annotations

import math
import os
import socket
import ssl
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from .system import System, Unreadable

Probe = dict[str, Any]

_DNS_PORT = 53
_DNS_TYPES = (1, 28)  # A, AAAA (RFC 1035, RFC 3596)
_DNS_ERRORS = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_DNS_AGAIN = 1.0  # seconds after which a question is asked again: a datagram may be lost
_TCP_FALLBACK_PORT = 22
_GRACE = 1.0  # seconds that a probe may need beyond its limit to report by itself


def problem(probe: Probe) -> str:
    """What is wrong with a probe as it was asked for; empty when nothing is."""
    kind, target, query = probe["kind"], probe["target"], probe.get("query")
    if (kind == "dns") != bool(query):
        return f"the {kind} probe of {target!r} {'needs a' if kind == 'dns' else 'must not have a'} query"
    if probe["timeout"] <= 0:
        return f"the timeout of the {kind} probe of {target!r} must be above 0"
    if kind == "http" and not target.startswith(("http://", "https://")):
        return f"{target!r} is not an http or https URL"
    try:
        if kind in ("tcp", "dns"):
            split_port(target, _DNS_PORT if kind == "dns" else None)
        if kind == "dns":
            dns_query(0, probe["query"], _DNS_TYPES[0])
    except ValueError as error:
        return str(error)
    return ""


def run_all(system: System, probes: Sequence[Probe]) -> list[dict[str, Any]]:
    """Run all probes in parallel; results in the order of ``probes``.

    Takes as long as the largest timeout, even where a system call has no limit of its own (resolving a name): such a
    probe is given up, its thread ends with the module.
    """
    results: list[dict[str, Any] | None] = [None] * len(probes)

    def work(index: int) -> None:
        results[index] = _run(system, probes[index])

    started = time.monotonic()
    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(len(probes))]
    for thread in threads:
        thread.start()
    for thread, probe in zip(threads, probes):
        thread.join(max(0.0, started + probe["timeout"] + _GRACE - time.monotonic()))
    return [
        result or _result(probe, f"no answer within {probe['timeout']:g} s", time.monotonic() - started)
        for result, probe in zip(results, probes)
    ]


def _run(system: System, probe: Probe) -> dict[str, Any]:
    started = time.monotonic()
    try:
        error = _ping(system, probe) if probe["kind"] == "ping" else _KINDS[probe["kind"]](probe)
    except socket.timeout:
        error = f"no answer within {probe['timeout']:g} s"
    except OSError as problem:
        error = problem.strerror or str(problem)
    except ValueError as problem:
        error = str(problem)
    return _result(probe, error, time.monotonic() - started)


def _result(probe: Probe, error: str, seconds: float) -> dict[str, Any]:
    target = f"{probe['query']}@{probe['target']}" if probe["kind"] == "dns" else probe["target"]
    return {
        "kind": probe["kind"],
        "name": probe.get("name") or "",
        "target": target,
        "ok": not error,
        "error": error[:300],
        "seconds": round(seconds, 3),
    }


def split_port(target: str, default: int | None = None) -> tuple[str, int]:
    """``host:port``, ``[v6]:port``, or a host alone where there is a default.

    Raises:
        ValueError: there is no port, or it is no number.
    """
    host, colon, port = target.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):  # no colon, or an IPv6 address alone
        host, port = target, ""
    if port.isdigit():
        return host.strip("[]"), int(port)
    if port or default is None:
        raise ValueError(f"{target!r} is not of the form host:port")
    return host.strip("[]"), default


def _tcp(probe: Probe) -> str:
    socket.create_connection(split_port(probe["target"]), probe["timeout"]).close()
    return ""


def _http(probe: Probe) -> str:
    context = ssl.create_default_context()
    if not probe.get("validate_certs", True):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # No proxy: the question is whether this machine reaches the target itself.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), _NoRedirect
    )
    try:
        with opener.open(probe["target"], timeout=probe["timeout"]) as answer:
            status = answer.status
    except urllib.error.HTTPError as answer:
        status = answer.code
    except urllib.error.URLError as problem:
        if isinstance(problem.reason, OSError):
            raise problem.reason from None
        return str(problem.reason)
    wanted = probe.get("status") or range(200, 400)
    return "" if status in wanted else f"HTTP status {status}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer of the target; where it leads to is another question."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def dns_query(number: int, name: str, kind: int) -> bytes:
    """A question for one name, recursion desired (RFC 1035, section 4.1).

    Raises:
        ValueError: the name has an empty or too long part.
    """
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is not a domain name")
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + question + struct.pack("!2H", kind, 1)


def dns_error(answer: bytes) -> str:
    """What the header of an answer says: empty when there is an address."""
    _number, flags, _questions, answers = struct.unpack("!4H", answer[:8])
    code = flags & 0x000F
    if code:
        return _DNS_ERRORS.get(code, f"response code {code}")
    return "" if answers else "the name has no address"


def _dns(probe: Probe) -> str:
    host, port = split_port(probe["target"], _DNS_PORT)
    family, _type, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    deadline = time.monotonic() + probe["timeout"]
    error = ""
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        # Connected: answers of others are dropped, and "port unreachable" is told at once.
        server.connect(address)
        for kind in _DNS_TYPES:
            number = int.from_bytes(os.urandom(2), "big")
            error = dns_error(_dns_ask(server, number, dns_query(number, probe["query"], kind), deadline))
            if not error:
                break
    return error


def _dns_ask(server: socket.socket, number: int, query: bytes, deadline: float) -> bytes:
    """The answer to a question, asked again each second.

    Raises:
        socket.timeout: none came before ``deadline``.
    """
    while True:
        server.send(query)
        again = time.monotonic() + _DNS_AGAIN
        while True:
            left = min(again, deadline) - time.monotonic()
            if left <= 0:
                break
            server.settimeout(left)
            try:
                answer = server.recv(4096)
            except socket.timeout:
                break
            # An answer (QR bit) to this very question.
            if len(answer) >= 12 and answer[2] & 0x80 and int.from_bytes(answer[:2], "big") == number:
                return answer
        if time.monotonic() >= deadline:
            raise socket.timeout


def _ping(system: System, probe: Probe) -> str:
    """One answer in time is enough. By the program, else with a socket of our own, else by TCP."""
    program = system.find("ping")
    if program:
        seconds = max(1, math.ceil(probe["timeout"]))
        # With both -c and -w it goes on until that many answers came, or the time is over (ping(8)).
        argv = [program, "-n", "-q", "-c", "1", "-w", str(seconds), probe["target"]]
        try:
            result = system.run(argv, timeout=probe["timeout"] + _GRACE)
        except Unreadable:
            return f"no answer within {probe['timeout']:g} s"
        return "" if result.rc == 0 else f"no answer within {seconds} s" if result.rc == 1 else result.reason()
    try:
        return _ping_socket(probe)
    except PermissionError:
        return _ping_tcp(probe)


def _ping_socket(probe: Probe) -> str:
    """ICMP echo (RFC 792, RFC 4443) with a datagram socket (icmp(7), ping_group_range), or a raw one as root."""
    family, _type, _protocol, _name, address = socket.getaddrinfo(probe["target"], None, type=socket.SOCK_DGRAM)[0]
    v6 = family == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    try:
        echo, raw = socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        echo, raw = socket.socket(family, socket.SOCK_RAW, protocol), True
    token = os.urandom(16)
    request = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, int.from_bytes(token[:2], "big"), 1) + token
    request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]
    deadline = time.monotonic() + probe["timeout"]
    with echo:
        echo.connect(address)
        while True:
            echo.send(request)
            echo.settimeout(max(0.01, min(1.0, deadline - time.monotonic())))
            try:
                answer = echo.recv(2048)
                # A raw IPv4 socket gives the IP header too (raw(7)), and sees its own request on loopback.
                packet = answer[(answer[0] & 0x0F) * 4 :] if raw and not v6 else answer
                if packet[:1] == (b"\x81" if v6 else b"\0") and packet.endswith(token):
                    return ""
            except socket.timeout:
                pass
            if time.monotonic() >= deadline:
                raise socket.timeout


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ping_tcp(probe: Probe) -> str:
    """Without any right to ICMP: a connection, and a refused one as well, proves that the machine is there."""
    try:
        socket.create_connection((probe["target"], _TCP_FALLBACK_PORT), probe["timeout"]).close()
    except ConnectionRefusedError:
        pass
    return ""


_KINDS: dict[str, Callable[[Probe], str]] = {"tcp": _tcp, "http": _http, "dns": _dns}
