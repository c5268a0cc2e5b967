# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates, manifests and the inventory, without a cluster."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.cluster import client, inventory, manifests
from lab.cluster.pki import Pki, node_files
from lab.topology import NODES, Ports


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    pki = Pki(tmp_path_factory.mktemp("pki"))
    pki.create()
    return pki


def documents(pki: Pki, name: str, cilium: int = 1) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(manifests.render(name, manifests.values(pki, Ports(), cilium))))


def test_certificates_are_signed_for_their_purpose(pki: Pki) -> None:
    authority = str(pki.authority.certificate)
    for name, purpose in (("apiserver", "sslserver"), ("node1-server", "sslserver"), ("node1", "sslclient")):
        verify = ["openssl", "verify", "-CAfile", authority, "-purpose", purpose, str(pki.pair(name).certificate)]
        assert subprocess.run(verify, capture_output=True).returncode == 0, name
    wrong = ["openssl", "verify", "-CAfile", authority, "-purpose", "sslserver", str(pki.pair("admin").certificate)]
    assert subprocess.run(wrong, capture_output=True).returncode != 0


def test_what_is_there_is_kept(pki: Pki) -> None:
    before = pki.pair("admin").certificate.read_bytes()
    pki.create()
    assert pki.pair("admin").certificate.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        pki.pair("nobody")


def test_kubelets_are_known_as_nodes(pki: Pki) -> None:
    show = ["openssl", "x509", "-noout", "-subject", "-in", str(pki.pair("node2").certificate)]
    subject = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert re.search(r"O\s*=\s*system:nodes,\s*CN\s*=\s*system:node:node2", subject)


def test_a_node_gets_its_own_keys_and_no_others(pki: Pki) -> None:
    files = node_files(pki, NODES[0], Ports())
    assert (
        json.loads(files["etc/kubernetes/kubelet.conf"])["clusters"][0]["cluster"]["server"] == "https://10.0.2.2:26443"
    )
    assert pki.authority.key.read_bytes() not in files.values()
    assert pki.pair("node1-server").key.read_bytes() in files.values()


def test_kubeconfigs_are_private(pki: Pki, tmp_path: Path) -> None:
    path = pki.write_kubeconfig(tmp_path / "kubeconfig", "admin", Ports())
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", [path.stem for path in sorted(manifests.FOLDER.glob("*.yaml"))])
def test_manifests_are_complete(pki: Pki, name: str) -> None:
    for document in documents(pki, name):
        assert document["apiVersion"] and document["kind"] and document["metadata"]["name"]
        pod = document["spec"]["template"]["spec"] if "template" in document.get("spec", {}) else {"containers": []}
        for container in pod["containers"]:
            assert container["image"].startswith("registry.lab/")
            assert container["imagePullPolicy"] == "Never", "there is no registry to pull from"


def test_cilium_is_labelled_as_upstream_and_has_two_builds(pki: Pki) -> None:
    for build in (1, 2):
        (daemon_set,) = [item for item in documents(pki, "cilium", build) if item["kind"] == "DaemonSet"]
        assert daemon_set["metadata"]["namespace"] == "kube-system"
        assert daemon_set["spec"]["template"]["metadata"]["labels"] == {"k8s-app": "cilium"}
        assert daemon_set["spec"]["template"]["spec"]["containers"][0]["image"] == f"registry.lab/cilium:{build}"


def test_the_webhook_fails_closed_but_does_not_bind_its_own_namespace(pki: Pki) -> None:
    (configuration,) = [item for item in documents(pki, "policy") if item["kind"] == "ValidatingWebhookConfiguration"]
    (webhook,) = configuration["webhooks"]
    assert webhook["failurePolicy"] == "Fail"
    assert webhook["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}


def test_nodes_have_their_zone_and_pod_addresses() -> None:
    items = json.loads(manifests.nodes())["items"]
    assert [item["spec"]["podCIDR"] for item in items] == ["10.42.1.0/24", "10.42.2.0/24", "10.42.3.0/24"]
    assert {item["metadata"]["labels"]["topology.kubernetes.io/zone"] for item in items} == {
        "zone-a",
        "zone-b",
        "zone-c",
    }


def test_inventory_leaves_localhost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRIDAY_CACHE", str(tmp_path / "cache"))
    inventory.write(Ports(), tmp_path / "kubeconfig", tmp_path / "inventory")
    hosts = yaml.safe_load((tmp_path / "inventory" / "hosts.yml").read_text())
    group = hosts["all"]["children"]["lab"]
    assert group["hosts"]["node3"] == {"ansible_port": 26223, "friday_zone": "zone-c"}
    everybody = yaml.safe_load((tmp_path / "inventory" / "group_vars" / "all.yml").read_text())
    assert everybody["friday_kubeconfig"] == str(tmp_path / "kubeconfig")
    assert not [name for name in everybody if name.startswith("ansible_")]


def test_summary_of_the_client(tmp_path: Path) -> None:
    log = tmp_path / "client.log"
    log.write_text('{"ok":true}\n{"summary":{"requests":1,"failed":0}}\n')
    assert client.read_summary(log) == {"requests": 1, "failed": 0}
    log.write_text('{"ok":true}\n')
    with pytest.raises(RuntimeError, match="no summary"):
        client.read_summary(log)
