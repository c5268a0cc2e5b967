# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""inventories/lab: how Ansible reaches the lab's nodes. Written by the lab, not kept in git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab import paths, ssh
from lab.artifacts import go
from lab.topology import NODES, Node, Ports

FOLDER = paths.SOURCE.parent / "inventories" / "lab"


POLICY = {
    "friday_soak": 20,
    "friday_soak_interval": 10,
    "friday_delete_emptydir_data": True,  # of the pod `store`, whose data is nobody's
    "friday_min_free_root_mib": 512,
    "friday_min_free_boot_mib": 128,
}
"""What the lab's nodes want otherwise than Friday's defaults: they are small, and nobody has a quarter of an hour."""


def write(ports: Ports, kubeconfig: Path, folder: Path = FOLDER) -> None:
    """Write hosts.yml and group_vars/all.yml (JSON, which is YAML too)."""
    _write(folder / "hosts.yml", {"all": {"children": {"lab": group(ports)}}})
    own = {"friday_kubeconfig": str(kubeconfig), "friday_go": str(go.toolchain())}
    _write(folder / "group_vars" / "all.yml", {**own, **POLICY})


def group(ports: Ports) -> dict[str, Any]:
    """The group of the lab's nodes.

    How to connect is the group's own: variables of ``all`` would reach localhost too.
    """
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_user": ssh.USER,
        "ansible_ssh_private_key_file": str(ssh.identity()),
        # Keys of the lab's own; one connection for many tasks, since a handshake takes a second under emulation.
        "ansible_ssh_common_args": " ".join([*ssh.options(), "-o ControlMaster=auto", "-o ControlPersist=60s"]),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_become": True,
        "ansible_ssh_timeout": 180,  # an emulated node that is starting may take that long to answer
    }
    return {"hosts": {node.name: host(node, ports) for node in NODES}, "vars": variables}


def host(node: Node, ports: Ports) -> dict[str, Any]:
    """The variables of one host."""
    return {"ansible_port": ports.ssh(node), "friday_zone": node.zone}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Written by `python3 -m lab up`; do not edit.\n{json.dumps(content, indent=2)}\n")
