# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A worker knows whether the callback listens in the process that forked it."""

from __future__ import annotations

import os

import pytest

from ansible_collections.friday.upgrade.plugins.callback.journal import CallbackModule
from ansible_collections.friday.upgrade.plugins.plugin_utils.play import callback


@pytest.fixture(autouse=True)
def in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known yet, nothing is enabled, and this process is the worker of itself."""
    for name in ("FRIDAY_CALLBACK_OF", "ANSIBLE_CALLBACKS_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setattr(callback.constants, "CALLBACKS_ENABLED", [])
    monkeypatch.setattr(callback.constants, "CONFIG_FILE", None)


def test_the_callback_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert callback.missing()
    CallbackModule().v2_playbook_on_start(None)
    assert callback.missing() is None


def test_a_playbook_within_another_inherits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    callback.listens()
    monkeypatch.setattr(os, "getppid", lambda: os.getpid() + 1)
    assert callback.missing()


def test_the_line_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = callback.missing()
    assert problem
    assert (
        "`callbacks_enabled=friday.upgrade.journal` under [defaults] in ./ansible.cfg, which is not there"
        in problem.fix
    )
    monkeypatch.setattr(callback.constants, "CALLBACKS_ENABLED", ["timer", "profile_tasks"])
    monkeypatch.setattr(callback.constants, "CONFIG_FILE", "/etc/ansible/ansible.cfg")
    problem = callback.missing()
    assert problem
    value = "timer,profile_tasks,friday.upgrade.journal"
    assert f"`callbacks_enabled={value}` under [defaults] in /etc/ansible/ansible.cfg;" in problem.fix
    assert f"`export ANSIBLE_CALLBACKS_ENABLED={value}`" in problem.fix
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "timer,profile_tasks")
    problem = callback.missing()
    assert problem
    assert problem.fix == f"add it to what is enabled already: `export ANSIBLE_CALLBACKS_ENABLED={value}`"


def test_one_that_could_not_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback.constants, "CALLBACKS_ENABLED", ["friday.upgrade.journal"])
    problem = callback.missing()
    assert problem
    assert "was not loaded" in problem.message
