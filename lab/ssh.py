# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSH to the lab's nodes: keys of the lab's own, known hosts of its own, nothing of the user's."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

from lab import paths
from lab.progress import Patience
from lab.topology import NODES, Node, Ports

USER = "friday"


class UnreachableError(RuntimeError):
    """A node did not take the SSH connection."""


def folder() -> Path:
    path = paths.run() / "ssh"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def identity() -> Path:
    """The private key that all nodes accept for the user ``friday``."""
    return _key(folder() / "id_ed25519", "friday lab")


def host_key(node: Node) -> Path:
    """The node's own private key: made here, so that its public half is known before the node's first boot."""
    return _key(folder() / f"{node.name}_host_ed25519_key", node.name)


def public(key: Path) -> str:
    return key.with_name(key.name + ".pub").read_text()


def write_known_hosts(ports: Ports) -> Path:
    """Write the known_hosts file of the lab; returns its path."""
    path = known_hosts()
    lines = []
    for node in NODES:
        kind, key, *_ = public(host_key(node)).split()
        lines.append(f"[127.0.0.1]:{ports.ssh(node)} {kind} {key}\n")
    path.write_text("".join(lines))
    return path


def known_hosts() -> Path:
    return folder() / "known_hosts"


def options() -> list[str]:
    """Options for ssh(1) that hold for all nodes."""
    chosen = {
        "UserKnownHostsFile": str(known_hosts()),
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "ConnectTimeout": "20",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "6",
        "LogLevel": "ERROR",
    }
    return [word for name, value in chosen.items() for word in ("-o", f"{name}={value}")]


def command(node: Node, ports: Ports, *words: str) -> list[str]:
    """The ssh command line that runs ``words`` on the node (an interactive shell without any)."""
    return [
        *("ssh", "-F", "none", "-i", str(identity()), *options()),
        *("-p", str(ports.ssh(node)), f"{USER}@127.0.0.1", *words),
    ]


def run(node: Node, ports: Ports, words: str, *, text: str | None = None, timeout: float = 60.0) -> str:
    """Run a shell command on the node and return its output.

    Raises ``UnreachableError`` when the connection fails, ``RuntimeError`` with the messages when the command does.
    """
    try:
        done = subprocess.run(
            command(node, ports, words), input=text or "", capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"{node.name}: {words!r} did not end within {timeout:.0f} s") from error
    if done.returncode == 255:
        raise UnreachableError(f"{node.name}: {done.stderr.strip() or 'no SSH connection'}")
    if done.returncode:
        output = (done.stderr or done.stdout).strip()
        raise RuntimeError(f"{node.name}: {words!r} failed with exit code {done.returncode}: {output}")
    return done.stdout


def run_patiently(node: Node, ports: Ports, words: str, patience: float = 900.0) -> str:
    """Run a command that may be repeated until the node takes the connection.

    Raises ``UnreachableError`` when it does not for ``patience`` seconds, with the same error all the time.
    """
    waiting = Patience(patience)
    while True:
        try:
            return run(node, ports, words, timeout=300)
        except UnreachableError as error:
            if waiting.exhausted(str(error)):
                raise


def set_clock(node: Node, ports: Ports, timeout: float = 60.0) -> None:
    """Set the node's clock by the host's, to some tenths of a second. Raises ``UnreachableError``.

    The time is sent once the shell on the node is waiting for it, so that a slow handshake does not count.
    """
    words = "sudo sh -c 'echo ready; read now; date --utc --set=@$now'"
    with subprocess.Popen(
        command(node, ports, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        guard = threading.Timer(timeout, process.kill)
        guard.start()
        try:
            if process.stdin is None or process.stdout is None or process.stdout.readline() != "ready\n":
                raise UnreachableError(f"{node.name}: no SSH connection")
            process.communicate(f"{time.time():.2f}\n")
        except BrokenPipeError as error:
            raise UnreachableError(f"{node.name}: the connection broke") from error
        finally:
            guard.cancel()
    if process.returncode:
        raise UnreachableError(f"{node.name}: the clock was not set (exit code {process.returncode})")


def _key(path: Path, comment: str) -> Path:
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True)
    return path
