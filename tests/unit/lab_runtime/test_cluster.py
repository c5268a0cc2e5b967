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

from lab.cluster import client, inventory, lifecycle, manifests
from lab.cluster.lifecycle import Lab
from lab.cluster.pki import OPERATORS, Pki, node_files
from lab.process import Daemon, ProcessError
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


def test_friday_is_no_administrator(pki: Pki) -> None:
    show = ["openssl", "x509", "-noout", "-subject", "-in", str(pki.pair("friday").certificate)]
    subject = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert re.search(r"subject=\s*O\s*=\s*friday:operators,\s*CN\s*=\s*friday$", subject.strip())
    bindings = [item for item in yaml.safe_load_all(manifests.RIGHTS.read_text()) if "subjects" in item]
    for binding in bindings:
        assert OPERATORS in [subject["name"] for subject in binding["subjects"] if subject["kind"] == "Group"]
    assert len(bindings) == 4


class Administrator:
    """A kubectl that remembers what it has applied, and when."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def apply(self, manifest: str) -> None:
        assert manifest == manifests.RIGHTS.read_text()
        self.done.append("rights")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a lab does, step by step, without machines."""
    steps: list[str] = []
    monkeypatch.setattr(lifecycle.qemu, "version", lambda: (9, 0))
    monkeypatch.setattr(Lab, "fingerprint", lambda _: "new")
    monkeypatch.setattr(Lab, "kubectl", Administrator(steps))
    monkeypatch.setattr(Lab, "daemons", lambda _: [])
    for name in ("_write_access", "_cold_boot", "_finish_boot", "_save", "_restore", "_roll_out", "_wait_ready"):
        monkeypatch.setattr(Lab, name, lambda *_, name=name: steps.append(name))
    return steps


@pytest.mark.parametrize(
    ("recorded", "before"), [("old", ["_cold_boot", "_finish_boot", "_save"]), ("new", ["_wait_ready"])]
)
def test_rights_are_granted_whenever_the_lab_comes_up(
    done: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorded: str, before: list[str]
) -> None:
    monkeypatch.setattr(Lab, "_recorded", lambda *_: recorded)
    Lab(tmp_path, Ports()).up()
    assert done == ["_write_access", *before, "rights"]


@pytest.mark.parametrize(("booting", "continued"), [("new", True), ("old", False)])
def test_machines_that_an_earlier_call_has_booted_are_used(
    done: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, booting: str, continued: bool
) -> None:
    """A call that gave up or was interrupted before the snapshot leaves them running."""
    monkeypatch.setattr(Lab, "_recorded", lambda *_: None)
    (tmp_path / "booting").write_text(booting)
    Lab(tmp_path, Ports()).up()
    assert ("_cold_boot" not in done) == continued
    assert done[-3:] == ["_finish_boot", "_save", "rights"]


def test_machines_that_do_not_run_any_more_are_not_used(
    done: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Lab, "_recorded", lambda *_: None)
    monkeypatch.setattr(Lab, "daemons", lambda _: [Daemon("qemu", tmp_path)])
    (tmp_path / "booting").write_text("new")
    Lab(tmp_path, Ports()).up()
    assert "_cold_boot" in done


def test_nobody_waits_for_a_lab_that_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Lab, "daemons", lambda _: [Daemon("qemu", tmp_path)])
    with pytest.raises(ProcessError, match="qemu is not running"):
        Lab(tmp_path, Ports()).wait()


BOOT, SECOND_BUILD = ["_cold_boot", "_finish_boot", "_save 1"], ["_roll_out 2", "_save 2"]


@pytest.mark.parametrize(
    ("snapshots", "build", "steps"),
    [
        ({1: "new", 2: "new"}, 1, ["_restore 1"]),
        ({1: "new", 2: "new"}, 2, ["_restore 2"]),
        ({1: "new"}, 2, ["_restore 1", *SECOND_BUILD]),
        ({1: "old", 2: "old"}, 1, BOOT),
        ({}, 2, [*BOOT, *SECOND_BUILD]),
    ],
)
def test_a_reset_makes_what_is_missing_and_restores_once(
    done: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    snapshots: dict[int, str],
    build: int,
    steps: list[str],
) -> None:
    """Rights are granted at its end: a snapshot doesn't have them."""
    known = dict(snapshots)

    def save(_: Lab, fingerprint: str, build: int = 1) -> None:
        done.append(f"_save {build}")
        known[build] = fingerprint

    monkeypatch.setattr(Lab, "_recorded", lambda _, build=1: known.get(build))
    monkeypatch.setattr(Lab, "_cold_boot", lambda *_: known.clear() or done.append("_cold_boot"))
    monkeypatch.setattr(Lab, "_save", save)
    for name in ("_restore", "_roll_out"):
        monkeypatch.setattr(Lab, name, lambda _, build, name=name: done.append(f"{name} {build}"))
    Lab(tmp_path, Ports()).reset(build)
    assert done == ["_write_access", *steps, "rights"]


def test_friday_gets_its_own_kubeconfig_and_the_lab_keeps_the_administrators(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FRIDAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(inventory, "write", lambda _ports, kubeconfig: used.append(kubeconfig))
    monkeypatch.setattr(lifecycle.ssh, "write_known_hosts", lambda _: None)
    used: list[Path] = []
    lab = Lab(tmp_path, Ports())
    lab._write_access()
    users = {path: json.loads(path.read_text())["users"][0]["name"] for path in (lab.kubeconfig, *used)}
    assert users == {lab.kubeconfig: "admin", lab.friday_kubeconfig: "friday"}


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
