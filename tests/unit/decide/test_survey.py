# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts that could not be surveyed have said, as Ansible 2.16 to 2.21 registers it, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.survey import read_answer

NO_JSON = "Module result deserialization failed: No start of json char found"
FRAMES = """Traceback (most recent call last):
  File "/root/.ansible/tmp/ansible-tmp-1/AnsiballZ_node_facts.py", line 266, in <module>
    _ansiballz_main()
  File "/usr/lib/python3.11/tempfile.py", line 126, in _sanitize_params
    dir = gettempdir()
          ^^^^^^^^^^^^
"""


def traceback(error: str) -> dict[str, Any]:
    return {"msg": NO_JSON, "module_stdout": "", "module_stderr": f"{FRAMES}{error}\n", "rc": 1}


NO_TEMPORARY = traceback("FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp']")
FULL = traceback("OSError: [Errno 28] No space left on device: '/tmp/ansible_node_facts_payload_x'")
FULL_HOME = {
    "unreachable": True,
    "msg": "Task failed: mkdir: cannot create directory ‘/home/a/.ansible/tmp’: No space left on device",
}
READ_ONLY = traceback("OSError: [Errno 30] Read-only file system: '/root/.ansible/tmp/x'")
NO_FOLDER = {
    "unreachable": True,
    "msg": "Failed to create temporary directory. In some cases, you may have been able to authenticate and did not "
    "have permissions on the target directory. Consider changing the remote tmp path in ansible.cfg to a path rooted "
    'in "/tmp", for more error information use -vvv. Failed command was: ( umask 77 && mkdir -p "` echo ~/.ansible',
}
NOT_FOUND = {
    "msg": "The module interpreter '/usr/bin/python3' was not found.",
    "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found\n",
    "rc": 127,
}
SUDO_PYTHON = {"msg": NO_JSON, "module_stderr": "sudo: /usr/bin/python3: command not found\n", "rc": 1}
TOO_OLD = {
    "msg": "MODULE FAILURE\nSee stdout/stderr for the exact error",
    "module_stderr": "ansible-core requires a minimum of Python version 3.9. Current version: 3.6.8",
}
SUDO = {"msg": NO_JSON, "module_stderr": "sudo: a password is required\n", "rc": 1}
PROMPT = {"msg": "Timeout (12s) waiting for privilege escalation prompt: "}
DENIED = {"msg": NO_JSON, "module_stderr": "/bin/sh: 1: /opt/python3: Permission denied\n", "rc": 126}
HANGS = {"msg": "Timed out after 900 second(s).", "timedout": {"period": 900}}
MEMORY = traceback("MemoryError")
ODD = traceback("KeyError: 'interpreter of sudo'")
SSH = {"unreachable": True, "msg": "Failed to connect to the host via ssh: a@192.0.2.1: Permission denied (publickey)."}


@pytest.mark.parametrize(
    ("result", "said", "fix"),
    [
        (NO_TEMPORARY, "no temporary directory can be written to", "make /tmp and /var/tmp writable"),
        (FULL, "its disk is full: OSError: [Errno 28] No space left", "make room"),
        (FULL_HOME, "its disk is full: Task failed: mkdir", "make room"),
        (READ_ONLY, "mounted read-only: OSError: [Errno 30]", "mount it writable"),
        (NO_FOLDER, "could not make its temporary directory", "has room and is writable"),
        (NOT_FOUND, "no usable Python: The module interpreter", "install python3"),
        (SUDO_PYTHON, "no usable Python: sudo: /usr/bin/python3", "install python3"),
        (TOO_OLD, "no usable Python: ansible-core requires", "install python3"),
        (SUDO, "no root privileges: sudo: a password is required", "sudo without a password"),
        (PROMPT, "no root privileges: Timeout (12s)", "sudo without a password"),
        (DENIED, "permission denied: /bin/sh: 1: /opt/python3", "correct the permissions"),
        (HANGS, "did not answer the survey in time: Timed out", "find out why it hangs"),
        (MEMORY, "it is out of memory: MemoryError", "free -m"),
        (ODD, f"could not be surveyed: {NO_JSON} / KeyError: 'interpreter of sudo'", "find out why"),
        (SSH, "is unreachable: Failed to connect", "make it reachable"),
    ],
)
def test_what_is_wrong_is_what_the_host_said(result: dict[str, Any], said: str, fix: str) -> None:
    facts, problem = read_answer("node1", result)
    assert facts is None and problem is not None
    assert said in problem.message
    assert fix in problem.fix
    if "install" not in fix:
        assert "install python3" not in problem.line()
    assert 'File "' not in problem.message, "no frames of a traceback"


def test_an_answer_and_none() -> None:
    facts, problem = read_answer("node1", {"facts": {"host": "x", "kernel": "6.1.0"}})
    assert facts is not None
    assert (facts.host, facts.kernel, problem) == ("node1", "6.1.0", None)
    _, problem = read_answer("node1", None)
    assert problem is not None
    assert "was not surveyed" in problem.message
