# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rights of manifests/rights.yaml: enough, none too many, and each one that is missing is named before anything."""

from __future__ import annotations

import base64
import contextlib
import re
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from ansible_collections.friday.upgrade.plugins.plugin_utils.act.cordon import cordon, uncordon
from ansible_collections.friday.upgrade.plugins.plugin_utils.act.evict import evict
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import ApiError, KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.rights import Need
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Pod
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_snapshot
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import NEEDS, check_rights
from tests.support import rights
from tests.support.control_plane import Cluster
from tests.support.pki import kubeconfig
from tests.support.things import Things, wait_until

RUN = "20261122-161500-3f2a"
GRANTED = [need for need in NEEDS if need.where != "missing"]
_REFUSED = re.compile(r'cannot (\w+) resource "([^"]+)"')


def work(api: Api, things: Things) -> set[tuple[str, str]]:
    """Everything that Friday does in a cluster; returns what it was refused, as verb and resource."""
    node = things.node("a")["metadata"]["name"]
    agent = things.pod("cilium-x", node, {"k8s-app": "cilium"}, spec={"containers": [_container("cilium-agent")]})
    _webhook(things)
    pod = Pod(things.namespace, "cilium-x", uid=agent["metadata"]["uid"], node=node)
    answers: list[object] = []

    def locked() -> None:
        held = lease.take(api, things.namespace, "ann@tower:1", RUN)
        lease.release(api, lease.renew(api, held))
        with contextlib.suppress(lease.LeaseHeld):  # another test's
            lease.check_alone(api, held)

    steps = (
        locked,
        lambda: cluster_record.write(api, things.namespace, RunRecord(run=RUN, seq=1)),
        lambda: cluster_record.read(api, things.namespace, RUN),
        lambda: cluster_record.read_stored(api, things.namespace),
        lambda: cluster_record.prune(api, things.namespace, [RUN]),
        lambda: read_snapshot(api, cni_nodes=[node]),
        lambda: cordon(api, node, RUN),
        lambda: uncordon(api, node, RUN),
        lambda: evict(api, [pod], deadline_seconds=0),
    )
    for step in steps:
        try:
            answers.append(step())
        except ApiError as error:
            answers.append(error)
    text = " ".join(map(str, answers))
    found = set(_REFUSED.findall(text))
    if 'pods "cilium-x" is forbidden:  (403)' in text:  # all that the server says when "create" is lacking (KEP-5325)
        found.add(("create", "pods/exec"))
    snapshot = read_snapshot(api)
    if any(w.service.startswith(things.namespace) and w.ready_endpoints is None for w in snapshot.webhooks):
        found.add(("list", "endpointslices"))  # a service that could not be looked at has no room for the reason
    return found


def _container(name: str) -> dict[str, str]:
    return {"name": name, "image": "example"}


def _webhook(things: Things) -> None:
    """A webhook whose service's endpoints are to be read."""
    name = f"{things.namespace}.example.com"
    rules = [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["x"], "operations": ["CREATE"]}]
    webhook = {
        "name": name,
        "rules": rules,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": things.namespace, "name": "hook"}},
    }
    version = "admissionregistration.k8s.io/v1"
    things.create(
        f"/apis/{version}/validatingwebhookconfigurations",
        {
            "apiVersion": version,
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        },
    )


def test_they_are_enough(api: Api, things: Things) -> None:
    things.daemon_set("cilium", {"k8s-app": "cilium"})
    assert check_rights(api, things.namespace) == ()
    assert work(api, things) == set()


@pytest.mark.parametrize("need", GRANTED, ids=lambda need: f"{need.verb}-{need.resource.replace('/', '-')}")
def test_one_that_is_missing_is_named_and_would_be_missed(cluster: Cluster, things: Things, need: Need) -> None:
    """By the guard, alone and by name; and without it something of Friday is refused, so it is not one too many."""
    user = f"{things.namespace}-weak"
    shipped = rights.documents(namespace=things.namespace, agents=things.namespace)
    less = rights.without(need, user, shipped)
    rights.apply(cluster.admin, less)
    things.daemon_set("cilium", {"k8s-app": "cilium"})
    things.pod("cilium-y", "nowhere", {"k8s-app": "cilium"})
    api = connect(str(cluster.kubeconfig(user, organization="")), timeout=10)
    try:
        wait_until(lambda: len(check_rights(api, things.namespace)) == 1)
        (problem,) = check_rights(api, things.namespace)
        resource = f"{need.resource}.{need.group}" if need.group else need.resource
        resource += f" named {need.name}" if need.name else ""
        places = {"": "", "cilium": "", "dns": "kube-system"}
        place = places.get(need.where, things.namespace)
        where = f"in namespace {place}" if place else "in the whole cluster"
        assert problem.subject == f"rights of {user}"
        assert problem.message == f"may not {need.verb} {resource} {where} (needed to {need.why})"
        assert work(api, things) == {(need.verb, need.resource)}
    finally:
        rights.remove(cluster.admin, less)


def test_all_that_are_missing_are_named_at_once(cluster: Cluster, things: Things) -> None:
    api = connect(str(cluster.kubeconfig("intern", organization="")))
    problems = check_rights(api, things.namespace)
    # No agents: what is needed for them alone is not missed. The namespace exists, though the intern may not see it.
    assert len(problems) == len([need for need in GRANTED if need.where not in ("agents", "cilium")])
    lines = "\n".join(problem.line() for problem in problems)
    assert "rights of intern: may not create pods/eviction in the whole cluster (needed to drain)" in lines
    assert (
        f"may not update leases.coordination.k8s.io in namespace {things.namespace} (needed to hold the lock)" in lines
    )
    assert '{"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]}' in lines


@pytest.mark.parametrize(("group", "resource"), [("apps", "daemonsets"), ("", "pods")])
def test_those_for_the_agents_are_needed_where_they_are(
    cluster: Cluster, things: Things, group: str, resource: str
) -> None:
    """Seen by their DaemonSet, or by their pods: one of both is enough to ask for all else in the same go."""
    things.daemon_set("cilium", {"k8s-app": "cilium"})
    things.pod("cilium-x", things.node("a")["metadata"]["name"], {"k8s-app": "cilium"})
    user = f"{things.namespace}-intern"
    api = connect(str(cluster.kubeconfig(user, organization="")))
    # Who may not see the agents, is told that; who may, is asked for the rest.
    assert not any("pods/exec" in problem.message for problem in check_rights(api, things.namespace))
    things.grant(user, user, [{"apiGroups": [group], "resources": [resource], "verbs": ["list"]}])
    wait_until(lambda: any("pods/exec" in problem.message for problem in check_rights(api, things.namespace)))
    lines = "\n".join(problem.line() for problem in check_rights(api, things.namespace))
    for verb, what in (("get", "pods/exec"), ("create", "pods/exec"), ("get", "pods/log")):
        assert f"may not {verb} {what} in namespace {things.namespace} (needed to ask the network agents)" in lines
    assert "may not list ciliumendpoints.cilium.io in the whole cluster" in lines


def test_a_namespace_that_is_missing_has_to_be_made_by_somebody(cluster: Cluster, things: Things) -> None:
    """Who may look but not make one, is told so by the guard; the lock says the same of it."""
    user, missing = f"{things.namespace}-looks", f"{things.namespace}-missing"
    everywhere = [need.rule() for need in NEEDS if need.where != "missing"]
    things.grant(user, user, everywhere)
    api = connect(str(cluster.kubeconfig(user, organization="")))
    wait_until(lambda: len(check_rights(api, missing)) == 1)
    (problem,) = check_rights(api, missing)
    assert problem.message == "may not create namespaces in the whole cluster (needed to hold the lock)"
    assert check_rights(api, things.namespace) == ()
    with pytest.raises(KubeError, match="cannot create resource"):
        lease.take(api, missing, "ann@tower:1", RUN)


def test_a_token_of_the_service_account_has_them(cluster: Cluster, tmp_path: Path) -> None:
    """What ``kubectl create token`` asks for, as docs/how-to/own-cluster.md has it."""
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    path = "/api/v1/namespaces/friday/serviceaccounts/friday/token"
    token = cluster.admin.request("POST", path, body=wanted)["status"]["token"]
    api = connect(str(kubeconfig(tmp_path / "config", cluster.server, cluster.authority.ca, token)))
    assert api.user == "system:serviceaccount:friday:friday"
    wait_until(lambda: check_rights(api, "friday") == ())


def test_a_token_with_all_inside_serves_further_connections(cluster: Cluster, tmp_path: Path) -> None:
    """As ``kubectl config view --flatten`` makes it. An exec into an agent opens a connection of its own, later."""
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    path = "/api/v1/namespaces/friday/serviceaccounts/friday/token"
    token = cluster.admin.request("POST", path, body=wanted)["status"]["token"]
    config = yaml.safe_load(kubeconfig(tmp_path / "config", cluster.server, cluster.authority.ca, token).read_text())
    inside = base64.b64encode(cluster.authority.ca.read_bytes()).decode()
    config["clusters"][0]["cluster"] = {"server": cluster.server, "certificate-authority-data": inside}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    api = connect(str(tmp_path / "config"))
    api.get("/api/v1/namespaces/friday")
    again = client.CoreV1Api(client.ApiClient(api.client.configuration))
    assert again.read_namespace("friday").metadata.name == "friday"
