# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the tests of the lab's Go program, which lie beside its sources, with the pinned toolchain."""

from __future__ import annotations

from lab.artifacts import go


def test_labapp() -> None:
    go.run_go(["vet", "."], go.SOURCES / "labapp")
    assert "ok" in go.run_go(["test", "."], go.SOURCES / "labapp")
