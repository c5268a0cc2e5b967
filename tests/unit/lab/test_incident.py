# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's addition to Cilium's sources goes in at its anchors or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.artifacts import incident, kernels

HOST = (
    '#include "lib/common.h"\n#include "lib/edt.h"\n\nint cil_from_netdev(struct __ctx_buff *ctx)\n{\n\tint ret;\n}\n'
)
LXC = '#include "lib/common.h"\n\nint cil_from_container(struct __ctx_buff *ctx)\n{\n\t__u16 proto;\n}\n'


@pytest.fixture
def bpf(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "bpf_host.c").write_text(HOST)
    (tmp_path / "bpf_lxc.c").write_text(LXC)
    return tmp_path


@pytest.mark.parametrize("way", incident.WAYS)
def test_the_checks_are_the_first_statement_of_both_programs(bpf: Path, way: int) -> None:
    incident.apply(bpf, way)
    call = "\t__u64 lab_total __maybe_unused = lab_checks(ctx);\n"
    assert f"cil_from_netdev(struct __ctx_buff *ctx)\n{{\n{call}\tint ret;" in (bpf / "bpf_host.c").read_text()
    assert f"cil_from_container(struct __ctx_buff *ctx)\n{{\n{call}\t__u16 proto;" in (bpf / "bpf_lxc.c").read_text()
    assert '#include "lib/lab_checks.h"\n' in (bpf / "bpf_lxc.c").read_text()
    assert "Friday's lab" in (bpf / "lib" / "lab_checks.h").read_text()


def test_both_ways_are_twenty_checks_with_the_same_weights() -> None:
    checks = [
        [line for line in (incident.SOURCES / f"lab_checks_{way}.h").read_text().splitlines() if "total += " in line]
        for way in incident.WAYS
    ]
    assert checks[0] == checks[1]
    assert len(checks[0]) == 20


def test_a_missing_anchor_is_an_error(bpf: Path) -> None:
    (bpf / "bpf_lxc.c").write_text(LXC.replace("cil_from_container", "cil_renamed"))
    with pytest.raises(ValueError, match=r"bpf_lxc\.c: the anchor .*cil_from_container.* occurs 0 times"):
        incident.apply(bpf, 1)


def test_an_ambiguous_anchor_is_an_error() -> None:
    with pytest.raises(ValueError, match="occurs 2 times"):
        incident.insert_after("a\na\n", "a\n", "b\n", "file.c")


@pytest.mark.parametrize(
    ("version", "refuses"),
    [
        ("6.1.192-2", False),
        ("6.12.74-2~bpo12+1", False),
        ("6.12.85-1", True),
        ("6.12.117-1", True),
        ("6.16.3-1~bpo13+1", False),
    ],
)
def test_kernels_known_to_refuse_the_incident(version: str, refuses: bool) -> None:
    assert kernels.refuses_incident(version) is refuses


def test_a_version_without_numbers_is_an_error() -> None:
    with pytest.raises(ValueError, match="is not a version"):
        kernels.refuses_incident("next")
