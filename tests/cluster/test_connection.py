# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connecting: every way in which it can fail says what is wrong."""

from __future__ import annotations

import base64
import json
import socket
import time
import warnings
from pathlib import Path

import pytest
import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError, KubeError
from tests.support.control_plane import Cluster, free_port
from tests.support.pki import Authority, kubeconfig
from tests.support.things import Things


def refusal(path: Path, **options: float) -> str:
    with pytest.raises(KubeError) as caught:
        connect(str(path), **options)  # type: ignore[arg-type]
    return caught.value.problem.line()


def test_connects_and_knows_who_it_is(cluster: Cluster, limited: Path) -> None:
    api = connect(str(limited))
    assert (api.server, api.version, api.user) == (cluster.server, "v1.36.3", "friday")


def test_expired_certificate(cluster: Cluster) -> None:
    line = refusal(cluster.kubeconfig(expired=True))
    assert line.startswith("friday_kubeconfig: the client certificate expired on 20")


def test_expired_token(cluster: Cluster, tmp_path: Path) -> None:
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, {"exp": 1700000000}, {}))
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    path = kubeconfig(tmp_path / "config", cluster.server, cluster.authority.ca, token)
    assert "the token expired on 2023-11-14 22:13 UTC" in refusal(path)


def test_credentials_of_another_cluster(cluster: Cluster, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "pki").certificate("admin", organization="system:masters")
    path = kubeconfig(tmp_path / "config", cluster.server, cluster.authority.ca, stranger)
    assert f"{cluster.server} does not accept its credentials (401)" in refusal(path)


def test_no_credentials(cluster: Cluster, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", cluster.server, cluster.authority.ca, None)
    assert "it has no credentials that" in refusal(path)
    assert "system:anonymous" in refusal(path)


def test_server_of_another_authority(cluster: Cluster, tmp_path: Path) -> None:
    other = Authority(tmp_path / "pki")
    path = kubeconfig(tmp_path / "config", cluster.server, other.ca, other.certificate("admin"))
    assert "the server's certificate can't be trusted: " in refusal(path)


def test_server_under_another_name(cluster: Cluster, tmp_path: Path) -> None:
    pair = cluster.authority.certificate("admin", organization="system:masters")
    path = kubeconfig(tmp_path / "config", f"https://localhost:{cluster.port}", cluster.authority.ca, pair)
    assert "the server's certificate can't be trusted: Hostname mismatch" in refusal(path)


def test_a_certificate_that_nobody_checks(cluster: Cluster, limited: Path, tmp_path: Path) -> None:
    """Known to the caller, who says it once; not warned of with each request."""
    data = yaml.safe_load(limited.read_text())
    place = data["clusters"][0]["cluster"]
    del place["certificate-authority"]
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({**data, "clusters": [{"name": data["clusters"][0]["name"], "cluster": place}]}))
    assert "can't be trusted" in refusal(path)
    place["insecure-skip-tls-verify"] = True
    path.write_text(yaml.safe_dump(data))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        api = connect(str(path))
        list(api.items("/api/v1/nodes"))
    assert api.unverified
    assert [str(warning.message) for warning in warned] == []
    assert not connect(str(limited)).unverified


def test_nobody_listens(cluster: Cluster, tmp_path: Path) -> None:
    pair = cluster.authority.certificate("admin")
    path = kubeconfig(tmp_path / "config", f"https://127.0.0.1:{free_port()}", cluster.authority.ca, pair)
    assert "can't connect: Connection refused" in refusal(path)


def test_a_server_that_never_answers(cluster: Cluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pair = cluster.authority.certificate("admin")
        server = f"https://127.0.0.1:{silent.getsockname()[1]}"
        path = kubeconfig(tmp_path / "config", server, cluster.authority.ca, pair)
        began = time.monotonic()
        assert "no answer in time" in refusal(path, timeout=0.5)
        assert time.monotonic() - began < 5


def test_a_name_that_is_none(cluster: Cluster, tmp_path: Path) -> None:
    pair = cluster.authority.certificate("admin")
    path = kubeconfig(tmp_path / "config", "https://kube.invalid:6443", cluster.authority.ca, pair)
    assert "the name of the server can't be resolved" in refusal(path, timeout=2)


def test_a_server_that_is_no_api_server(cluster: Cluster, limited: Path) -> None:
    api = connect(str(limited))
    with pytest.raises(ApiError, match="not JSON"):
        api.get("/readyz")


def test_a_refused_request_names_the_right(cluster: Cluster, things: Things) -> None:
    api = connect(str(cluster.kubeconfig("intern", organization="")))
    with pytest.raises(ApiError) as caught:
        api.get("/api/v1/nodes")
    assert caught.value.status == 403
    assert 'User "intern" cannot list resource "nodes"' in caught.value.problem.line()


def test_lists_are_read_page_by_page(api: Api, things: Things) -> None:
    node = things.node("a")["metadata"]["name"]
    for number in range(5):
        things.pod(f"p{number}", node)
    path = "/api/v1/pods"
    names = [item["metadata"]["name"] for item in api.items(path, page=2, fieldSelector=f"spec.nodeName={node}")]
    assert sorted(names) == ["p0", "p1", "p2", "p3", "p4"]
