# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets stay unseen where they tend to get into messages: on every way to an error, with all that Ansible can tell.

Every run of this tier is held to show none of the secrets that it is given (see Runner); these go where it is hard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.playbooks.cores import Environment
from tests.playbooks.machines import INSTALLED, Machine, Package
from tests.playbooks.runs import Hosts, Runner
from tests.playbooks.test_access import NO_PYTHON
from tests.playbooks.world import World
from tests.support.control_plane import Cluster, free_port
from tests.support.pki import kubeconfig

LOUD = "-vvvv"


def test_a_plan_with_everything_that_ansible_can_tell(run: Runner, world: World, outdated: Hosts) -> None:
    with world.untouched():
        done = run("playbooks/plan.yml", LOUD, hosts=outdated, watched=True)
    assert done.code == 0, done.output
    assert len(done.commands) > 3
    assert "EXEC" in done.output


def test_a_friday_with_its_record(run: Runner, world: World, current: Hosts) -> None:
    """What lies in the cluster is looked through after each run; this one leaves something there."""
    variables = {"friday_packages": "kernel", "friday_namespace": "friday-secrets"}
    with world.untouched(own_records=True):
        done = run("friday.yml", LOUD, hosts=current, variables=variables, watched=True)
    assert done.code == 0, done.output
    assert done.path("").name in world.stored("friday-secrets")


def _strange_token(run: Runner, cluster: Cluster, folder: Path) -> Path:
    plain = kubeconfig(folder / "config", cluster.server, cluster.authority.ca, run.secrets.new("token"))
    return run.secrets.kubeconfig(plain)


def _unreachable_server(run: Runner, cluster: Cluster, _folder: Path) -> Path:
    password = run.secrets.new("server-password")
    return run.secrets.kubeconfig(cluster.friday(), server=f"https://user:{password}@127.0.0.1:{free_port()}")


def _login_in_the_server(run: Runner, cluster: Cluster, _folder: Path) -> Path:
    password = run.secrets.new("server-password")
    return run.secrets.kubeconfig(cluster.friday(), server=f"https://user:{password}@127.0.0.1:{cluster.port}")


def _unreachable_proxy(run: Runner, cluster: Cluster, _folder: Path) -> Path:
    proxy = f"http://user:{run.secrets.new('proxy-url')}@127.0.0.1:{free_port()}"
    return run.secrets.kubeconfig(cluster.friday(), **{"proxy-url": proxy, "server": "https://192.0.2.1:6443"})


def _broken_proxy(run: Runner, cluster: Cluster, _folder: Path) -> Path:
    proxy = f"http://user:{run.secrets.new('proxy-url')}@[broken"
    return run.secrets.kubeconfig(cluster.friday(), **{"proxy-url": proxy, "server": "https://192.0.2.1:6443"})


def _broken_key(run: Runner, cluster: Cluster, _folder: Path) -> Path:
    path = run.secrets.kubeconfig(cluster.friday())
    data = yaml.safe_load(path.read_text())
    data["users"][0]["user"]["client-key-data"] = f"={run.secrets.new('broken-key')}"
    path.write_text(yaml.safe_dump(data))
    return path


def _plugin(run: Runner, cluster: Cluster, folder: Path, script: str) -> Path:
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    path = run.secrets.kubeconfig(cluster.friday())
    data = yaml.safe_load(path.read_text())
    data["users"][0]["user"] = run.secrets.other_user(str(program))
    path.write_text(yaml.safe_dump(data))
    return path


def _plugin_fails(run: Runner, cluster: Cluster, folder: Path) -> Path:
    return _plugin(run, cluster, folder, 'echo "login with $PLUGIN_SECRET, $* refused" >&2; exit 1')


def _plugin_answers_nonsense(run: Runner, cluster: Cluster, folder: Path) -> Path:
    return _plugin(run, cluster, folder, 'echo "{$PLUGIN_SECRET"')


def _plugin_gives_a_strange_token(run: Runner, cluster: Cluster, folder: Path) -> Path:
    status = f'{{"token": "{run.secrets.new("exec-token")}"}}'
    answer = f'{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {status}}}'
    return _plugin(run, cluster, folder, f"echo '{answer}'")


WAYS: dict[str, tuple[Callable[[Runner, Cluster, Path], Path], str]] = {
    "strange token": (_strange_token, "does not accept its credentials (401)"),
    "unreachable server": (_unreachable_server, "can't connect: Connection refused"),
    "unreachable proxy": (_unreachable_proxy, "can't connect to the proxy: can't connect: Connection refused"),
    "broken proxy": (_broken_proxy, "is not a URL"),
    "broken key": (_broken_key, "Incorrect padding"),
    "plugin fails": (_plugin_fails, "login with ***, login --secret=*** refused"),
    "plugin answers nonsense": (_plugin_answers_nonsense, "failed to decode process output"),
    "plugin's token is unknown": (_plugin_gives_a_strange_token, "does not accept its credentials (401)"),
}


@pytest.mark.parametrize(("make", "message"), WAYS.values(), ids=WAYS)
def test_a_way_to_the_cluster_that_fails(
    run: Runner,
    world: World,
    cluster: Cluster,
    tmp_path: Path,
    make: Callable[[Runner, Cluster, Path], Path],
    message: str,
) -> None:
    variables = {"friday_kubeconfig": str(make(run, cluster, tmp_path))}
    with world.untouched():
        done = run("friday.yml", LOUD, hosts=NO_PYTHON, variables=variables)
    assert done.code == 2, done.output
    assert message in done.problems()["friday_kubeconfig"]


def test_a_login_in_the_servers_url(run: Runner, world: World, cluster: Cluster, outdated: Hosts) -> None:
    """It is sent to nobody, and the URL is in the report."""
    variables = {"friday_kubeconfig": str(_login_in_the_server(run, cluster, Path()))}
    with world.untouched():
        done = run("playbooks/plan.yml", LOUD, hosts=outdated, variables=variables)
    assert done.code == 0, done.output
    assert f"https://***@127.0.0.1:{cluster.port}" in done.path("report.json").read_text()


class Chat(BaseHTTPRequestHandler):
    """A chat that is broken, and says so with all that it was asked with."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500)
        self.end_headers()
        self.wfile.write(f"cannot handle {self.path} of {self.headers['Authorization']}".encode())

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads along."""


@pytest.fixture
def chat() -> Iterator[str]:
    """The chat's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_chat_that_answers_500(run: Runner, world: World, chat: str) -> None:
    variables = {"friday_notify": [{"url": run.secrets.webhook(chat), "events": "all"}]}
    with world.untouched(own_records=True):
        done = run("friday.yml", LOUD, hosts=NO_PYTHON, variables=variables, watched=True)
    assert "the message was not posted: the chat at 127.0.0.1 answered 500" in done.text


ENTRIES: dict[str, Callable[[str], object]] = {
    "an open bracket": lambda url: [{"url": url.replace("127.0.0.1:9", "[broken")}],
    "a port that is none": lambda url: [{"url": url.replace(":9/", ":nine/")}],
    "another scheme": lambda url: [{"url": url.replace("http://", "gopher://")}],
    "a template that is broken": lambda url: [{"url": f"{url}{{{{ no such template"}],
    "a template without its variable": lambda url: [{"url": f"{url}{{{{ no_such_variable }}}}"}],
    "a template that fails": lambda url: [{"url": f"{{{{ ('{url}' | int(base='x')) / 0 }}}}"}],
    "a text": lambda url: url,
    "a text that looks like key=value": lambda url: f"{url}&wait=true",
    "a list of texts": lambda url: [url],
    "an unknown type": lambda url: [{"url": url, "type": url}],
    "a dictionary": lambda url: {"url": url},
}


@pytest.mark.parametrize("make", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_that_is_wrong(run: Runner, world: World, make: Callable[[str], object]) -> None:
    variables = {"friday_notify": make(run.secrets.webhook())}
    with world.untouched(own_records=True):
        done = run("friday.yml", LOUD, hosts=NO_PYTHON, variables=variables)
    assert done.code == 2, done.output
    assert "the message was not posted: " in done.text or done.problems().get("friday_notify")


@pytest.mark.parametrize("webhook", ["{url}{{{{ no such template", "{url}{{{{ no_such_variable }}}}"])
def test_on_every_core(
    run: Runner, world: World, cluster: Cluster, core: Environment, tmp_path: Path, webhook: str
) -> None:
    """How much of a template, or of a log, is shown differs between them."""
    variables = {
        "friday_kubeconfig": str(_plugin_fails(run, cluster, tmp_path)),
        "friday_notify": [{"url": webhook.format(url=run.secrets.webhook())}],
    }
    with world.untouched():
        done = run("friday.yml", LOUD, hosts=NO_PYTHON, variables=variables, program=core.playbook)
    assert done.code == 2, done.output
    assert {"friday_kubeconfig", "friday_notify"} <= done.problems().keys()


def test_hosts_that_fail(run: Runner, world: World, tmp_path: Path) -> None:
    """At every stage of the way to them, with all passwords that Ansible may have been given."""
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)
    login = f"user:{run.secrets.new('apt-password')}"
    machine = Machine("node3", installed=(*INSTALLED, Package("lost", "1.0", depends="gone"))).make(tmp_path / "node3")
    sources = tmp_path / "node3/etc/apt/sources.list"
    sources.write_text(f"deb [trusted=yes] http://{login}@127.0.0.1:{free_port()}/ ./\n")
    (tmp_path / "node3/etc/apt/apt.conf.d/proxy").write_text(
        f'Acquire::http::Proxy "http://{login}@127.0.0.1:{free_port()}";\n'
    )
    hosts: Hosts = {
        "node1": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()},
        "node2": {"ansible_connection": "local", "ansible_become_exe": str(sudo)},
        "node3": machine,
    }
    environment = {"ANSIBLE_BECOME_ALLOW_SAME_USER": "1"}
    with world.untouched(own_records=True):
        done = run("friday.yml", LOUD, hosts=hosts, environment=environment, watched=True)
    assert done.code == 2, done.output
    assert {"node1", "node2", "node3"} <= done.problems().keys()
