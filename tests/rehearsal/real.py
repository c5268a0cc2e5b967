# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same load for real: another loader (bpftool, on libbpf) in a small Debian system that runs the kernel.

What a rehearsal says is compared with this; the two share the kernel, and nothing else: neither loader nor init.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import initramfs
from lab.artifact import build
from lab.artifacts import debian, images
from tests.rehearsal.corpus import Sample
from tests.rehearsal.kernels import Kernel

_SCRIPT = """#!/bin/busybox sh
export PATH=/usr/bin:/bin
busybox mkdir -p /proc /sys /boot
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t bpf bpf /sys/fs/bpf
busybox ln -s /config "/boot/config-$(busybox uname -r)"
busybox stty raw -echo < /dev/ttyS1
for object in /objects/*.o; do
  name=$(busybox basename "$object" .o)
  if /usr/sbin/bpftool prog loadall "$object" "/sys/fs/bpf/$name" > /said 2>&1
  then echo "RESULT $name loaded"
  else echo "RESULT $name refused"; busybox tail -n 4 /said | busybox sed 's/^/SAID /'
  fi
  busybox rm -rf "/sys/fs/bpf/$name"
done > /dev/ttyS1 2>&1
echo DONE > /dev/ttyS1
busybox reboot -f
"""


def load(
    kernel: Kernel, samples: Sequence[Sample], processor: Sequence[str], seconds: float = 600
) -> dict[str, tuple[bool, str]]:
    """Whether each sample's object loads, and the loader's last words, by its name.

    Raises:
        RuntimeError: the guest did not come to its end.
    """
    with tempfile.TemporaryDirectory(prefix="friday-real-") as name:
        folder = Path(name)
        with (folder / "initramfs").open("wb") as file:
            initramfs.write(file, [*_files(samples), initramfs.File("/config", kernel.config)])
        command = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "q35", *processor, "-m", "1024"),
            *("-serial", f"file:{folder}/console", "-serial", f"file:{folder}/said"),
            *("-kernel", str(kernel.image), "-initrd", f"{folder}/initramfs"),
            *("-append", "console=ttyS0 loglevel=4 rdinit=/init panic=-1"),
        ]
        subprocess.run(command, timeout=seconds, check=True, stdin=subprocess.DEVNULL)
        said = (folder / "said").read_text(errors="replace")
        if "DONE" not in said:
            raise RuntimeError(
                f"{kernel.release}: it did not come to its end:\n{said[-500:]}\n{_tail(folder / 'console')}"
            )
        return {
            name: (word == "loaded", " / ".join(re.findall(r"SAID (.*)", rest)) or "loads")
            for name, word, rest in re.findall(r"RESULT (\S+) (\w+)\s*((?:^SAID .*$\s*)*)", said, re.MULTILINE)
        }


def veristat(samples: Sequence[Sample]) -> str:
    """Have the samples loaded on this host's own kernel, by veristat; returns why it can't be, or nothing."""
    root = images.cilium_root()
    linker, libraries = root / "usr/lib64/ld-linux-x86-64.so.2", root / "usr/lib/x86_64-linux-gnu"
    command = [linker, "--library-path", libraries, _program("veristat"), *(sample.real for sample in samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if "success" in done.stdout else (done.stderr or done.stdout).strip()[-200:]


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-1000:]


def _files(samples: Sequence[Sample]) -> Iterator[initramfs.File]:
    root, busybox = images.cilium_root(), _program("busybox-static", "busybox")
    yield initramfs.File("/init", _SCRIPT.encode(), 0o755)
    yield initramfs.File("/bin/busybox", busybox, 0o755)
    bpftool = root / "usr/sbin/bpftool"
    yield initramfs.File("/usr/sbin/bpftool", bpftool, 0o755)
    for path, file in _libraries(root, bpftool).items():
        yield initramfs.File(path, file, 0o755)
    for sample in samples:
        yield initramfs.File(f"/objects/{sample.name}.o", sample.real)


def _libraries(root: Path, program: Path) -> Mapping[str, Path]:
    """Where the program looks for them -> where they are here."""
    linker = root / "usr/lib64/ld-linux-x86-64.so.2"
    libraries = root / "usr/lib/x86_64-linux-gnu"
    text = subprocess.run(
        [linker, "--library-path", libraries, "--list", program], capture_output=True, text=True, check=True
    ).stdout
    found = {"/lib64/ld-linux-x86-64.so.2": linker}
    for match in re.finditer(r"(\S+\.so\S*) => (\S+)", text):
        path = Path(match[2])
        if path.parent == libraries:
            found[f"/lib/x86_64-linux-gnu/{path.name}"] = path.resolve()
    return found


def _program(package: str, name: str = "") -> Path:
    """A program of Debian's that is in ``/usr/bin``, from the package of its name or another."""
    name = name or package

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory() as folder, debian.apt("trixie") as client:
            (deb,) = client.download([package], Path(folder))
            subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True)
            target.mkdir()
            (Path(folder) / "usr/bin" / name).rename(target / name)

    return build(name, ["trixie", package, "1"], make, 12) / name
