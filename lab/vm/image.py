# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The disk that every node starts from: Debian with GRUB, kernel A, containerd, Kubernetes and the lab's images.

It is made in two steps, each kept in the cache. The *base* is Debian's own packages put on a partitioned disk, without
mounting anything. The *golden* disk is the base after one boot in which the guest itself installs GRUB, unpacks the
container images and takes over the node's programs: what a chroot cannot do, or not without privilege.
"""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.artifact import build
from lab.artifacts import apps, cilium, debian, images, kernels, kubernetes
from lab.progress import Patience
from lab.vm import qemu

GUEST = Path(__file__).resolve().parent / "guest"
SUITE = "trixie"
DISK_MIB = 8192
PARTITION_START_MIB = 1
"""Room before the first partition, where GRUB for BIOS machines puts its core image."""

PACKAGES = (
    "systemd systemd-sysv dbus udev kmod procps iproute2 iputils-ping ethtool iptables ipset "
    "openssh-server sudo python3 tzdata "
    "initramfs-tools lz4 zstd linux-base grub-pc e2fsprogs "
    "containerd crun containernetworking-plugins bpftool"
).split()

MASKED = (
    "modprobe@.service systemd-hwdb-update.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service "
    "systemd-pcrextend@.service systemd-pcrmachine.service systemd-journal-catalog-update.service "
    "systemd-network-generator.service systemd-networkd-wait-online.service systemd-rfkill.service "
    "systemd-udev-load-credentials.service systemd-networkd-persistent-storage.service "
    "serial-getty@.service getty@.service e2scrub_reap.service e2scrub_all.timer fstrim.timer apt-daily.timer "
    "apt-daily-upgrade.timer dpkg-db-backup.timer grub-common.service systemd-pstore.service systemd-binfmt.service"
).split()
"""Units that a lab node does without; each costs up to some seconds of a boot on an emulated processor."""

GENERATORS = "systemd-gpt-auto-generator systemd-ssh-generator systemd-tpm2-generator".split()
"""Masked likewise (systemd.generator(7)): they look for hardware that the lab's machines do not have."""

PREPARATION_SECONDS = 900.0
"""Without progress (on the console, on the disk), the preparation boot is given up."""
PREPARED = "lab: prepared"
"""What ``/usr/local/lib/lab/prepare`` prints on the console at its successful end."""


@dataclass(frozen=True)
class Base:
    """A disk that boots with the kernel and initramfs beside it (it has no boot loader yet)."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"


def base(kernel_packages: Iterable[Path]) -> Base:
    """Debian with the kernel of ``kernel_packages`` (its metapackage among them), about a minute to make."""
    debs = sorted(kernel_packages)
    recipe = mmdebstrap_command(Path("target"), Path("scratch"), [deb.name for deb in debs], [])
    inputs: list[Path | str] = [GUEST / "base", *recipe, str(PARTITION_START_MIB)]
    return Base(build("vm-base", inputs, lambda target: _make_base(target, debs), 75))


def golden() -> Path:
    """The node's disk (qcow2), ready to boot by itself through GRUB; about 4 minutes to make under emulation."""
    foundation = base(kernels.pair().running.debs)
    programs = {
        "usr/local/bin/kube": kubernetes.binary(),
        "usr/local/bin/labapp": apps.binary(),
        "usr/lib/cni/cilium-cni": cilium.binaries() / "cilium-cni",
        "usr/local/bin/cilium-dbg": cilium.binaries() / "cilium-dbg",
    }
    archives = images.archives()
    made_from = [foundation.folder.name, *(path.parent.name for path in programs.values())]
    images_from = (f"{path.parent.name}/{path.name}" for path in archives)
    inputs: list[Path | str] = [GUEST / "node", *made_from, *images_from]

    def make(target: Path) -> None:
        _make_golden(target, foundation, programs, archives)

    return build("vm-golden", inputs, make, 240)


def _make_base(target: Path, debs: list[Path]) -> None:
    target.mkdir()
    with tempfile.TemporaryDirectory(prefix="friday-base-", dir=target.parent) as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        write_tar(scratch / "base.tar", tree_members(GUEST / "base"))
        for deb in debs:
            shutil.copy(deb, scratch / deb.name)
        _run(mmdebstrap_command(target, scratch, [deb.name for deb in debs], debian.sources(SUITE)))
    _partition(target / "disk.raw")


def mmdebstrap_command(target: Path, scratch: Path, debs: list[str], sources: list[str]) -> list[str]:
    """The mmdebstrap call that leaves ``disk.raw``, ``vmlinuz`` and ``initrd.img`` in ``target``.

    The file system is filled by the last hook, inside mmdebstrap's own (if need be, user) namespace, so that owners
    are right and no privilege is needed; what mmdebstrap itself would write is thrown away.
    """
    packages = " ".join(f"/tmp/{name}" for name in debs)
    inside = " && ".join(
        [
            "useradd --create-home --shell /bin/bash --uid 1000 friday",
            f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {packages}",
            f"rm -f {packages} /etc/ssh/ssh_host_*",
            "systemctl enable lab-seed.service lab-prepare.service systemd-networkd.service ssh.service",
            "systemctl disable containerd.service",
            f"systemctl mask {shlex.join(MASKED)}",
            "mkdir -p /etc/systemd/system-generators",
            *(f"ln -s /dev/null /etc/systemd/system-generators/{name}" for name in GENERATORS),
            ": >/etc/machine-id",
            "echo lab >/etc/hostname",
        ]
    )
    bare = 'umount --recursive "$1/proc" "$1/sys" "$1/dev" 2>/dev/null || true; rm -rf "$1"/var/lib/apt/lists/*'
    offset = PARTITION_START_MIB * 1024 * 1024
    disk = shlex.quote(str(target / "disk.raw"))
    size = f"{(DISK_MIB - PARTITION_START_MIB) * 1024}k"
    fill = f'mke2fs -q -t ext4 -L lab-root -E offset={offset},lazy_itable_init=0 -d "$1" {disk} {size}'
    isolated = f'unshare --mount sh -euc {shlex.quote(f"{bare}; truncate --size={DISK_MIB}M {disk}; {fill}")} sh "$1"'
    boot = " && ".join(
        f'cp "$(ls "$1"/boot/{pattern})" {shlex.quote(str(target / name))}'
        for pattern, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd.img"))
    )
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--format=null",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "info", "locale")),
        f"--customize-hook=tar-in {scratch / 'base.tar'} /",
        *(f"--customize-hook=upload {scratch / name} /tmp/{name}" for name in debs),
        f'--customize-hook=chroot "$1" sh -euc {shlex.quote(inside)}',
        f"--customize-hook={boot}",
        f"--customize-hook={isolated}",
        SUITE,
        "/dev/null",
        *sources,
    ]


def _partition(disk: Path) -> None:
    layout = f"label: dos\nstart={PARTITION_START_MIB}MiB, type=83, bootable\n"
    _run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk)], layout)


def _make_golden(target: Path, foundation: Base, programs: dict[str, Path], archives: list[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="friday-golden-", dir=target.parent) as name:
        scratch = Path(name)
        overlay = scratch / "overlay.qcow2"
        qemu.create_overlay(overlay, foundation.disk, "raw")
        seed = scratch / "seed.tar"
        write_tar(seed, [*tree_members(GUEST / "node"), *(program_member(*item) for item in programs.items())])
        console = scratch / "console.log"
        command = qemu.preparation_command(overlay, foundation.kernel, foundation.initrd, [seed, *archives], console)
        _run_while_it_writes(command, [console, overlay])
        text = console.read_text(errors="replace") if console.exists() else ""
        if PREPARED not in text:
            raise RuntimeError(f"the preparation boot failed; the end of its console:\n{text[-4000:]}")
        _run(["qemu-img", "convert", "-O", "qcow2", str(overlay), str(target)])


def _run_while_it_writes(command: Sequence[str | Path], files: Sequence[Path]) -> None:
    """Run a program to its end. It is killed, and ``TimeoutError`` raised, when it has long written to no file."""
    waiting = Patience(PREPARATION_SECONDS)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                if waiting.exhausted(tuple(_written(path) for path in files)):
                    raise TimeoutError(f"{command[0]} is making no progress: {waiting.words()}")
                time.sleep(1)
        finally:
            process.kill()


def _written(path: Path) -> int:
    return path.stat().st_blocks if path.exists() else 0


Member = tuple[tarfile.TarInfo, "bytes | Path"]


def tree_members(root: Path) -> list[Member]:
    """The files below ``root`` as archive members that belong to root: programs 0755, the rest 0644."""
    return [
        (file_info(str(path.relative_to(root)), 0o755 if path.stat().st_mode & 0o100 else 0o644), path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]


def program_member(name: str, path: Path) -> Member:
    """``path`` as the program ``name`` (relative to /) of the guest."""
    return file_info(name, 0o755), path


def file_info(name: str, mode: int = 0o644, owner: int = 0) -> tarfile.TarInfo:
    """A member called ``name`` (relative to /) with a fixed time, so that equal contents make equal archives."""
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = mode, owner, owner, 1
    return info


def write_tar(target: Path, members: Iterable[Member]) -> None:
    """Write an archive. Its size is a multiple of 512 bytes, as a raw disk's must be."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            data = content.read_bytes() if isinstance(content, Path) else content
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _run(command: list[str], text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        output = (done.stderr or done.stdout)[-4000:]
        raise RuntimeError(f"{shlex.join(command)} failed with exit code {done.returncode}:\n{output}")
