# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent's answers and its log, in the shapes of the real agent 1.15.19 (and of older and newer ones)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import ExecResult
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import AgentEndpoint, AgentStatus, Pod
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.agent import (
    find_refusals,
    parse_endpoints,
    parse_status,
    read_agent,
)
from tests.unit.observe.fake_api import FakeApi

RECORDED = Path(__file__).parent / "recorded"  # of a real agent 1.19.7 in the lab
POD = Pod("kube-system", "cilium-x7k2p", node="node2", ready=True, restarts=2)
LOG_PATH = "/api/v1/namespaces/kube-system/pods/cilium-x7k2p/log"
STATUS, ENDPOINTS = ("cilium-dbg", "status", "-o", "json"), ("cilium-dbg", "endpoint", "list", "-o", "json")

HEALTHY: dict[str, Any] = {
    "cilium": {"msg": "1.15.19 (v1.15.19-0123abcd)", "state": "Ok"},
    "host-routing": {"mode": "Legacy"},
    "kube-proxy-replacement": {"mode": "False", "features": {}},
    "controllers": [
        {"name": "ipcache-inject-labels", "status": {"success-count": 30, "last-failure-msg": "an old story"}},
        {"name": "endpoint-33-regeneration-recovery", "status": {}},
    ],
}
ENDPOINT_LIST: list[dict[str, Any]] = [
    {
        "id": 33,
        "status": {
            "external-identifiers": {
                "k8s-namespace": "kube-system",
                "k8s-pod-name": "coredns-54558b56c7-zth5g",
                "pod-name": "kube-system/coredns-54558b56c7-zth5g",
            },
            "health": {"bpf": "OK", "connected": True, "overallHealth": "OK", "policy": "OK"},
            "log": [{"code": "OK", "message": "Successfully regenerated endpoint program", "state": "ready"}],
            "state": "ready",
        },
    },
    {
        "id": 342,
        "status": {
            "external-identifiers": {"pod-name": "/"},  # as the agent names the host's own endpoint
            "health": {"overallHealth": "OK"},
            "identity": {"id": 1},
            "state": "ready",
        },
    },
]

# What the agent of the incident shows: its own state stays Ok.
FAILING = {
    **HEALTHY,
    "controllers": [
        {
            "name": "endpoint-1263-regeneration-recovery",
            "status": {"consecutive-failure-count": 9, "last-failure-msg": "regeneration recovery failed"},
        }
    ],
}
REFUSED_LIST = [
    {
        "id": 1263,
        "status": {
            "health": {"bpf": "Warning", "policy": "Warning", "overallHealth": "Warning", "connected": True},
            "log": [{"code": "Failure", "message": "Error regenerating endpoint", "state": "not-ready"}],
            "state": "not-ready",
        },
    }
]

TOO_LARGE = "BPF program is too large. Processed 1000001 insn"
REFUSED = f"program cil_from_container: load program: argument list too long: {TOO_LARGE}"
ERROR_LINE = (
    'time="2026-11-22T16:15:00Z" level=error msg="Error while rewriting endpoint BPF program" containerID=aa11 '
    f'endpointID=1263 error="loading eBPF collection into the kernel: {REFUSED} (1021 line(s) omitted)" '
    "identity=24121 ipv4=10.42.2.7 subsys=endpoint"
)
PACKET = (
    "program cil_from_netdev: load program: permission denied: invalid access to packet, off=0 size=4, "
    "R1(id=0,off=0,r=0): R1 offset is outside of the packet"
)


def test_status() -> None:
    assert parse_status(HEALTHY) == {
        "version": "1.15.19",
        "state": "Ok",
        "routing": "host Legacy",
        "kube_proxy_replacement": "False",
        "failing_controllers": {},
    }


def test_status_of_a_newer_agent() -> None:
    routing = {"intra-host-routing-mode": "BPF", "inter-host-routing-mode": "Tunnel", "tunnel-protocol": "vxlan"}
    assert parse_status({"routing": routing})["routing"] == "Tunnel vxlan, host BPF"


def test_what_cilium_1_19_answers() -> None:
    status = json.loads((RECORDED / "cilium-1.19-status.json").read_text())
    assert parse_status(status) == {
        "version": "1.19.7",
        "state": "Ok",
        "routing": "Native, host Legacy",
        "kube_proxy_replacement": "False",
        "failing_controllers": {},
    }
    endpoints = json.loads((RECORDED / "cilium-1.19-endpoints.json").read_text())
    assert parse_endpoints(endpoints)["endpoints"] == (
        AgentEndpoint(149, "kube-system/coredns-86d468b954-t79s9", "ready", "OK", "", "lxcb3ce9ac7e19f"),
        AgentEndpoint(476, "", "ready", "OK", "", "cilium_host"),
    )


def test_failing_controllers_are_those_that_fail_now() -> None:
    found = parse_status(FAILING)
    assert found["failing_controllers"] == {"endpoint-1263-regeneration-recovery": "regeneration recovery failed"}
    assert found["state"] == "Ok", "which is why the state is not what tells"


def test_endpoints() -> None:
    pod = "kube-system/coredns-54558b56c7-zth5g"
    assert parse_endpoints(ENDPOINT_LIST)["endpoints"] == (
        AgentEndpoint(33, pod, "ready", "OK", ""),
        AgentEndpoint(342, "", "ready", "OK", ""),
    )
    refused = parse_endpoints(REFUSED_LIST)["endpoints"][0]
    assert (refused.state, refused.health, refused.message) == ("not-ready", "Warning", "Error regenerating endpoint")


def test_an_endpoint_whose_controller_fails_has_its_message() -> None:
    status = {"controllers": FAILING["controllers"], "log": [{"code": "OK", "message": "fine"}], "state": "ready"}
    assert parse_endpoints([{"id": 5, "status": status}])["endpoints"][0].message == "regeneration recovery failed"


@pytest.mark.parametrize(
    ("log", "refusals"),
    [
        pytest.param(ERROR_LINE, (REFUSED,), id="logfmt"),
        pytest.param(f"Verifier error: {REFUSED}\nVerifier log: 0: R1=ctx()", (REFUSED,), id="plain"),
        pytest.param(
            f'time="…" level=error error="attaching: {PACKET} (7 line(s) omitted)" subsys=datapath-loader',
            (PACKET,),
            id="permission denied",
        ),
        pytest.param(
            json.dumps({"level": "error", "error": f"loading: {REFUSED} (truncated, 3 line(s) omitted)", "x": 1}),
            (REFUSED,),
            id="JSON",
        ),
        pytest.param(json.dumps({"error": f"loading: {PACKET}", "subsys": "x"}), (PACKET,), id="JSON, nothing omitted"),
        pytest.param(
            "program cil_to_host: load program: permission denied: The sequence of 8193 jumps is too complex.: "
            "processed 9000 insns",
            (
                "program cil_to_host: load program: permission denied: The sequence of 8193 jumps is too complex.: "
                "processed 9000 insns",
            ),
            id="jumps",
        ),
        pytest.param(
            "level=warning msg=\"Prog section '2/7' rejected: Argument list too long (7)!\" subsys=datapath-loader\n"
            'level=warning msg=" - Type:         3" subsys=datapath-loader\n'
            f'level=warning msg="{TOO_LARGE}" subsys=datapath-loader',
            (f"program 2/7: {TOO_LARGE}",),
            id="iproute2",
        ),
        pytest.param(f"…\n{TOO_LARGE}\nprocessed 1000001 insns", (TOO_LARGE,), id="a log that begins in the middle"),
        pytest.param(f"{TOO_LARGE}\n{ERROR_LINE}", (REFUSED,), id="the bare reason before its message"),
        pytest.param(f"{ERROR_LINE}\n\t{TOO_LARGE}\n", (REFUSED,), id="the bare reason after its message"),
        pytest.param(f"{ERROR_LINE}\nVerifier error: {PACKET}\n{ERROR_LINE}", (PACKET, REFUSED), id="each once"),
        pytest.param(
            'level=info msg="Loaded program cil_from_container"\nlevel=error msg="permission denied: no such token"',
            (),
            id="nothing",
        ),
    ],
)
def test_refusals(log: str, refusals: tuple[str, ...]) -> None:
    assert find_refusals(log) == refusals


def test_refusals_are_few() -> None:
    lines = [f"Verifier error: program p{number}: load program: invalid argument: no" for number in range(50)]
    found = find_refusals("\n".join(lines))
    assert len(found) == 10
    assert found[-1] == "program p49: load program: invalid argument: no"


def healthy(**changes: Any) -> FakeApi:
    commands = {STATUS: json.dumps(HEALTHY), ENDPOINTS: json.dumps(ENDPOINT_LIST)}
    return FakeApi(texts={LOG_PATH: "level=info msg=fine"} | changes.pop("texts", {}), commands=commands | changes)


def read(api: FakeApi) -> AgentStatus:
    return read_agent(api, POD, "node2")  # type: ignore[arg-type]


def test_a_healthy_agent() -> None:
    found = read(healthy())
    assert (found.node, found.pod, found.ready, found.restarts) == ("node2", "kube-system/cilium-x7k2p", True, 2)
    assert (found.error, found.version, found.refusals) == ("", "1.15.19", ())
    assert len(found.endpoints) == 2


def test_the_agent_of_the_incident() -> None:
    api = FakeApi(
        texts={LOG_PATH: ERROR_LINE},
        commands={STATUS: json.dumps(FAILING), ENDPOINTS: json.dumps(REFUSED_LIST)},
    )
    found = read(api)
    assert found.error == ""
    assert found.refusals == (REFUSED,)
    assert found.failing_controllers
    assert found.endpoints[0].state == "not-ready"


def test_a_refusal_that_only_an_endpoint_tells() -> None:
    listed = [{"id": 7, "status": {"log": [{"code": "Failure", "message": f"loading: {REFUSED}"}]}}]
    api = FakeApi(texts={LOG_PATH: ""}, commands={STATUS: json.dumps(HEALTHY), ENDPOINTS: json.dumps(listed)})
    assert read(api).refusals == (REFUSED,)


def test_an_agent_before_1_15_is_called_cilium() -> None:
    commands = {("cilium", *STATUS[1:]): json.dumps(HEALTHY), ("cilium", *ENDPOINTS[1:]): json.dumps(ENDPOINT_LIST)}
    api = FakeApi(texts={LOG_PATH: ""}, commands=commands)
    assert read(api).error == ""
    assert [command[0] for command in api.asked] == ["cilium-dbg", "cilium", "cilium"]


def test_no_such_program_as_a_failed_handshake() -> None:
    missing = ApiError(500, 'exec: "cilium-dbg": executable file not found in $PATH')
    commands = {
        STATUS: missing,
        ("cilium", *STATUS[1:]): json.dumps(HEALTHY),
        ("cilium", *ENDPOINTS[1:]): json.dumps(ENDPOINT_LIST),
    }
    assert read(FakeApi(texts={LOG_PATH: ""}, commands=commands)).error == ""


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({STATUS: ApiError(0, "no answer to cilium-dbg within 30 s")}, "no answer to cilium-dbg within 30 s"),
        ({STATUS: ExecResult(1, "", "daemon unreachable")}, "status failed (exit code 1): daemon unreachable"),
        ({STATUS: "Usage: cilium-dbg"}, "answered with something that is not JSON"),
        ({STATUS: "[]"}, "an unexpected answer"),
        ({ENDPOINTS: '[{"id": "x"}]'}, "invalid literal"),
        ({ENDPOINTS: ExecResult(137, "", "")}, "endpoint list failed (exit code 137)"),
    ],
)
def test_an_agent_that_can_not_be_asked(changes: dict[Any, Any], error: str) -> None:
    api = healthy()
    api.commands |= changes
    found = read(api)
    assert error in found.error
    assert found.endpoints == ()


def test_the_last_words_and_the_refusals_of_an_agent_that_is_down() -> None:
    log = f'{ERROR_LINE}\nlevel=fatal msg="alignchecker compile failed"\nlevel=info msg=bye'
    api = FakeApi(texts={LOG_PATH: log}, commands={STATUS: ApiError(500, "container not found")})
    found = read(api)
    assert found.error.endswith('its log: level=fatal msg="alignchecker compile failed"')
    assert found.refusals == (REFUSED,)


def test_without_its_log_an_agent_is_not_believed() -> None:
    found = read(healthy(texts={LOG_PATH: ApiError(0, "no answer in time")}))
    assert "its log could not be read" in found.error
