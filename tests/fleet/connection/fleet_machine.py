# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A machine of the tests, as Ansible reaches it: a folder, entered in a mount namespace. It can be told to fail."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: fleet_machine
short_description: A folder that stands in for a machine
description: Runs commands on the controller in the machine's mount namespace.
author: Friday contributors
extends_documentation_fragment:
  - connection_pipelining
options:
  folder:
    description: The machine's folder.
    vars:
      - name: machine_folder
  become_success_timeout:
    description: As the local connection has it.
    type: int
    default: 10
  become_strip_preamble:
    description: As the local connection has it.
    type: bool
    default: true
"""

_LONG = 3600  # seconds: longer than any test


class Connection(Local):
    """The local connection, with the machine's namespace around each command, and its fault in it."""

    transport = "fleet_machine"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command on the machine, unless its fault is due."""
        folder = Path(self.get_option("folder"))
        fault = _due(folder)
        if fault == "unreachable":
            raise AnsibleConnectionFailure("the test has cut the connection")
        if fault == "hung":
            time.sleep(_LONG)
        if fault == "failed":
            return 1, b'{"failed": true, "msg": "failed by the test"}', b""
        if fault == "crashed":
            return 139, b"", b"Segmentation fault (core dumped)"
        if fault == "wait":
            _wait(folder)
        entered = f"{folder}/enter {shlex.quote(cmd)}"
        answer: tuple[int, bytes, bytes] = super().exec_command(entered, in_data=in_data, sudoable=sudoable)
        if fault == "lost":
            raise AnsibleConnectionFailure("the test has cut the connection after the command")
        return answer


def _due(folder: Path) -> str:
    """The fault of the machine if it is due now: in its step, as the journal has it."""
    try:
        fault: dict[str, Any] = json.loads((folder / "fault.json").read_text())
    except FileNotFoundError:
        return ""
    step = ""
    for path in sorted(Path(fault["state"]).glob("*/journal.jsonl"))[-1:]:
        for line in path.read_text().splitlines():
            event = json.loads(line)
            if event["host"] == fault["host"] and event["kind"] == "step":
                step = event["data"]["step"]
    return str(fault["what"]) if step == fault["step"] else ""


def _wait(folder: Path) -> None:
    """Hold the command until the test has done what it wanted to do in this step."""
    end = time.monotonic() + _LONG
    while time.monotonic() < end and (folder / "fault.json").exists() and os.getppid() != 1:
        time.sleep(0.05)
