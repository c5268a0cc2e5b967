# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines for the survey: this one, each time in a mount namespace of its own.

Kernel release, boot id, ``/boot``, the kernel's log, bpftool and the folders of apt and dpkg are the test's; apt, dpkg
and the modules that read (``node_facts``, ``bpf_objects``, ``kernel_image``, ``available_kernels``) are real and work
on them. A machine is reached through its Python interpreter, a script that enters the namespace and **runs these
only**: whatever a play should come to, nothing can be installed by it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUNNING, CANDIDATE = "6.1.0-50-cloud-amd64", "6.12.107+deb13-cloud-amd64"
META = "linux-image-cloud-amd64"

_LOG = "[    0.000000] node kernel: Linux version 6.1.0-50-cloud-amd64"
_BUILD = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)"
_FOLDERS = ("etc/apt", "var/lib/apt", "var/lib/dpkg", "var/cache/apt", "boot", "usr/local/sbin")
_REFUSED = 97


@dataclass(frozen=True)
class Package:
    """A package as dpkg's status or a repository's index has it."""

    name: str
    version: str
    depends: str = ""

    def stanza(self, **fields: str) -> str:
        """The package's paragraph (deb-control(5)), with more fields behind its own."""
        known = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": architecture(),
            "Maintainer": "Nobody <nobody@example.org>",
            "Priority": "optional",
            "Section": "misc",
            "Installed-Size": "1",
            "Depends": self.depends,
            "Description": "made for a test",
        }
        return "".join(f"{name}: {value}\n" for name, value in {**known, **fields}.items() if value) + "\n"


INSTALLED = (
    Package(f"linux-image-{RUNNING}", "6.1.176-1"),
    Package(META, "6.1.176-1", depends=f"linux-image-{RUNNING} (= 6.1.176-1)"),
    Package("tool", "1.0"),
)
NEW_TOOL = (Package("tool", "2.0"),)
NEW_KERNEL = (
    Package(f"linux-image-{CANDIDATE}", "6.12.107-1"),
    Package(META, "6.12.107-1", depends=f"linux-image-{CANDIDATE} (= 6.12.107-1)"),
    *NEW_TOOL,
)


@dataclass(frozen=True)
class Machine:
    """How a machine is: what is installed, in which state (dpkg's ``want flag status``), what its repository has.

    The repository names packages; the files of ``debs``, by their names, are in it.
    """

    node: str
    available: Sequence[Package] = NEW_KERNEL
    installed: Sequence[Package] = INSTALLED
    states: Mapping[str, str] = field(default_factory=dict)
    live: str = ""  # a BPF program that is live on it
    debs: Mapping[str, Path] = field(default_factory=dict)

    @property
    def boot_id(self) -> str:
        """The boot id of the machine, and of its node in the cluster."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, self.node))

    def make(self, folder: Path) -> dict[str, object]:
        """Make its files in ``folder``; return the variables with which Ansible reaches it."""
        for name in (*_FOLDERS, "var/lib/apt/lists/partial", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/cache/apt/archives/partial", "boot/grub"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._packages(folder)
        (folder / "boot_id").write_text(self.boot_id + "\n")
        (folder / "osrelease").write_text(RUNNING + "\n")
        (folder / "version").write_text(_BUILD + "\n")
        (folder / f"boot/vmlinuz-{RUNNING}").write_text("")
        (folder / "boot/grub/grub.cfg").write_text("")
        for name in ("dmesg", "journalctl"):
            _script(folder / "usr/local/sbin" / name, f"echo '{_LOG}'")
        _script(folder / "usr/local/sbin/grub-mkconfig", f"exit {_REFUSED}")
        programs = json.dumps([{"id": 1, "type": "xdp", "name": self.live, "tag": "aa"}] if self.live else [])
        _script(folder / "usr/local/sbin/bpftool", f"case \"$*\" in *prog*) echo '{programs}' ;; *) echo '[]' ;; esac")
        return {
            "ansible_connection": "local",
            "ansible_become": False,  # its root is that of the namespace
            "ansible_python_interpreter": str(_interpreter(folder)),
        }

    def _packages(self, folder: Path) -> None:
        dpkg, repository = folder / "var/lib/dpkg", folder / "repository"
        states = {package.name: self.states.get(package.name, "install ok installed") for package in self.installed}
        (dpkg / "status").write_text("".join(p.stanza(Status=states[p.name]) for p in self.installed))
        (dpkg / "info/format").write_text("1\n")
        for package in self.installed:  # what dpkg --audit asks for
            (dpkg / f"info/{package.name}.list").write_text("/.\n")
            (dpkg / f"info/{package.name}.md5sums").write_text("")
        repository.mkdir(exist_ok=True)
        index = "".join(package.stanza(**self._offer(package, repository)) for package in self.available).encode()
        (repository / "Packages").write_bytes(index)
        checksum = f" {hashlib.sha256(index).hexdigest()} {len(index)} Packages"
        date = "Thu, 01 Jan 2026 00:00:00 UTC"
        (repository / "Release").write_text(f"Origin: test\nSuite: test\nDate: {date}\nSHA256:\n{checksum}\n")
        (folder / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
        (folder / "etc/apt/apt.conf.d/test").write_text('APT::Sandbox::User "root";\n')

    def _offer(self, package: Package, repository: Path) -> dict[str, str]:
        """The fields of a package's entry that are about its file."""
        deb = self.debs.get(package.name)
        if deb is None:
            (repository / f"{package.name}.deb").write_bytes(b"x")  # it is listed, so it is there; no package is in it
            return {"Filename": f"./{package.name}.deb", "Size": "1", "SHA256": "0" * 64}
        shutil.copy2(deb, repository / deb.name)
        content = deb.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        return {"Filename": f"./{deb.name}", "Size": str(len(content)), "SHA256": sha256}


def _interpreter(folder: Path) -> Path:
    """The script that stands for the machine's python3."""
    binds = {f"{folder}/{name}": f"/{name}" for name in _FOLDERS}
    binds |= {f"{folder}/boot_id": "/proc/sys/kernel/random/boot_id"}
    binds |= {f"{folder}/{name}": f"/proc/sys/kernel/{name}" for name in ("osrelease", "version")}
    mounts = "\n".join(f"mount --bind '{source}' '{target}'" for source, target in binds.items())
    inside = folder / "inside"
    _script(inside, f'{mounts}\nexec {sys.executable} "$@"')
    path = folder / "python3"
    reading = ("node_facts", "bpf_objects", "kernel_image", "available_kernels")
    allowed = "|".join(f"*/AnsiballZ_{name}.py" for name in reading)
    refuse = f'*) echo "only what reads may run here, not: $*" >&2; exit {_REFUSED} ;;'
    _script(path, f'case "$1" in {allowed}) ;; {refuse} esac\nexec {" ".join(entering())} \'{inside}\' "$@"')
    return path


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\nset -e\n{text}\n")
    path.chmod(0o755)


@functools.cache
def entering() -> tuple[str, ...]:
    """The command that runs another in a mount namespace as root: plainly, as a mapped user, or with sudo.

    Raises:
        RuntimeError: this machine allows none of them.
    """
    ways: tuple[tuple[str, ...], ...] = (
        ("unshare", "--mount"),
        ("unshare", "--mount", "--map-root-user"),
        ("sudo", "-n", "unshare", "--mount"),
    )
    for way in ways:
        if shutil.which(way[0]) and not subprocess.run([*way, "true"], capture_output=True, check=False).returncode:
            return way
    raise RuntimeError("machines of the tests need a mount namespace: run as root, with sudo, or allow user namespaces")


@functools.cache
def architecture() -> str:
    """dpkg's name of this machine's architecture."""
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout.strip()
