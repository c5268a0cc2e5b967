# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host's answer to the survey means: its facts, or the problem that kept it from answering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts

_NO_PYTHON = ("interpreter", "python: not found", "python3: not found", "/python", "no python")
_NO_ROOT = ("sudo", "become", "privilege escalation", "password is required")


def read_answer(host: str, result: Mapping[str, Any] | None) -> tuple[HostFacts | None, Problem | None]:
    """The facts in a registered result of ``node_facts``, or the problem, in words that name what to change.

    Args:
        result: what Ansible registered; None when the host took no part in the survey.
    """
    if not result:
        return None, Problem(host, "was not surveyed", "is it in friday_hosts?")
    message = " ".join(str(result.get(key, "")) for key in ("msg", "module_stderr", "module_stdout")).strip()
    if result.get("unreachable"):
        return None, Problem(host, f"is unreachable: {_short(message)}", "make it reachable, or fix it first")
    if "facts" in result and not result.get("failed"):
        return from_data(HostFacts, {**result["facts"], "host": host}), None
    lowered = message.lower()
    if any(sign in lowered for sign in _NO_ROOT):
        return None, Problem(
            host, f"no root privileges: {_short(message)}", "let the Ansible user use sudo without a password"
        )
    if any(sign in lowered for sign in _NO_PYTHON):
        return None, Problem(host, f"no usable Python: {_short(message)}", "install python3 (3.9 or newer) on it")
    if "timed out" in lowered or "timedout" in result:
        return None, Problem(host, f"did not answer the survey in time: {_short(message)}", "find out why it hangs")
    return None, Problem(host, f"could not be surveyed: {_short(message)}")


def _short(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    text = " / ".join(lines) or "no message"
    return text if len(text) <= 300 else text[:297] + "..."
