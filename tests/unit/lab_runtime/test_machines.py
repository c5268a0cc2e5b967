# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines' command lines, disks and seeds, without starting any."""

from __future__ import annotations

import json
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest

from lab import ssh
from lab.topology import NODES, Ports
from lab.vm import image, qemu, seed

EMULATED = ["-accel", "tcg,thread=multi", "-cpu", "qemu64"]


def test_machines_listen_on_the_loopback_address_only() -> None:
    command = qemu.Machine(NODES[0], Path("/lab/node1")).command(EMULATED, Ports())
    networks = [value for option, value in pairwise(command) if option == "-netdev"]
    assert len(networks) == 2
    assert networks[0].count("hostfwd=") == networks[0].count("hostfwd=tcp:127.0.0.1:") == 2
    assert "localaddr=127.0.0.1" in networks[1]


def test_a_snapshot_is_loaded_only_when_asked_for() -> None:
    machine = qemu.Machine(NODES[1], Path("/lab/node2"))
    assert "-loadvm" not in machine.command(EMULATED, Ports())
    assert machine.command(EMULATED, Ports(), "lab")[-2:] == ["-loadvm", "lab"]


def test_the_first_disk_boots_and_the_others_are_read_only() -> None:
    command = qemu.hardware(EMULATED, "disk.qcow2", ["a.tar", "b.tar"], "console.log")
    drives = [value for option, value in pairwise(command) if option == "-drive"]
    assert ["readonly=on" in drive for drive in drives] == [False, True, True]
    assert sum("bootindex" in word for word in command) == 1


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)", (10, 0)), ("QEMU emulator version 11.1.0", (11, 1))],
)
def test_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: str, expected: tuple[int, int]) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", fake(tmp_path, printed))
    assert qemu.version() == expected


@pytest.mark.parametrize("works", [True, False], ids=["with KVM", "without KVM"])
def test_an_old_qemu_is_refused_where_it_would_emulate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, works: bool
) -> None:
    monkeypatch.setenv("FRIDAY_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: True)
    monkeypatch.setattr(qemu, "_boots", lambda *_: works)
    monkeypatch.setattr(qemu, "PROGRAM", fake(tmp_path, "QEMU emulator version 7.2.15"))
    if works:
        assert qemu.accelerator(Path("vmlinuz"))[1] == "kvm"
    else:
        with pytest.raises(qemu.QemuError, match=r"7\.2 is too old.*10\.0 or newer"):
            qemu.accelerator(Path("vmlinuz"))


def test_no_qemu_is_said_with_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", str(tmp_path / "missing"))
    with pytest.raises(qemu.QemuError, match="not installed"):
        qemu.version()


def fake(folder: Path, printed: str) -> str:
    program = folder / "qemu"
    program.write_text(f"#!/bin/sh\necho '{printed}'\n")
    program.chmod(0o755)
    return str(program)


def test_a_probe_that_hangs_means_no_kvm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FRIDAY_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: True)
    monkeypatch.setattr(qemu, "version", lambda: (10, 0))
    asked: list[Path] = []

    def boots(kernel: Path, processor: list[str]) -> bool:
        asked.append(kernel)
        return False

    monkeypatch.setattr(qemu, "_boots", boots)
    assert qemu.accelerator(Path("vmlinuz"))[1].startswith("tcg")
    assert qemu.accelerator(Path("vmlinuz"))[1].startswith("tcg")
    assert len(asked) == 1, "the answer is remembered"
    assert json.loads((tmp_path / "accelerator.json").read_text())["kvm"] is False


def test_equal_contents_make_equal_archives(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        image.write_tar(tmp_path / name, [(image.file_info("etc/x", 0o600, 7), b"content")])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert (tmp_path / "a.tar").stat().st_size % 512 == 0
    with tarfile.open(tmp_path / "a.tar") as archive:
        member = archive.getmember("etc/x")
    assert (member.mode, member.uid, member.size) == (0o600, 7, 7)


def test_a_boot_that_writes_nothing_any_more_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image._run_while_it_writes(["true"], [tmp_path / "console"])
    monkeypatch.setattr(image, "PREPARATION_SECONDS", -1.0)
    with pytest.raises(TimeoutError, match="sleep is making no progress"):
        image._run_while_it_writes(["sleep", "60"], [tmp_path / "console"])


def test_a_node_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And given up when the answer stays the same."""
    answers = ["no route", "timed out", "done"]

    def run(*_: object, **__: object) -> str:
        if (answer := answers.pop(0) if answers else "timed out") != "done":
            raise ssh.UnreachableError(answer)
        return answer

    monkeypatch.setattr(ssh, "run", run)
    assert ssh.run_patiently(NODES[0], Ports(), "true") == "done"
    with pytest.raises(ssh.UnreachableError, match="timed out"):
        ssh.run_patiently(NODES[0], Ports(), "true", patience=-1.0)


def test_guest_programs_are_executable_and_nothing_else_is() -> None:
    modes = {info.name: info.mode for tree in ("base", "node") for info, _ in image.tree_members(image.GUEST / tree)}
    assert {name for name, mode in modes.items() if mode == 0o755} == {
        "usr/local/lib/lab/cilium-state",
        "usr/local/lib/lab/endpoints",
        "usr/local/lib/lab/prepare",
    }


def test_the_recipe_names_no_mirror_of_its_own() -> None:
    command = image.mmdebstrap_command(Path("/t"), Path("/s"), ["kernel.deb"], ["deb http://mirror.test trixie main"])
    assert command[-1] == "deb http://mirror.test trixie main"
    assert sum("http" in word for word in command) == 1


def test_seed_marks_the_node_last_and_keeps_secrets_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRIDAY_CACHE", str(tmp_path))
    seed.write(tmp_path / "seed.tar", NODES[2], Ports(), {"etc/kubernetes/kubelet.conf": b"secret"})
    with tarfile.open(tmp_path / "seed.tar") as archive:
        members = {member.name: member for member in archive}
        marker = archive.extractfile("etc/lab/node")
        assert marker is not None and b"NODE_NAME=node3\n" in marker.read()
    assert list(members)[-1] == "etc/lab/node"
    assert members["etc/kubernetes/kubelet.conf"].mode == 0o600
    assert members["etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert members["home/friday/.ssh/authorized_keys"].uid == seed.USER_ID
    assert ssh.public(ssh.host_key(NODES[2])).split()[1] in ssh.write_known_hosts(Ports()).read_text()
