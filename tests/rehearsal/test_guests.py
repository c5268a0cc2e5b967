# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real guests on the lab's two kernels: the rehearsal says what loading for real says (all: make rehearsal-matrix)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import guest
from tests.fleet.world import wait_for
from tests.rehearsal import kernels
from tests.rehearsal.kernels import Kernel
from tests.rehearsal.matrix import Cell, Stage

A, B = 0, 1


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def pair() -> tuple[Kernel, Kernel]:
    return kernels.pair()


@pytest.fixture(scope="module", params=[A, B], ids=["kernel A", "kernel B"])
def cells(request: pytest.FixtureRequest, stage: Stage, pair: tuple[Kernel, Kernel]) -> list[Cell]:
    return list(stage.cells(pair[request.param]))


@pytest.fixture(scope="module")
def answers(stage: Stage, pair: tuple[Kernel, Kernel]) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = (stage.rehearse(kernel) for kernel in pair)
    return first, second


def test_the_rehearsal_says_what_is_so(cells: list[Cell]) -> None:
    assert [(cell.sample, cell.text, cell.why) for cell in cells if not cell.agrees] == []
    assert [cell.sample for cell in cells if cell.rehearsed is None] == ["freplace", "struct_ops_legacy"]
    assert {cell.rehearsed for cell in cells} == {True, False, None}


def test_the_incident(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, after = (answer["objects"]["checks_20"]["programs"][0] for answer in answers)
    assert (before["outcome"], after["outcome"], after["errno"]) == ("loaded", "refused", 7)
    assert any("BPF program is too large" in line for line in after["log"])
    near = [answer["objects"]["checks_16"]["programs"][0]["stats"] for answer in answers]
    assert near[A]["insns"] < 1000 < 600_000 < near[B]["insns"] < near[B]["limit"] == 1_000_000
    assert near[B]["total_states"] > 0


def test_what_a_guest_says_of_itself(
    answers: tuple[dict[str, Any], dict[str, Any]], pair: tuple[Kernel, Kernel]
) -> None:
    assert [answer["release"] for answer in answers] == [kernel.release for kernel in pair]
    assert all(answer["complete"] and answer["btf"] and not answer["expired"] for answer in answers)
    assert all(each["complete"] for answer in answers for each in answer["objects"].values())


def objects(stage: Stage, folder: Path, **files: bytes) -> list[guest.Object]:
    """Hostile files, and a good one behind them."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    good = next(sample for sample in stage.samples if sample.name == "xdp_bounds")
    return [*(guest.Object(name, folder / name, {}) for name in files), guest.Object("good", good.rehearsed, {})]


def test_hostile_objects_cost_themselves_alone(stage: Stage, pair: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    whole = next(sample for sample in stage.samples if sample.name == "large_hash").rehearsed.read_bytes()
    cut = {f"cut at {size}": whole[:size] for size in (0, 3, 40, 200, 1000, len(whole) // 2, len(whole) - 60)}
    torn = bytearray(whole)
    torn[0x28:0x30] = b"\xff" * 8  # where the section headers are
    given = objects(stage, tmp_path, noise=bytes(range(256)) * 40, torn=bytes(torn), **cut)
    answer = guest.run_through(guest.Trial(pair[B].image, given, {}), stage.loader, stage.processor)
    assert answer["complete"]
    assert {name for name, each in answer["objects"].items() if not each["error"]} == {"good"}
    assert answer["objects"]["good"]["programs"][0]["outcome"] == "loaded"


def test_a_program_that_takes_too_long_is_ended_and_the_others_are_tried(
    stage: Stage, pair: tuple[Kernel, Kernel]
) -> None:
    names = ("checks_20", "xdp_bounds")
    given = [guest.Object(each.name, each.rehearsed, {}) for each in stage.samples if each.name in names]
    trial = guest.Trial(pair[B].image, given, {}, program_seconds=1.0)
    answer = guest.run_through(trial, stage.loader, stage.processor)
    (late,) = answer["objects"]["checks_20"]["programs"]
    assert (late["outcome"], late["error"]) == ("crash", "did not finish within 1 s")
    assert answer["objects"]["xdp_bounds"]["programs"][0]["outcome"] == "loaded"


def test_another_guest_goes_on_where_one_was_ended(stage: Stage, pair: tuple[Kernel, Kernel]) -> None:
    """What comes before is not tried again."""
    names = ("checks_20", "tail_calls", "xdp_bounds")
    given = [guest.Object(each.name, each.rehearsed, {}) for each in stage.samples if each.name in names]
    trial = guest.Trial(pair[A].image, given, {}, begin=(1, 1))
    whole = guest.run(trial, stage.loader, stage.processor)
    _, *others = whole["objects"]["tail_calls"]["expected"]
    assert [each["program"] for each in whole["objects"]["tail_calls"]["programs"]] == others != []
    assert "checks_20" not in whole["objects"]
    assert whole["objects"]["xdp_bounds"]["programs"][0]["outcome"] == "loaded"
    assert whole["complete"]


def test_configuration_of_the_node_is_put_in(stage: Stage, pair: tuple[Kernel, Kernel]) -> None:
    (sample,) = (each for each in stage.samples if each.name == "configuration")
    right = guest.Object("right", sample.rehearsed, {".rodata.config": (99).to_bytes(4, "little")})
    wrong = guest.Object("wrong", sample.rehearsed, {".rodata.config": b"12345"})
    answer = guest.run(guest.Trial(pair[A].image, [right, wrong], {}), stage.loader, stage.processor)
    assert answer["objects"]["right"]["programs"][0]["outcome"] == "loaded"
    assert "they do not belong together" in answer["objects"]["wrong"]["error"]


def test_read_only_data_of_an_agent_is_put_in_and_decides(stage: Stage, pair: tuple[Kernel, Kernel]) -> None:
    """What libraries take from an agent before they load: with it, another part of the program is alive."""
    (sample,) = (each for each in stage.samples if each.name == "agent_constants")
    given: dict[str, dict[str, bytes]] = {"as built": {}, "as live": {".rodata": (1).to_bytes(4, "little")}}
    objects = [guest.Object(name, sample.rehearsed, contents) for name, contents in given.items()]
    answer = guest.run(guest.Trial(pair[B].image, objects, {}), stage.loader, stage.processor)
    built, live = (answer["objects"][name]["programs"][0] for name in given)
    assert (built["outcome"], live["outcome"], live["errno"]) == ("loaded", "refused", 7)
    assert answer["objects"]["as built"]["programs"][0]["tag"], "the kernel's hash of the code"


def test_options_of_the_kernel_are_those_that_it_was_given(stage: Stage, pair: tuple[Kernel, Kernel]) -> None:
    objects = [guest.Object(each.name, each.rehearsed, {}) for each in stage.samples if each.name == "kernel_options"]
    without = guest.run(guest.Trial(pair[A].image, objects, {}), stage.loader, stage.processor)
    (program,) = without["objects"]["kernel_options"]["programs"]
    assert program["outcome"] == "refused"
    assert "cannot find a kconfig file" in program["error"]


def test_sysctls_are_set_and_those_that_are_not_there_are_named(stage: Stage, pair: tuple[Kernel, Kernel]) -> None:
    trial = guest.Trial(pair[A].image, (), {"net.core.bpf_jit_harden": "2", "net.core.no_such_thing": "1"})
    answer = guest.run(trial, stage.loader, stage.processor)
    assert list(answer["sysctls"]) == ["net.core.no_such_thing"]


def test_a_guest_does_not_outlive_who_asked(stage: Stage, pair: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    """Whatever ends that: a kernel that hangs would keep a processor busy for ever."""
    program = f"""
from pathlib import Path
from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import guest
guest.run(guest.Trial(Path({str(pair[A].image)!r}), (), {{}}), Path({str(stage.loader)!r}), {stage.processor!r})
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    asking = subprocess.Popen([sys.executable, "-c", program], env=environment)
    wait_for("the guest", 20, lambda: guests(tmp_path))
    asking.kill()
    asking.wait()
    wait_for("its end", 5, lambda: not guests(tmp_path))


def guests(folder: Path) -> list[int]:
    """Emulators whose files are in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().split(b"\0")
            if b"qemu-system" in command[0] and any(str(folder).encode() in word for word in command):
                found.append(int(path.parent.name))
    return found


def test_a_kernel_that_is_none(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(b"no kernel" * 1000)
    with pytest.raises(guest.GuestError):
        guest.run(guest.Trial(tmp_path / "vmlinuz", (), {}, seconds=30), stage.loader, stage.processor)


def test_a_kernel_that_panics(stage: Stage, pair: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    """A loader that can't be started is a panic for the kernel: no init."""
    (tmp_path / "loader").write_bytes(b"no program")
    answer = guest.run(guest.Trial(pair[A].image, (), {}, seconds=60), tmp_path / "loader", stage.processor)
    assert (answer["complete"], answer["expired"], answer["release"]) == (False, False, "")
    assert "Kernel panic" in answer["console"]


def test_arm64_under_emulation(stage: Stage) -> None:
    """The same loader for another architecture: what loads, and what is refused."""
    names = ("configuration", "xdp_bounds", "xdp_out_of_bounds")
    kernel = kernels.arm64()[1]
    answer = stage.rehearse(kernel, [each for each in stage.samples if each.name in names])
    assert (answer["machine"], answer["release"], answer["complete"]) == ("aarch64", kernel.release, True)
    found = {name: each["programs"][0]["outcome"] for name, each in answer["objects"].items()}
    assert found == {"configuration": "loaded", "xdp_bounds": "loaded", "xdp_out_of_bounds": "refused"}
