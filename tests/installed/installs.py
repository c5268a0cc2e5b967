# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection as its users have it: built, installed into an empty place, and run where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fleet.controller import Controller
from tests.playbooks.cores import Environment
from tests.playbooks.machines import entering

ROOT = Path(__file__).resolve().parents[2]
_SEEN = (".venv", "tests")
"""What of the checkout stays: the machines of the fleet are there. Nothing of it is the collection's."""


def build(folder: Path) -> Path:
    """The collection's archive."""
    command = [f"{sys.prefix}/bin/ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@dataclass(frozen=True)
class Install:
    """The collection for one ansible-core.

    Attributes:
        core: that ansible-core.
        folder: has the collection (``collections``), a working folder (``work``) and an empty home.
    """

    core: Environment
    folder: Path

    @classmethod
    def make(cls, core: Environment, folder: Path, archive: Path) -> Install:
        """Install the archive as README.md says it, but into a place of its own."""
        made = cls(core, folder)
        for name in ("work", "home", "collections"):
            (folder / name).mkdir(parents=True)
        made.settings(callback=True)
        done = made.call("ansible-galaxy", "collection", "install", str(archive))
        assert done.returncode == 0, done.stdout
        return made

    @property
    def collection(self) -> Path:
        """Where it is."""
        return self.folder / "collections/ansible_collections/friday/upgrade"

    @property
    def work(self) -> Path:
        """Where it is run."""
        return self.folder / "work"

    def settings(self, callback: bool) -> None:
        """Write an ansible.cfg with no more of Friday than where it is, and the callback if that is wanted."""
        lines = ["[defaults]", f"collections_path = {self.folder}/collections", "forks = 5"]
        lines += ["callbacks_enabled = friday.upgrade.journal"] if callback else []
        (self.work / "ansible.cfg").write_text("\n".join(lines) + "\n")

    def program(self, name: str) -> list[str]:
        """A program of its ansible-core, as a command."""
        python, playbook = self.core.playbook
        return [python, str(Path(playbook).with_name(name))]

    def without(self, package: str, folder: Path) -> Install:
        """The same with a Python environment that lacks a package."""
        python, playbook = self.core.playbook
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
        (own,), (all_,) = (Path(each).glob("lib/python*/site-packages") for each in (folder, Path(python).parents[1]))
        for path in all_.iterdir():
            if not path.name.startswith(package):
                (own / path.name).symlink_to(path)
        return replace(self, core=Environment(self.core.core, (f"{folder}/bin/python", playbook)))

    def call(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of its ansible-core where the checkout is not; its output has both streams."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "LANG": "C.UTF-8"}
        return subprocess.run(
            self.away([*self.program(name), *arguments], environment),
            cwd=self.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def away(self, command: Sequence[str], environment: dict[str, str]) -> list[str]:
        """The command, in a mount namespace without the checkout's collection, settings and tools."""
        script, nothing = self.folder / "away", self.folder / "nothing"
        nothing.touch()
        hidden = [path for path in sorted(ROOT.iterdir()) if path.name not in _SEEN and not path.is_symlink()]
        mounts = (f"-t tmpfs tmpfs '{path}'" if path.is_dir() else f"--bind '{nothing}' '{path}'" for path in hidden)
        lines = [f"mount {mount}" for mount in mounts]
        if self.collection.exists():  # users may not write where it is installed for all
            lines += [f"mount --bind '{self.collection}' '{self.collection}'"]
            lines += [f"mount -o remount,bind,ro '{self.collection}'"]
        script.write_text("\n".join(["set -e", *lines, 'exec "$@"']) + "\n")
        # sudo would drop the environment.
        variables = ["env", *(f"{k}={v}" for k, v in environment.items())] if "sudo" in entering() else []
        return [*entering(), *variables, "sh", str(script), *command]


class InstalledController(Controller):
    """A controller on which Friday is installed."""

    def __init__(self, *arguments: object, install: Install) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.install = install
        self.cwd = install.work
        self.core = install.core.playbook

    def command(self, *words: str) -> list[str]:
        return self.install.away(words, self.environment())

    def book(self, playbook: str) -> str:
        return f"friday.upgrade.{Path(playbook).stem}"

    def environment(self) -> dict[str, str]:
        found = super().environment()
        # The tests' raising callback is none that a user has.
        return {name: value for name, value in found.items() if name != "ANSIBLE_CALLBACK_PLUGINS"}
