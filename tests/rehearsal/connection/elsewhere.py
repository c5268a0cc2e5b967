# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for another host: this one, by a connection that is not the local one, so that all has to be brought.

What is brought is noted in the file ``$BROUGHT``, a path a line.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: This host, as if it were another one
description: Runs commands here.
author: Friday contributors
options:
  pipelining:
    description: Without it, Ansible brings its own files too, and takes their folder away with all that is in it.
    type: bool
    default: true
  become_success_timeout:
    description: As the local connection has it.
    type: int
    default: 10
  become_strip_preamble:
    description: As the local connection has it.
    type: bool
    default: true
"""


class Connection(Local):
    """The local connection by another name."""

    transport = "elsewhere"

    def put_file(self, in_path: str, out_path: str) -> None:
        """As the local connection does it; noted."""
        super().put_file(in_path, out_path)
        with Path(os.environ["BROUGHT"]).open("a", encoding="utf-8") as file:
            file.write(f"{in_path}\n")
