# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A callback of somebody's own that raises at every event."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: raising
type: aggregate
short_description: Raises
description: Raises at every event.
author: Friday contributors
"""


class CallbackModule(CallbackBase):
    """Raises whatever it is told."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "raising"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, *_: Any, **__: Any) -> None:
        """Raise."""
        raise RuntimeError("raised by the test")

    v2_runner_on_failed = v2_playbook_on_play_start = v2_playbook_on_stats = v2_runner_on_ok
