# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes a copy of the golden disk one particular node: a small archive that its first boot unpacks over /."""

from __future__ import annotations

from pathlib import Path

from lab import ssh
from lab.topology import HOST, NODES, Node, Ports
from lab.vm.image import Member, file_info, write_tar

USER_ID = 1000


def write(target: Path, node: Node, ports: Ports, secrets: dict[str, bytes]) -> None:
    """Write the node's seed disk.

    ``secrets`` are further files of root's by path relative to /, readable by root alone.
    """
    private = {"etc/ssh/ssh_host_ed25519_key": ssh.host_key(node).read_bytes(), **secrets}
    members: list[Member] = [(file_info(name), text.encode()) for name, text in public_files(node, ports).items()]
    members += [(file_info(name, 0o600), content) for name, content in private.items()]
    authorized = file_info("home/friday/.ssh/authorized_keys", 0o600, USER_ID)
    members.append((authorized, ssh.public(ssh.identity()).encode()))
    members.append((file_info("etc/lab/node"), marker(node).encode()))
    write_tar(target, members)


def marker(node: Node) -> str:
    """/etc/lab/node: says that the seed was unpacked, and is the environment file of the node's units."""
    return f"NODE_NAME={node.name}\nNODE_INDEX={node.index}\nNODE_IP={node.address}\n"


def public_files(node: Node, ports: Ports) -> dict[str, str]:
    """The node's configuration that is no secret, by path relative to /."""
    peers = "".join(f"{peer.address} {peer.name}\n" for peer in NODES)
    return {
        "etc/hostname": f"{node.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{peers}",
        "etc/resolv.conf": "# The lab's nodes have no name server; pods have the cluster's.\n",
        "etc/ssh/ssh_host_ed25519_key.pub": ssh.public(ssh.host_key(node)),
        "etc/systemd/network/10-eth0.network": _network("eth0", "10.0.2.15/24", f"Gateway={HOST}\n"),
        "etc/systemd/network/10-eth1.network": _network("eth1", f"{node.address}/24"),
        "etc/apt/sources.list.d/lab.list": (
            "# The lab's own flat repository on the host; its packages are Debian's, unchanged.\n"
            f"deb [trusted=yes] http://{HOST}:{ports.packages}/ ./\n"
        ),
    }


def _network(interface: str, address: str, more: str = "") -> str:
    return f"[Match]\nName={interface}\n\n[Network]\nAddress={address}\n{more}LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
