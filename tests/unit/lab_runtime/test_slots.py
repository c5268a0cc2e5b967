# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two labs on one machine: each checkout has its own state and its own ports."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import slots
from lab.cluster import inventory
from lab.process import Daemon
from lab.topology import NODES, Ports

CAN_LISTEN = slots._can_listen


@pytest.fixture(autouse=True)
def no_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRIDAY_LAB_PORT_BASE", raising=False)
    monkeypatch.setattr(slots, "_can_listen", lambda _: True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A cache in which the lab of the checkout ``one`` runs."""
    daemon = Daemon("qemu", slots.claim(tmp_path, Path("/one")) / "vm" / "node1")
    daemon.start(["sleep", "60"])
    yield tmp_path
    daemon.stop()


def test_a_checkout_keeps_its_slot(tmp_path: Path) -> None:
    assert slots.claim(tmp_path, Path("/one")) == slots.claim(tmp_path, Path("/one")) == tmp_path / "lab"


def test_a_lab_that_runs_is_nobody_elses(running: Path) -> None:
    assert slots.claim(running, Path("/two")) == running / "lab-2"
    assert slots.claim(running, Path("/one")) == running / "lab"


def test_a_lab_that_a_command_works_on_is_nobody_elses(tmp_path: Path) -> None:
    with (slots.claim(tmp_path, Path("/one")) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert slots.claim(tmp_path, Path("/two")) == tmp_path / "lab-2"
    assert slots.claim(tmp_path, Path("/three")) == tmp_path / "lab"


def test_a_slot_in_which_nothing_runs_is_taken_over(tmp_path: Path) -> None:
    """With its ports, or the snapshot would be lost; and nobody else's inventory leads to it any more."""
    one, two = tmp_path / "one", tmp_path / "two"
    slot = slots.claim(tmp_path, one)
    before = slots.ports(slot)
    inventory.write(before, slot / "kubeconfig", one / "inventories" / "lab")
    assert slots.claim(tmp_path, two) == slot
    assert slots.ports(slot) == before
    assert not (one / "inventories" / "lab").exists()


def test_no_more_labs_than_there_are_slots(monkeypatch: pytest.MonkeyPatch, running: Path) -> None:
    monkeypatch.setattr(slots, "MOST", 1)
    with pytest.raises(slots.NoSlotError, match="1 labs are already running"):
        slots.claim(running, Path("/two"))


def test_two_labs_share_no_port(running: Path) -> None:
    first, second = (slots.ports(slots.claim(running, Path(name))) for name in ("/one", "/two"))
    assert not {*first.all(), first.multicast} & {*second.all(), second.multicast}


def test_a_port_that_another_program_has_is_not_used(monkeypatch: pytest.MonkeyPatch, running: Path) -> None:
    """Unless that program is the lab itself."""
    one, two = slots.claim(running, Path("/one")), slots.claim(running, Path("/two"))
    before = slots.ports(one), slots.ports(two)
    taken = {Ports(before[0].base).apiserver, Ports(before[1].base).ssh(NODES[2])}
    monkeypatch.setattr(slots, "_can_listen", lambda port: port not in taken)
    assert slots.ports(one) == before[0]
    assert slots.ports(two).base not in {each.base for each in before}


def test_a_port_is_taken_while_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not CAN_LISTEN(server.getsockname()[1])


def test_the_base_that_a_person_chose_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slot = slots.claim(tmp_path, Path("/one"))
    slots.ports(slot)
    monkeypatch.setenv("FRIDAY_LAB_PORT_BASE", "30000")
    assert slots.ports(slot).base == 30000
