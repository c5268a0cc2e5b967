# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guest has said, whole and in pieces; and QEMUs that are none. Real guests are in tests/rehearsal."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import guest, report

BOOT = {"kind": "boot", "release": "6.12", "version": "#1", "machine": "x86_64", "btf": True, "seconds": 2.1}
END = {"kind": "end", "seconds": 4.5}


def lines(*given: dict[str, Any]) -> str:
    return "".join(json.dumps({"object_number": 0, "program_number": 0, **line}) + "\n" for line in given)


def read_object(name: str, *programs: str) -> list[dict[str, Any]]:
    reading = {"kind": "object", "object": name, "error": "reading"}
    return [reading, {"kind": "object", "object": name, "programs": list(programs)}]


def tried(name: str, program: str, outcome: str = "loaded") -> list[dict[str, Any]]:
    both = {"object": name, "program": program}
    return [{"kind": "begin", **both}, {"kind": "program", **both, "outcome": outcome, "seconds": 0.1}]


def test_a_whole_report() -> None:
    said = lines(BOOT, *read_object("a.o", "one", "two"), *tried("a.o", "one"), *tried("a.o", "two", "refused"), END)
    answer = report.read(said, "")
    assert (answer["release"], answer["btf"], answer["complete"], answer["last"]) == ("6.12", True, True, "")
    assert answer["guest_seconds"] == 4.5
    found = answer["objects"]["a.o"]
    assert (found["error"], found["complete"], found["splats"]) == ("", True, [])
    assert [(each["program"], each["outcome"]) for each in found["programs"]] == [("one", "loaded"), ("two", "refused")]


def test_a_kernel_that_goes_down_leaves_what_was_done_before() -> None:
    """What is complete is an answer; the panic belongs to what was being loaded."""
    said = lines(
        BOOT, *read_object("a.o", "one"), *tried("a.o", "one"), *read_object("b.o", "x", "y"), *tried("b.o", "x")
    )
    console = "[    2.1] fine\n[    2.4] Kernel panic - not syncing: Fatal exception\n"
    answer = report.read(said + '{"kind":"begin","obj', console)
    assert (answer["complete"], answer["last"]) == (False, "b.o")
    assert (answer["objects"]["a.o"]["complete"], answer["objects"]["a.o"]["splats"]) == (True, [])
    assert answer["objects"]["b.o"]["complete"] is False
    assert answer["objects"]["b.o"]["splats"] == ["Kernel panic - not syncing: Fatal exception"]


def test_a_loader_that_falls_over_an_object_or_a_program() -> None:
    crash = {"kind": "crash", "object": "a.o", "error": "the loader crashed on it (exit status 2): panic: index"}
    of_program = {"kind": "crash", "object": "b.o", "program": "x", "error": "did not finish within 90 s"}
    reading = read_object("a.o")[0]
    answer = report.read(lines(BOOT, reading, crash, *read_object("b.o", "x"), of_program, END), "")
    assert answer["objects"]["a.o"]["error"].startswith("the loader crashed on it")
    assert answer["objects"]["b.o"]["programs"] == [
        {"object": "b.o", "program": "x", "error": "did not finish within 90 s", "outcome": "crash"}
    ]


def test_what_the_kernel_complains_of_belongs_to_its_object() -> None:
    splat = {"kind": "splat", "object": "b.o", "program": "x", "splats": ["[    3.1] WARNING: CPU: 0 at x.c"]}
    answer = report.read(lines(BOOT, *read_object("a.o"), *read_object("b.o", "x"), *tried("b.o", "x"), splat, END), "")
    assert answer["objects"]["a.o"]["splats"] == []
    assert answer["objects"]["b.o"]["splats"] == ["WARNING: CPU: 0 at x.c"]


def test_a_truncated_log_is_passed_on() -> None:
    (begun, refused) = tried("a.o", "one", "refused")
    said = lines(BOOT, *read_object("a.o", "one"), begun, {**refused, "log": ["last"], "truncated": True}, END)
    (program,) = report.read(said, "")["objects"]["a.o"]["programs"]
    assert (program["log"], program["truncated"]) == (["last"], True)


def test_nothing_at_all() -> None:
    answer = report.read("", "")
    assert (answer["release"], answer["complete"], answer["objects"]) == ("", False, {})


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in QEMU's place. ``$said`` in it is the file that the guest's report goes to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def put(script: str, name: str = "qemu-system-x86_64") -> None:
        find = 'for word in "$@"; do case "$word" in file:*/report) said=${word#file:};; esac; done'
        program = folder / name
        program.write_text(f"#!/bin/sh\n{find}\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return put


def a_trial(tmp_path: Path, *names: str, seconds: float = 30) -> guest.Trial:
    for name in (*names, "kernel", "loader"):
        (tmp_path / name).write_text(name)
    return guest.Trial(tmp_path / "kernel", [guest.Object(n, tmp_path / n, {}) for n in names], {}, seconds=seconds)


def test_a_guest_that_never_ends_is_ended(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    emulator(f"echo $$ > {tmp_path}/pid; sleep 600 & wait")
    answer = guest.run(a_trial(tmp_path, "a.o", seconds=0.5), tmp_path / "loader", [])
    assert (answer["expired"], answer["complete"]) == (True, False)
    pid = int((tmp_path / "pid").read_text())
    members = [stat for stat in Path("/proc").glob("[0-9]*/stat") if _group(stat) == pid and _alive(stat)]
    assert members == [], "nothing of it lives on"
    assert not list(tmp_path.glob("friday-rehearsal-*"))


def _group(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[2])
    except (OSError, ValueError):
        return 0


def _alive(stat: Path) -> bool:
    return stat.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")


def test_an_emulator_that_refuses(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    emulator("echo 'Could not access KVM kernel module' >&2; exit 1")
    with pytest.raises(guest.GuestError, match=r"qemu-system-x86_64 exited with code 1: Could not access KVM"):
        guest.run(a_trial(tmp_path, "a.o"), tmp_path / "loader", [])


def test_behind_what_takes_the_kernel_down_it_goes_on(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    """The second of three objects panics: the first has its answer already, the third gets one in a new guest."""
    names = ("a.o", "b.o", "c.o")
    first = lines(BOOT, *read_object("a.o", "one"), *tried("a.o", "one"), *read_object("b.o", "two"))
    second = lines(BOOT, *read_object("c.o", "three"), *tried("c.o", "three"), END)
    (tmp_path / "first").write_text(first)
    (tmp_path / "second").write_text(second)
    script = "[ -e {0}/again ] && cat {0}/second > $said || cat {0}/first > $said; touch {0}/again"
    emulator(script.format(tmp_path))
    answer = guest.run_through(a_trial(tmp_path, *names), tmp_path / "loader", [])
    assert {name: each["complete"] for name, each in answer["objects"].items()} == {
        "a.o": True,
        "b.o": False,
        "c.o": True,
    }


def in_turn(tmp_path: Path, *said: str) -> str:
    """A script that says these reports in turn, one a guest, and hangs where one has no end; it keeps the initramfs."""
    for number, text in enumerate(said, 1):
        (tmp_path / f"guest{number}").write_text(text)
    return (
        f"cd {tmp_path}; echo >> count; n=$(wc -l < count)\n"
        'while [ "$1" != -initrd ]; do shift; done; cp "$2" "initramfs$n"\n'
        'cat "guest$n" > $said; grep -q \'"end"\' "guest$n" || { sleep 600 & wait; }'
    )


def listed(name: str, begin: int, *programs: str) -> list[dict[str, Any]]:
    both = read_object(name, *programs)
    return [{**each, "program_number": begin} for each in both]


def of(name: str, program: str, number: int) -> list[dict[str, Any]]:
    return [{**each, "program_number": number} for each in tried(name, program)]


def begins(tmp_path: Path, number: int) -> tuple[int, int]:
    """Where a guest was told to begin."""
    archive = (tmp_path / f"initramfs{number}").read_bytes()
    text = archive[archive.index(b'{"objects"') :]
    begin = json.JSONDecoder().raw_decode(text.decode(errors="replace"))[0]["begin"]
    return begin["object_number"], begin["program_number"]


def test_what_was_not_tried_is_tried_in_another_guest(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    """The second of three programs hangs its guest: the third and the other object are tried without it."""
    names = ("one", "two", "three")
    first = lines(BOOT, *listed("a.o", 0, *names), *of("a.o", "one", 0), of("a.o", "two", 1)[0])
    second = lines(
        BOOT, *listed("a.o", 2, *names), *of("a.o", "three", 2), *read_object("b.o", "x"), *tried("b.o", "x")
    )
    emulator(in_turn(tmp_path, first, second + lines(END)))
    answer = guest.run_through(a_trial(tmp_path, "a.o", "b.o", seconds=2), tmp_path / "loader", [])
    assert begins(tmp_path, 2) == (0, 2)
    found = {each["program"]: each for each in answer["objects"]["a.o"]["programs"]}
    assert {name: each["outcome"] for name, each in found.items()} == {
        "one": "loaded",
        "two": "ended",
        "three": "loaded",
    }
    assert (found["two"]["late"], found["two"]["seconds"]) == (True, 2)
    assert found["two"]["error"] == "did not finish being loaded within 2 s, so the guest was ended"
    assert (answer["objects"]["a.o"]["error"], answer["objects"]["a.o"]["late"]) == ("", True)
    assert answer["objects"]["a.o"]["complete"] is False, "it is asked again another time"
    assert (answer["objects"]["b.o"]["complete"], answer["objects"]["b.o"]["late"]) == (True, False)


def test_without_progress_it_is_given_up_with_what_it_hung_on(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    names = ("one", "two", "three", "four")
    first = lines(BOOT, *listed("a.o", 0, *names), *of("a.o", "one", 0), of("a.o", "two", 1)[0])
    second = lines(BOOT, *listed("a.o", 2, *names), of("a.o", "three", 2)[0])
    third = lines(BOOT, *listed("a.o", 3, *names))  # what it was given last never came to be told
    emulator(in_turn(tmp_path, first, second, third))
    answer = guest.run_through(a_trial(tmp_path, "a.o", "b.o", seconds=1), tmp_path / "loader", [])
    assert [begins(tmp_path, number) for number in (2, 3)] == [(0, 2), (0, 3)]
    why = "given up: the guest hung at three for 1 s and then the guest hung at four for 1 s, and tried no program"
    assert answer["objects"]["b.o"]["error"] == why
    outcomes = [(each["program"], each["outcome"]) for each in answer["objects"]["a.o"]["programs"]]
    assert outcomes == [("one", "loaded"), *((name, "ended") for name in names[1:])]


def test_a_guest_that_is_slow_and_comes_on_is_not_ended(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    """The limit is for the time without progress, and not for all of it."""
    (tmp_path / "said").write_text(lines(BOOT, *read_object("a.o", "x"), *tried("a.o", "x"), END))
    emulator(f"while read -r line; do printf '%s\\n' \"$line\" >> $said; sleep 0.6; done < {tmp_path}/said")
    answer = guest.run(a_trial(tmp_path, "a.o", seconds=2.5), tmp_path / "loader", [])
    assert (answer["complete"], answer["expired"]) == (True, False)
    assert answer["timings"]["guest"] > 2.5


def test_a_kernel_that_does_not_come_up_is_said(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    emulator("sleep 600 & wait")
    answer = guest.run_through(a_trial(tmp_path, "a.o", seconds=0.5), tmp_path / "loader", [])
    assert answer["error"] == "its kernel did not come up within 0.5 s"


def test_an_emulator_that_is_too_old_to_emulate(tmp_path: Path, emulator: Callable[[str], None]) -> None:
    emulator('[ "$1" = --version ] && echo "QEMU emulator version 7.2.11 (Debian)" || exit 1')
    with pytest.raises(guest.GuestError, match=r"QEMU 7.2 is too old .* friday_rehearsal_host"):
        guest.processor(a_trial(tmp_path), tmp_path / "loader", tmp_path / "cache")


def test_an_architecture_without_guests() -> None:
    with pytest.raises(guest.GuestError, match="virtual machines for riscv64 are not supported"):
        guest.program("riscv64")


def test_an_emulator_that_is_missing_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for machine, name, package in (
        ("x86_64", "qemu-system-x86_64", "qemu-system-x86"),
        ("aarch64", "qemu-system-aarch64", "qemu-system-arm"),
    ):
        with pytest.raises(guest.GuestError, match=rf"^{name} is not installed \(Debian, Ubuntu: package {package}\)$"):
            guest.program(machine)


def test_a_guest_for_arm64_has_the_same_two_ports(
    tmp_path: Path, emulator: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its board has one port of another kind: a card has both, in the same order."""
    monkeypatch.setattr(guest, "_kvm_works", lambda *_: False)
    emulator(
        '[ "$1" = --version ] && { echo "QEMU emulator version 10.0.2"; exit; }\n'
        f'printf "%s\\n" "$@" > {tmp_path}/arguments; exit 0',
        "qemu-system-aarch64",
    )
    trial = a_trial(tmp_path)._replace(machine="aarch64")
    processor = guest.processor(trial, tmp_path / "loader", tmp_path / "cache")
    guest.run(trial, tmp_path / "loader", processor)
    given = (tmp_path / "arguments").read_text().splitlines()
    assert given[given.index("-cpu") + 1] == "cortex-a57"
    assert given[given.index("-machine") + 1] == "virt"
    assert "pci-serial-2x,chardev1=console,chardev2=report" in given
    files = [word.partition(",path=")[0] for word in given if word.startswith("file,")]
    assert files == ["file,id=console", "file,id=report"]


@pytest.mark.parametrize(
    ("asked", "processors", "memory", "number"),
    [
        (3, 8, 64_000, 3),
        (3, 1, 100, 3),  # who asks knows what there is
        (0, 2, 64_000, 3),
        (0, 2, 2 * guest.MEMORY_MIB, 2),
        (0, 2, guest.MEMORY_MIB - 1, 1),
    ],
)
def test_guests_are_as_many_as_there_is_room_for(asked: int, processors: int, memory: int, number: int) -> None:
    assert guest.at_once(asked, processors, memory) == number


def test_room_for_guests_is_this_hosts() -> None:
    assert 1 <= guest.at_once() <= (os.cpu_count() or 1) + 1
    assert guest._free_mib() > 0
