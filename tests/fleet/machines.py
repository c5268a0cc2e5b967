# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines as folders: what apt, dpkg, the boot loader and the kernel have on each."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.playbooks.machines import CANDIDATE, META, RUNNING, Package, entering

_STATE = ("etc/apt", "var/lib/apt", "var/lib/dpkg", "var/cache/apt", "var/log", "boot", "usr/local/sbin")
_KERNEL = f"linux-image-{CANDIDATE}"
_BUILD = {RUNNING: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)", CANDIDATE: "#1 SMP Debian 6.12.107-1"}
_INSTALLED = (
    Package(f"linux-image-{RUNNING}", "6.1.176-1"),
    Package(META, "6.1.176-1", depends=f"linux-image-{RUNNING} (= 6.1.176-1)"),
    Package("tool", "1.0"),
)
_KERNELS = (
    Package(_KERNEL, "6.12.107-1"),
    Package(META, "6.12.107-1", depends=f"{_KERNEL} (= 6.12.107-1)"),
)
_PYTHON = str(Path(__file__).with_name("python"))
PACKAGES = len(_KERNELS) + 1
"""Packages that an upgrade installs on a machine."""

_SHUTDOWN = r"""
kernel=$(ls /boot | sed -n 's/^vmlinuz-//p' | sort -V | tail -n 1)
cat /proc/sys/kernel/random/uuid > /proc/sys/kernel/random/boot_id
echo "$kernel" > /proc/sys/kernel/osrelease
cat "/boot/version-$kernel" > /proc/sys/kernel/version
echo "$kernel" >> /var/log/boots
"""
_UNAME = r"""
release=$(cat /proc/sys/kernel/osrelease)
case "$*" in
    -r) echo "$release" ;;
    -rs) echo "Linux $release" ;;
    *) exit 64 ;;
esac
"""
_LOG = r"""
release=$(cat /proc/sys/kernel/osrelease)
echo "[    0.000000] node kernel: Linux version $release"
if [ -e "/var/log/oops-$release" ]; then cat "/var/log/oops-$release"; fi
"""


def repository(folder: Path, tool: str = "2.0") -> Path:
    """Build the packages of the upgrade, with dpkg-deb, and a repository of them in ``folder``.

    ``tool`` is the version of the one that is not the kernel's.
    """
    folder.mkdir(parents=True)
    index = b""
    for package in (*_KERNELS, Package("tool", tool)):
        deb = _build(package, folder)
        content = deb.read_bytes()
        sums = {"Filename": f"./{deb.name}", "Size": str(len(content)), "SHA256": hashlib.sha256(content).hexdigest()}
        index += package.stanza(**sums).encode()
    (folder / "Packages").write_bytes(index)
    checksum = f" {hashlib.sha256(index).hexdigest()} {len(index)} Packages"
    date = "Thu, 01 Jan 2026 00:00:00 UTC"
    (folder / "Release").write_text(f"Origin: test\nSuite: test\nDate: {date}\nSHA256:\n{checksum}\n")
    return folder


def _build(package: Package, folder: Path) -> Path:
    tree = folder / f"tree-{package.name}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(package.stanza().rstrip("\n") + "\n")
    if package.name == _KERNEL:
        for name in (
            f"boot/vmlinuz-{CANDIDATE}",
            f"boot/initrd.img-{CANDIDATE}",
            f"lib/modules/{CANDIDATE}/modules.dep",
        ):
            path = tree / ("usr/" + name if name.startswith("lib") else name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("made for a test\n")
        (tree / f"boot/version-{CANDIDATE}").write_text(_BUILD[CANDIDATE] + "\n")
        script = tree / "DEBIAN/postinst"
        script.write_text(f"#!/bin/sh\necho ' linux /boot/vmlinuz-{CANDIDATE} ro' >> /boot/grub/grub.cfg\n")
        script.chmod(0o755)
    deb = folder / f"{package.name}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(deb)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return deb


@dataclass
class Machine:
    """A machine: the host of a node. What happens to it happens in its folder."""

    name: str
    folder: Path
    packages: Path
    first_boot: str = field(default_factory=lambda: str(uuid.uuid4()))

    def make(self) -> None:
        """Make its files, as after its installation."""
        for name in (*_STATE, "usr-upper/sbin", "usr-upper/bin", "usr-work", "var/lib/apt/lists/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc/apt/apt.conf.d", "etc/apt/preferences.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("var/cache/apt/archives/partial", "boot/grub", "var/log/apt"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        dpkg = self.folder / "var/lib/dpkg"
        (dpkg / "status").write_text("".join(p.stanza(Status="install ok installed") for p in _INSTALLED))
        (dpkg / "info/format").write_text("1\n")
        for package in _INSTALLED:
            (dpkg / f"info/{package.name}.list").write_text("/.\n")
            (dpkg / f"info/{package.name}.md5sums").write_text("")
        self.turn_to(self.packages)
        self._write("etc/apt/apt.conf.d/test", 'APT::Sandbox::User "root";\n')
        self._write("boot_id", self.first_boot + "\n")
        self._write("osrelease", RUNNING + "\n")
        self._write("version", _BUILD[RUNNING] + "\n")
        self._write(f"boot/vmlinuz-{RUNNING}", "made for a test\n")
        self._write(f"boot/initrd.img-{RUNNING}", "made for a test\n")
        self._write(f"boot/version-{RUNNING}", _BUILD[RUNNING] + "\n")
        self._write("boot/grub/grub.cfg", f" linux /boot/vmlinuz-{RUNNING} ro\n")
        self._script("usr-upper/sbin/shutdown", _SHUTDOWN)
        self._script("usr-upper/bin/uname", _UNAME)
        for program in ("dmesg", "journalctl"):
            self._script(f"usr/local/sbin/{program}", _LOG)
        self._script("usr/local/sbin/grub-mkconfig", "exit 97")
        self._script("usr/local/sbin/bpftool", "echo '[]'")  # no program is live: there is nothing to rehearse
        self._enter()

    def variables(self) -> dict[str, object]:
        """With these Ansible reaches it."""
        return {
            "ansible_connection": "fleet_machine",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,  # its root is that of the namespace
            "machine_folder": str(self.folder),
        }

    @property
    def boot_id(self) -> str:
        return (self.folder / "boot_id").read_text().strip()

    @property
    def kernel(self) -> str:
        return (self.folder / "osrelease").read_text().strip()

    @property
    def boots(self) -> int:
        """How often it was rebooted."""
        log = self.folder / "var/log/boots"
        return len(log.read_text().splitlines()) if log.exists() else 0

    @property
    def upgrades(self) -> int:
        """How often a package was unpacked on it."""
        log = self.folder / "var/log/dpkg.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return sum(" upgrade " in line or " install " in line for line in lines)

    @property
    def touched(self) -> bool:
        """True when anything on it was changed."""
        return bool(self.boots or self.upgrades) or self.boot_id != self.first_boot

    def turn_to(self, packages: Path) -> None:
        """From now on it takes its packages from another repository."""
        self._write("etc/apt/sources.list", f"deb [trusted=yes] file:{packages} ./\n")

    def fault(self, what: str, step: str, state: Path) -> None:
        """Let it fail in ``step`` (see connection/fleet_machine.py). ``state``: where the journals of the runs are."""
        fault = {"what": what, "step": step, "host": self.name, "state": str(state)}
        (self.folder / "fault.json").write_text(json.dumps(fault))

    def heal(self) -> None:
        """Take its fault away."""
        (self.folder / "fault.json").unlink(missing_ok=True)

    def oops(self) -> None:
        """The candidate kernel is going to complain on it."""
        line = "[    1.000000] node kernel: BUG: unable to handle page fault for address: ffff888000000000"
        self._write(f"var/log/oops-{CANDIDATE}", line + "\n")

    def recover(self) -> None:
        """The candidate kernel complains no more."""
        (self.folder / f"var/log/oops-{CANDIDATE}").unlink()

    def _compiled(self) -> Path:
        """What the Python of all machines has compiled (see python/sitecustomize.py)."""
        folder = self.packages.with_name("compiled")
        folder.mkdir(exist_ok=True)
        return folder

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def _script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nset -e\n{text.strip()}\n")
        path.chmod(0o755)

    def _enter(self) -> None:
        """The script that runs a command on the machine. What can't be mounted ends it: nothing may run outside."""
        here = shlex.quote(str(self.folder))
        upper, work = f"{self.folder}/usr-upper", f"{self.folder}/usr-work"
        mounts = [f"mount -t overlay overlay -o lowerdir=/usr,upperdir={upper},workdir={work} /usr"]
        mounts += [f"mount --bind {here}/{name} /{name}" for name in _STATE]
        mounts += [f"mount --bind {here}/boot_id /proc/sys/kernel/random/boot_id"]
        mounts += [f"mount --bind {here}/{name} /proc/sys/kernel/{name}" for name in ("osrelease", "version")]
        python = [f"export PYTHONPATH={shlex.quote(_PYTHON)} FLEET_COMPILED={shlex.quote(str(self._compiled()))}"]
        self._script("inside", "\n".join([*mounts, *python, 'exec /bin/sh -c "$1"']))
        self._script("enter", f'exec {" ".join(entering())} {here}/inside "$1"')
