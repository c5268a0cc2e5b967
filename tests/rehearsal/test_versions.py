# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A few of Cilium's own objects: large constants, variables of each processor (all of them: make rehearsal-matrix)."""

from __future__ import annotations

import pytest

from tests.rehearsal import cilium, kernels, truth, versions
from tests.rehearsal.matrix import Stage


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize(
    ("version", "configuration", "source"), [("1.18.6", "61", "bpf_sock"), ("1.19.7", cilium.MAKEFILE, "bpf_xdp")]
)
def test_every_program_that_loads_is_rehearsed(stage: Stage, version: str, configuration: str, source: str) -> None:
    unit = versions.Unit(version, configuration, kernels.pair()[0])
    found = list(versions.cells(stage, unit, [source]))
    assert [(cell.sample, cell.program, cell.why) for cell in found if cell.wrong or cell.missed] == []
    assert sum(cell.real for cell in found) == len(found) > 0


def test_what_is_put_in_has_an_address_of_16_bytes(stage: Stage) -> None:
    samples = cilium.samples("61", "1.18.6", ["bpf_sock"])
    so = truth.known(kernels.pair()[0], samples, stage.processor)
    address = bytes([0xFD, *[0] * 14, 2])
    assert all(address in said.contents[".rodata.config"] for said in so.values())
