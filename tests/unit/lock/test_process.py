# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which process it was, and whether it is surely gone."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import process


def test_a_process_is_surely_gone_only_when_it_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as running:
        known = process.identity(running.pid)
        assert not process.surely_gone(known)
        running.kill()
    assert process.surely_gone(known)


def test_a_later_process_with_its_id_is_another_one() -> None:
    own = process.identity(os.getpid())
    assert not process.surely_gone(own)
    head, _, start = own.rpartition("/")
    assert process.surely_gone(f"{head}/{int(start) - 1}")


@pytest.mark.parametrize("part", [0, 1])
def test_a_process_of_another_boot_or_namespace_may_live(part: int) -> None:
    """It can't be seen from here, so nothing is known of it."""
    with subprocess.Popen(["sleep", "60"]) as ended:
        pieces = process.identity(ended.pid).split("/")
        ended.kill()
    pieces[part] = "another"
    assert not process.surely_gone("/".join(pieces))


@pytest.mark.parametrize("text", ["", "x", "a/b", "a/b/c", "a/b/c/d", "///"])
def test_what_is_no_identity_says_nothing(text: str) -> None:
    assert not process.surely_gone(text)


def test_where_processes_are_hidden_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """hidepid=2 shows an ordinary user nothing of others: not even process 1."""
    with subprocess.Popen(["sleep", "60"]) as ended:
        known = process.identity(ended.pid)
        ended.kill()
    monkeypatch.setattr(process, "process_start", lambda _pid: "")
    assert not process.surely_gone(known)
