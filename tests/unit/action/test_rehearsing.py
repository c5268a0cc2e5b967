# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rehearsals keep: whole or not at all, asked once, and not for ever."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.action import fetch_kernel, rehearse
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    BpfObject,
    BpfState,
    Group,
    Image,
    KernelSource,
    Trial,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import halt
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import GROUPS_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Halted
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import KEPT, Groups, Store
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session

SOURCE = KernelSource("6.12.117", "6.12.117-1", "x86_64")
NOW = 1_800_000_000.0


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def put(store: Store, data: bytes) -> BpfObject:
    store.keep(store.object(sha256(data)), data, sha256(data))
    return BpfObject("object", sha256(data))


def test_what_was_lost_on_the_way_is_not_kept(store: Store) -> None:
    with pytest.raises(ValueError, match="wrong checksum"):
        store.keep(store.object(sha256(b"whole")), b"torn", sha256(b"whole"))
    assert not store.object(sha256(b"whole")).exists()


def test_a_kernel_is_known_as_long_as_its_files_are_there(store: Store) -> None:
    image = Image(SOURCE.release, sha256(b"image"), ("vxlan",), sha256(b"config"), {"BPF": "y"})
    store.keep_image(SOURCE, image)
    assert store.image(SOURCE) is None
    store.keep(store.kernel(image), b"image", image.sha256)
    assert store.image(SOURCE) is None, "its options are missing"
    config = store.config(image)
    assert config
    store.keep(config, b"config", image.config)
    assert store.image(SOURCE) == image
    assert store.image(replace(SOURCE, build="6.12.117-2")) is None
    assert store.config(replace(image, config="")) is None


def test_an_answer_that_came_to_no_end_is_asked_again(store: Store) -> None:
    store.keep_trial("a" * 64, Trial("6.12", expired=True))
    assert store.trial("a" * 64) is None
    assert store.last_trial("a" * 64) == Trial("6.12", expired=True)
    store.keep_trial("a" * 64, Trial("6.12", complete=True))
    assert store.trial("a" * 64) == Trial("6.12", complete=True)
    store.keep_trial("a" * 64, Trial("6.12", complete=True, expired=True))
    assert store.trial("a" * 64) is None, "another time it may be done in time"


def test_a_part_of_another_objects_program(store: Store) -> None:
    assert store.is_part(put(store, b"\0freplace/function\0"))
    assert not store.is_part(put(store, b"\0xdp\0"))


def test_what_nobody_has_asked_for_in_a_long_time_is_removed(store: Store) -> None:
    """An answer that is used stays, however old it is; so does what is not of this."""
    for key in ("a" * 64, "b" * 64):
        store.keep_trial(key, Trial("6.12", complete=True))
    put(store, b"object")
    (store.folder / "loader-x86_64").write_bytes(b"program")
    for path in store.folder.rglob("*"):
        if path.is_file():
            os.utime(path, (NOW - KEPT - 1, NOW - KEPT - 1))
    assert store.trial("a" * 64)
    assert store.prune(NOW) == 2
    assert store.trial("a" * 64)
    assert store.trial("b" * 64) is None
    assert (store.folder / "loader-x86_64").exists()
    assert store.prune(NOW) == 0


class Machines(list[str]):
    """Modules that an action would have run."""

    def __call__(self, name: str, *_: object, **__: object) -> dict[str, object]:
        self.append(name)
        return {"failed": True, "msg": "there is no machine in this test"}


@pytest.mark.parametrize("halted", [True, False])
def test_neither_download_nor_rehearsal_begins_in_a_run_that_was_asked_to_halt(
    tmp_path: Path, store: Store, halted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session("run", str(tmp_path / "run"), Policy())
    image = Image(SOURCE.release, sha256(b"image"), (), "", {})
    store.keep_image(SOURCE, image)
    store.keep(store.kernel(image), b"image", image.sha256)
    state = BpfState((put(store, b"object"),), ())
    session.files.save(Groups((Group(("node1",), SOURCE, SOURCE, state),)), GROUPS_FILE)
    if halted:
        halt.ask(session.folder, "it was interrupted (Ctrl-C)")
    (tmp_path / "loader").write_bytes(b"")
    monkeypatch.setattr(rehearse.loader, "have", lambda *_: tmp_path / "loader")
    asked = Machines()
    arguments = {"cache": str(tmp_path), "loader": "", "go": "", "lock_timeout": 1, "timeout": 1}
    for kind, what in ((fetch_kernel, "the download of kernel 6.12.117"), (rehearse, "the rehearsal")):
        action = kind.ActionModule.__new__(kind.ActionModule)
        action._execute_module, action.session = asked, lambda _vars: session
        action.show = lambda lines: list(lines)
        action._connection = type("Local", (), {"transport": "local"})
        if halted:
            with pytest.raises(Halted, match=f"{what}.* was not started: it was interrupted"):
                action.act({**arguments, "source": to_data(SOURCE)}, {})
        else:
            assert action.act({**arguments, "source": to_data(SOURCE)}, {})["failed"]
    assert len(asked) == (0 if halted else 2)


def test_a_loader_that_is_missing_for_one_architecture_is_no_reason_for_another(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def have(_source: object, machine: str, *_: object) -> Path:
        if machine == "aarch64":
            raise rehearse.loader.LoaderError("no loader for aarch64")
        return tmp_path / machine

    monkeypatch.setattr(rehearse.loader, "have", have)
    sources = [replace(SOURCE, machine=machine) for machine in ("aarch64", "x86_64")]
    found = Groups(tuple(Group((each.machine,), each, each, BpfState()) for each in sources))
    action = rehearse.ActionModule.__new__(rehearse.ActionModule)
    made, missing = action._built(found, store, {"loader": "", "go": ""})
    assert made == {"x86_64": tmp_path / "x86_64"}
    assert missing == {"aarch64": "no loader for aarch64"}
