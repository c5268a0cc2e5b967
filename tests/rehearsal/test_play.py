# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Rehearse play from one end to the other: kernels from a package and from /boot, real guests, a verdict.

The machines are those of the tier ``playbooks``; their kernels have other names than they give themselves.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import loader
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import LOADER_SOURCE, Store
from lab.artifacts import go
from tests.playbooks.machines import CANDIDATE, RUNNING, Machine, architecture
from tests.playbooks.runs import Hosts, Run, Runner
from tests.playbooks.world import World
from tests.rehearsal import corpus, kernels
from tests.rehearsal.kernels import Kernel

CONNECTIONS = Path(__file__).with_name("connection")
_IMAGE = f"linux-image-{CANDIDATE}"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kernel B in a package, as the machines' repository has it."""
    folder = tmp_path_factory.mktemp("package")
    _boot(folder / "tree", CANDIDATE, kernels.pair()[1])
    control = folder / "tree/DEBIAN/control"
    control.parent.mkdir()
    fields = {
        "Package": _IMAGE,
        "Version": "6.12.107-1",
        "Architecture": architecture(),
        "Maintainer": "Nobody <n@e.org>",
    }
    control.write_text("".join(f"{name}: {value}\n" for name, value in {**fields, "Description": "a test's"}.items()))
    deb = folder / f"{_IMAGE}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(folder / "tree"), str(deb)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return deb


def _boot(root: Path, release: str, kernel: Kernel) -> None:
    """A kernel in the folder boot, by the name of a release."""
    (root / "boot").mkdir(parents=True, exist_ok=True)
    (root / f"boot/vmlinuz-{release}").write_bytes(kernel.image.read_bytes())
    (root / f"boot/config-{release}").write_bytes(kernel.config.read_bytes())


def machines(folder: Path, package: Path, live: str) -> Hosts:
    """Three machines on kernel A, on which a program is live."""
    hosts = {}
    for name in ("node1", "node2", "node3"):
        hosts[name] = Machine(name, live=live, debs={_IMAGE: package}).make(folder / name)
        _boot(folder / name, RUNNING, kernels.pair()[0])
    return hosts


def variables(folder: Path, live: str) -> dict[str, object]:
    """A cache of its own, with a loader that is there: these runs have no network."""
    (each,) = (each for each in corpus.samples() if each.name == live)
    made = loader.have(LOADER_SOURCE, "x86_64", Store().folder, go=str(go.toolchain()))
    own = {"friday_cache_dir": str(folder / "cache"), "friday_rehearsal_loader": str(made)}
    return {"friday_bpf_objects": [str(each.rehearsed)], **own}


def rehearsal(done: Run) -> tuple[str, int, int]:
    """The word on the one group that there is, how many answers were asked for, and how many were known."""
    told = done.report()["rehearsal"]
    (group,) = told["groups"]
    assert sorted(group["hosts"]) == ["node1", "node2", "node3"]
    return group["word"], told["tried"], told["cached"]


def test_a_program_that_the_candidate_refuses(run: Runner, world: World, package: Path, tmp_path: Path) -> None:
    """One rehearsal for three machines; asked again, both answers are known."""
    hosts = machines(tmp_path, package, "checks_20")
    given = variables(tmp_path, "checks_20")
    for expected in (("fail", 2, 0), ("fail", 0, 2)):
        with world.untouched():
            done = run("playbooks/rehearse.yml", hosts=hosts, variables=given)
        assert done.code == 2, done.output
        assert rehearsal(done) == expected
        assert done.problems().keys() == {"node1, node2, node3"}
        assert f"{CANDIDATE} would break it (rehearsal failed): checks_20: loads on the running kernel" in done.text
        assert "BPF program is too large. Processed 1000001 insn (errno 7)" in done.text


def test_a_program_that_both_load_on_another_host(run: Runner, world: World, package: Path, tmp_path: Path) -> None:
    """What the guests need is brought there, and taken away again."""
    hosts = machines(tmp_path, package, "checks_20_fixed")
    given = variables(tmp_path, "checks_20_fixed")
    # A host that is not in the inventory has the variables of all hosts.
    given |= {"friday_rehearsal_host": "rehearsals", "ansible_connection": "elsewhere"}
    given |= {"ansible_python_interpreter": sys.executable}
    environment = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), "ANSIBLE_REMOTE_TEMP": str(tmp_path / "there")}
    environment |= {"BROUGHT": str(tmp_path / "brought")}
    with world.untouched():
        done = run("playbooks/rehearse.yml", hosts=hosts, variables=given, environment=environment)
    assert done.code == 0, done.output
    assert rehearsal(done) == ("pass", 2, 0)
    brought = [Path(line) for line in (tmp_path / "brought").read_text().splitlines()]
    folders = Counter(path.parent.name for path in brought if (tmp_path / "cache") in path.parents)
    assert folders == {"kernels": 2, "configs": 2, "objects": 1}
    assert Path(str(given["friday_rehearsal_loader"])) in brought
    assert list((tmp_path / "there").iterdir()) == [], "nothing is left behind"
