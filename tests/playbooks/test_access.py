# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way to the cluster, the rights in it, and its lock."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import NEEDS, check_rights
from tests.playbooks.cores import Environment
from tests.playbooks.runs import REPORTS, Hosts, Runner
from tests.playbooks.world import World
from tests.support.control_plane import Cluster, free_port
from tests.support.pki import kubeconfig
from tests.support.things import wait_until

NO_PYTHON: Hosts = {
    "node1": {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "/nonexistent/python3",
    }
}
"""A host that answers at once, with a problem of its own."""


def _missing(_cluster: Cluster, folder: Path) -> Path:
    return folder / "missing"


def _no_yaml(_cluster: Cluster, folder: Path) -> Path:
    path = folder / "config"
    path.write_text("clusters: [\n")
    return path


def _expired(cluster: Cluster, _folder: Path) -> Path:
    return cluster.kubeconfig("late", expired=True)


def _unreachable(cluster: Cluster, folder: Path) -> Path:
    pair = cluster.authority.certificate("lost")
    return kubeconfig(folder / "config", f"https://127.0.0.1:{free_port()}", cluster.authority.ca, pair)


def _unknown_token(cluster: Cluster, folder: Path) -> Path:
    return kubeconfig(folder / "config", cluster.server, cluster.authority.ca, "no-such-token")


BAD: dict[str, tuple[Callable[[Cluster, Path], Path], str]] = {
    "no file": (_missing, "no such file"),
    "not YAML": (_no_yaml, "is not YAML"),
    "expired": (_expired, "the client certificate expired on"),
    "unknown": (_unknown_token, "does not accept its credentials (401)"),
    "not reachable": (_unreachable, "can't connect: Connection refused"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_no_way_to_the_cluster(
    run: Runner,
    world: World,
    cluster: Cluster,
    tmp_path: Path,
    make: Callable[[Cluster, Path], Path],
    message: str,
) -> None:
    """Told once, and with what is wrong elsewhere."""
    variables = {"friday_kubeconfig": str(make(cluster, tmp_path)), "friday_wave_sizes": ["none"]}
    with world.untouched():
        done = run("friday.yml", hosts=NO_PYTHON, variables=variables)
    assert done.code == 2, done.output
    assert message in done.problems()["friday_kubeconfig"]
    assert done.problems().keys() == {"friday_kubeconfig", "friday_wave_sizes", "node1"}
    assert done.text.count(message) == 1
    for name in REPORTS:
        assert done.path(name).stat().st_size > 0


def test_a_certificate_that_nobody_checks_is_noted_once(
    run: Runner, world: World, outdated: Hosts, core: Environment, tmp_path: Path
) -> None:
    data = yaml.safe_load(run.kubeconfig.read_text())
    place = data["clusters"][0]["cluster"]
    del place["certificate-authority"]
    place["insecure-skip-tls-verify"] = True
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(data))
    variables = {"friday_kubeconfig": str(path)}
    with world.untouched():
        done = run("playbooks/plan.yml", hosts=outdated, variables=variables, program=core.playbook)
    assert done.code == 0, done.output
    noted = "note: friday_kubeconfig: it has insecure-skip-tls-verify: the API server's certificate is not checked"
    assert done.text.count(noted) == 1
    assert "InsecureRequestWarning" not in done.output
    assert any("insecure-skip-tls-verify" in event.data.get("message", "") for event in done.events())


def test_missing_rights_are_named(run: Runner, world: World, cluster: Cluster) -> None:
    lacking = {("patch", "nodes"), ("create", "pods/eviction")}
    path = cluster.kubeconfig("weak", organization="")
    world.things.grant("weak", "weak", [need.rule() for need in NEEDS if (need.verb, need.resource) not in lacking])
    connection = connect(str(path), timeout=10)
    wait_until(lambda: len(check_rights(connection, "friday-weak")) == len(lacking))
    with world.untouched():
        done = run("friday.yml", hosts=NO_PYTHON, variables={"friday_kubeconfig": str(path), "friday_sock": 1})
    assert done.code == 2, done.output
    rights = done.problems()["rights of weak"]
    assert "may not patch nodes in the whole cluster (needed to cordon and uncordon)" in rights
    assert "may not create pods/eviction in the whole cluster (needed to drain)" in rights
    assert rights.count("may not") == len(lacking)
    assert {"friday_sock", "node1"} <= done.problems().keys()


def test_the_lock_of_a_run_that_lives(run: Runner, world: World, current: Hosts) -> None:
    world.lock("friday-locked", "ann@tower:4711", "20261122-161500-3f2a")
    with world.untouched():
        done = run("friday.yml", hosts=current, variables={"friday_namespace": "friday-locked"})
    assert done.code == 2, done.output
    assert "another Friday is running on this cluster" in done.text
    assert "run 20261122-161500-3f2a of ann@tower, process 4711, started" in done.text
    assert re.search(r"started \S+ \S+ UTC \(\d+ s ago\), renewed \d+ s ago", done.text)
    assert "TASK [friday.upgrade.survey : Read the host]" not in done.output
