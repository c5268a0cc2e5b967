# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for another host: this one, by a connection that is not the local one, so that all has to be brought."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: This host, as if it were another one
description: Runs commands here.
author: Friday contributors
extends_documentation_fragment:
  - connection_pipelining
options:
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
