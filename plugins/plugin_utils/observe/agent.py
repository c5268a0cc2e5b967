# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cilium's agent, asked itself on its own node, and the verifier's words in its log.

The agent's own "Ok" comes before any program is compiled, and stays when the verifier refuses one: the endpoints'
states, the failing controllers and the log are what tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api, ExecResult
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.rights import Need
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import AgentEndpoint, AgentStatus, Pod

NEEDS = (
    # The request for a web socket is a GET; from 1.35 on, the server asks for "create" as well (KEP-5325).
    Need("get", "", "pods/exec", "ask the network agents", "agents"),
    Need("create", "", "pods/exec", "ask the network agents", "agents"),
    Need("get", "", "pods/log", "ask the network agents", "agents", note="for the messages of the verifier"),
)
"""The rights that it takes."""

CONTAINER = "cilium-agent"
PROGRAMS = ("cilium-dbg", "cilium")
"""The agent's command line; called ``cilium`` before 1.15."""

COMMAND_SECONDS = 60.0
LOG_LINES = 2000
REFUSALS = 10
"""Different refusals that are kept: a broken datapath gives the same few again and again."""

_LINE = 400

_REFUSED = re.compile(r"\bprogram ([\w.]+): load program: (.+)")
"""How cilium/ebpf words a refusal, wherever it is quoted: the program, errno, the end of the verifier's log."""

_SECTION = re.compile(r"Prog section '([^']+)' rejected")
"""How iproute2 (Cilium before 1.12) names the program, some lines before the reason."""

_REASONS = re.compile(
    r"BPF program is too large\. Processed \d+ insn"
    r"|The sequence of \d+ jumps is too complex"
    r"|permission denied: .*invalid (?:mem )?access.*"
)
"""The verifier's reasons (kernel/bpf/verifier.c) that are told apart from other noise without a program's name."""

_TAIL = re.compile(r'\s*\((?:truncated|truncated, \d+ line\(s\) omitted|\d+ line\(s\) omitted)\).*$|\\?"(?:[ ,}].*)?$')
"""What follows the message: the library's note on lines left out, or the next fields of a log line."""


def read_agent(api: Api, pod: Pod, node: str, timeout: float = COMMAND_SECONDS) -> AgentStatus:
    """Ask the agent in ``pod`` for its status and its endpoints, and look through its log.

    Never raises: what went wrong is in ``error``. The log is read in any case, so that an agent which can't be asked
    still gives its refusals. Takes at most four times ``timeout`` seconds.
    """
    log, log_error = _log(api, pod, timeout)
    status = AgentStatus(
        node=node,
        pod=f"{pod.namespace}/{pod.name}",
        ready=pod.ready,
        restarts=pod.restarts,
        refusals=find_refusals(log),
    )
    try:
        program, health = _ask(api, pod, PROGRAMS, ("status",), timeout)
        _, endpoints = _ask(api, pod, (program,), ("endpoint", "list"), timeout)
        fields = {**parse_status(health), **parse_endpoints(endpoints)}
    except (ApiError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error) if isinstance(error, (ApiError, ValueError)) else f"an unexpected answer: {error!r}"
        return replace(status, error=reason + (f"; {log_error}" if log_error else _last_words(log)))
    if log_error:
        # Without its log a refusal would go unseen, and the agent's own words are not to be trusted on that.
        return replace(status, **fields, error=log_error)
    texts = (*(e.message for e in fields["endpoints"]), *fields["failing_controllers"].values())
    return replace(status, **fields, refusals=find_refusals("\n".join((log, *texts))))


def parse_status(health: dict[str, Any]) -> dict[str, Any]:
    """Read ``cilium-dbg status -o json`` (models.StatusResponse of Cilium 1.11 to 1.18) into fields of AgentStatus."""
    cilium = health.get("cilium") or {}
    message = str(cilium.get("msg", "")).split()
    routing = health.get("routing") or {}
    host = routing.get("intra-host-routing-mode") or (health.get("host-routing") or {}).get("mode", "")
    between = " ".join(filter(None, (routing.get("inter-host-routing-mode"), routing.get("tunnel-protocol"))))
    return {
        "version": message[0] if message else "",
        "state": str(cilium.get("state", "")),
        "routing": ", ".join(filter(None, (between, f"host {host}" if host else ""))),
        "kube_proxy_replacement": str((health.get("kube-proxy-replacement") or {}).get("mode", "")),
        "failing_controllers": _failing(health.get("controllers") or ()),
    }


def parse_endpoints(data: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Read ``cilium-dbg endpoint list -o json`` into the field ``endpoints`` of AgentStatus."""
    return {"endpoints": tuple(_endpoint(item) for item in data)}


def find_refusals(log: str) -> tuple[str, ...]:
    """Return the verifier's refusals in a log, each once, newest last: ``program NAME: REASON``, or the reason alone.

    Handles cilium/ebpf's messages (Cilium from 1.12 on; plain, or inside a log line's ``error="…"``) and iproute2's.
    """
    found: list[tuple[str, str]] = []
    program = ""
    for line in log.splitlines():
        refused, section, reason = _REFUSED.search(line), _SECTION.search(line), _REASONS.search(line)
        if refused:
            program = refused[1]
            found.append((program, f"load program: {_clean(refused[2])}"))
        elif section:
            program = section[1]
        elif reason:
            found.append((program, _clean(reason[0])))
    newest: list[tuple[str, str]] = list(dict.fromkeys(reversed(found)))
    # The verifier's log is often there as well: its bare reason says nothing beside the message that quotes it.
    full = {reason for name, reason in newest if name}
    kept = [
        f"program {name}: {reason}" if name else reason
        for name, reason in newest
        if not any(reason in other and (reason != other or not name) for other in full)
    ]
    return tuple(reversed(kept[:REFUSALS]))


def _ask(api: Api, pod: Pod, programs: Sequence[str], command: Sequence[str], timeout: float) -> tuple[str, Any]:
    """Run the first of ``programs`` that exists and return its name with the JSON of its answer."""
    answer = ExecResult(-1, "", "")
    for program in programs:
        full = [program, *command, "-o", "json"]
        try:
            answer = api.exec(pod.namespace, pod.name, CONTAINER, full, timeout=timeout)
        except ApiError as error:
            if "executable file not found" not in error.message or program == programs[-1]:
                raise
            continue
        if answer.code == 0:
            try:
                return program, json.loads(answer.stdout)
            except ValueError:
                raise ValueError(f"{' '.join(full)} answered with something that is not JSON") from None
        if "executable file not found" not in answer.stderr:
            break
    words = " ".join((answer.stderr or answer.stdout).split())[:_LINE]
    raise ValueError(f"{program} {' '.join(command)} failed (exit code {answer.code}): {words}")


def _log(api: Api, pod: Pod, timeout: float) -> tuple[str, str]:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
    try:
        return api.text(path, container=CONTAINER, tailLines=LOG_LINES, timeout=timeout), ""
    except ApiError as error:
        return "", f"its log could not be read: {error}"


def _failing(controllers: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {
        str(controller.get("name", "")): str((controller.get("status") or {}).get("last-failure-msg", ""))
        for controller in controllers
        if (controller.get("status") or {}).get("consecutive-failure-count", 0) > 0
    }


def _endpoint(item: dict[str, Any]) -> AgentEndpoint:
    status = item.get("status") or {}
    names = status.get("external-identifiers") or {}
    pod = names.get("pod-name", "").strip("/")  # a lone "/" for the host's own endpoint
    if names.get("k8s-pod-name"):
        pod = f"{names.get('k8s-namespace', '')}/{names['k8s-pod-name']}"
    # Newest first; a success after a failure is the end of it.
    newest: dict[str, Any] = next(iter(status.get("log") or ()), {})
    failing = "; ".join(_failing(status.get("controllers") or ()).values())
    message = newest.get("message", "") if newest.get("code", "OK") != "OK" else failing
    return AgentEndpoint(
        id=int(item.get("id", 0)),
        pod=pod,
        state=status.get("state", ""),
        health=(status.get("health") or {}).get("overallHealth", ""),
        message=message,
        device=(status.get("networking") or {}).get("interface-name", ""),
    )


def _last_words(log: str) -> str:
    """What the agent said before it stopped answering: its last line of level fatal, else error."""
    for level in ("fatal", "error"):
        lines = [line for line in log.splitlines() if f"level={level}" in line or f'"level":"{level}"' in line]
        if lines:
            return f"; its log: {lines[-1].strip()[:_LINE]}"
    return ""


def _clean(text: str) -> str:
    return _TAIL.sub("", text).strip()[:_LINE]
