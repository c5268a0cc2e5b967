# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container images for the lab's nodes: docker-archive files, made without a container engine and without privilege."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from lab import paths
from lab.artifact import Input, build, remove
from lab.artifacts import apps, cilium, coredns, debian, incident

PAUSE = "registry.lab/pause:1"
APP = "registry.lab/app:1"
COREDNS = f"registry.lab/coredns:{coredns.VERSION}"
CILIUM = {way: f"registry.lab/cilium:{way}" for way in incident.WAYS}
"""Cilium's images: 1 with the incident, 2 with its fix."""

CLANG = "19"
"""Debian's version of the compiler that upstream builds this agent's programs with (it asks for 18.1 at least)."""

# Everything that the agent calls, and something to look around with.
_PACKAGES = ("bash", "bpftool", f"clang-{CLANG}", "coreutils", "iproute2", "ipset", "iptables", "kmod")
# Prefixes of dependencies that only matter to compile programs for the host or to configure packages. Even clang's own
# headers are among them: the agent compiles with -nostdinc.
_UNWANTED = (
    *("binutils", "debconf", "gcc-", "libasan", "libatomic", "libbinutils", "libc-dev-bin", "libc6-dev", "libclang1-"),
    *("libclang-common-", "libcrypt-dev", "libctf", "libgc1", "libgcc-14-dev", "libgomp", "libgprofng", "libhwasan"),
    *("libitm", "liblsan", "libobjc", "libquadmath", "libsframe", "libstdc++-14-dev", "libtsan", "libubsan"),
    *("linux-libc-dev", "openssl", f"llvm-{CLANG}-linker-tools", "rpcsvc-proto"),
)
_PRUNED = (
    *(f"usr/share/{name}" for name in ("bash-completion", "bug", "doc", "info", "lintian", "locale", "man")),
    "usr/lib/x86_64-linux-gnu/gconv",
)
_IPTABLES = tuple(f"{family}{part}" for family in ("iptables", "ip6tables") for part in ("", "-save", "-restore"))
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_LOADER = f"{_LIBRARIES}/ld-linux-x86-64.so.2"
# What must find all of its shared libraries inside the image; packages left out above could have held one.
_CHECKED = (
    *(f"usr/lib/llvm-{CLANG}/bin/clang", "usr/bin/bash", "usr/bin/cp", "usr/bin/kmod", "usr/sbin/bpftool"),
    *("usr/sbin/ipset", "usr/sbin/tc", "usr/sbin/xtables-nft-multi", "usr/bin/ip"),
)


@dataclass(frozen=True)
class Image:
    """One image of an archive: its name and tag, its layers (tar files, lowest first), and how it starts."""

    name: str
    layers: Sequence[Path]
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def archives() -> list[Path]:
    """Docker-archive files for ``ctr images import``: one with pause and app, one with CoreDNS, one with both Ciliums.

    The two Cilium images differ in their last layer alone, the BPF sources, so a node keeps the rest once.
    """
    return [_apps(), _coredns(), _cilium()]


def cilium_root() -> Path:
    """The unpacked lower layer of the Cilium images, Debian's packages and the agent, as a plain folder.

    Its clang can be run from there without privilege (:func:`clang_command`): the very same as in the image.
    """
    programs = cilium.binaries()

    def make(target: Path) -> None:
        _unpack_packages(target)
        _add_alternatives(target)
        for name in ("cilium-agent", "cilium-dbg"):
            shutil.copy2(programs / name, target / "usr" / "bin" / name)
        (target / "opt" / "cni" / "bin").mkdir(parents=True)
        shutil.copy2(programs / "cilium-cni", target / "opt" / "cni" / "bin" / "cilium-cni")
        _check_libraries(target)

    recipe = [*_PACKAGES, *_UNWANTED, *_PRUNED, programs.name, "3"]
    return build("cilium-root", recipe, make, 60)


def clang_command(root: Path) -> list[str]:
    """How to run the clang in ``root`` (see :func:`cilium_root`): by its own loader, with its own libraries."""
    clang = root / "usr" / "lib" / f"llvm-{CLANG}" / "bin" / "clang"
    return [str(root / _LOADER), "--library-path", _library_path(root), str(clang)]


def _library_path(root: Path) -> str:
    return f"{root / _LIBRARIES}:{root / 'usr' / 'lib' / f'llvm-{CLANG}' / 'lib'}"


def _apps() -> Path:
    labapp = apps.binary()

    def make(target: Path) -> None:
        with _workshop() as folder:
            layer = _layer(folder, "labapp", {"labapp": labapp})
            images = [Image(PAUSE, [layer], ["/labapp", "pause"]), Image(APP, [layer], ["/labapp"])]
            _write_archive(target / "apps.tar", images)

    return build("image-apps", [PAUSE, APP, labapp.parent.name, _RECIPE], make, 1) / "apps.tar"


def _coredns() -> Path:
    program = coredns.binary()

    def make(target: Path) -> None:
        with _workshop() as folder:
            layer = _layer(folder, "coredns", {"coredns": program})
            _write_archive(target / "coredns.tar", [Image(COREDNS, [layer], ["/coredns"])])

    return build("image-coredns", [COREDNS, program.parent.name, _RECIPE], make, 2) / "coredns.tar"


def _cilium() -> Path:
    root, programs, labapp = cilium_root(), cilium.binaries(), apps.binary()

    def make(target: Path) -> None:
        with _workshop() as folder:
            _install_clang_front(folder / "front-root", root, labapp)
            common = [_layer(folder, "base", {"": root}), _layer(folder, "front", {"": folder / "front-root"})]
            images = []
            for way, name in CILIUM.items():
                bpf = folder / f"bpf-{way}"
                shutil.copytree(programs / "bpf", bpf)
                incident.apply(bpf, way)
                layers = [*common, _layer(folder, f"bpf-{way}", {"var/lib/cilium/bpf": bpf})]
                path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                images.append(Image(name, layers, command=["/usr/bin/cilium-agent"], environment={"PATH": path}))
            _write_archive(target / "cilium.tar", images)

    made_of = [root.name, programs.name, labapp.parent.name]
    inputs: list[Input] = [*made_of, incident.SOURCES, Path(incident.__file__), *CILIUM.values(), _RECIPE]
    return build("image-cilium", inputs, make, 15) / "cilium.tar"


_RECIPE = "layers and archives, 2"
"""Changes when the code below makes other files of the same inputs."""


def _unpack_packages(root: Path) -> None:
    root.mkdir()
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=paths.artifacts()) as temporary:
        with debian.apt("trixie", "trixie-updates", "trixie-security") as client:
            wanted = [name for name in client.closure(_PACKAGES) if not name.startswith(_UNWANTED)]
            packages = client.download(wanted, Path(temporary))
        for package in packages:
            subprocess.run(["dpkg-deb", "--extract", str(package), str(root)], check=True)
    for pattern in _PRUNED:
        for path in list(root.glob(pattern)):
            remove(path)


def _add_alternatives(root: Path) -> None:
    """The links that Debian's packages make when they are configured, which unpacking alone does not."""
    for name in _IPTABLES:
        (root / "usr" / "sbin" / name).symlink_to("xtables-nft-multi")
    shell = root / "usr" / "bin" / "sh"
    if not shell.is_symlink():
        shell.symlink_to("bash")


def _install_clang_front(front: Path, root: Path, labapp: Path) -> None:
    """Fill a layer with ``labapp clang`` in the place of clang, beside the version of the real one (in ``root``)."""
    tools = front / "usr" / "lib" / "lab"
    tools.mkdir(parents=True)
    shutil.copy2(labapp, tools / "labapp")
    (tools / "clang").symlink_to(f"/usr/lib/llvm-{CLANG}/bin/clang")
    (front / "usr" / "bin").mkdir()
    (front / "usr" / "bin" / "clang").symlink_to("../lib/lab/labapp")
    version = subprocess.run([*clang_command(root), "--version"], check=True, capture_output=True, text=True).stdout
    # The folder that it runs from while the image is built is nobody's business.
    (tools / "clang-version").write_text(version.replace(str(root), ""))


def _check_libraries(root: Path) -> None:
    for program in _CHECKED:
        command = [str(root / _LOADER), "--inhibit-cache", "--library-path", _library_path(root), "--list"]
        done = subprocess.run([*command, str(root / program)], capture_output=True, text=True, check=False)
        strangers = [line.strip() for line in done.stdout.splitlines() if "=> /" in line and f"=> {root}" not in line]
        if done.returncode != 0 or strangers:
            raise RuntimeError(f"{program} needs libraries missing from the image: {strangers or done.stderr.strip()}")


@contextmanager
def _workshop() -> Iterator[Path]:
    """A temporary folder on the disk of the artifacts: layers are too large for a memory-backed /tmp."""
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=paths.artifacts()) as temporary:
        yield Path(temporary)


def _layer(folder: Path, name: str, content: Mapping[str, Path]) -> Path:
    """A layer's tar in ``folder``: files and trees by their path in the image, all of root's, without times."""
    layer = folder / f"{name}.tar"
    with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
        made: set[str] = set()
        for place, source in sorted(content.items()):
            _add_parents(tar, place, made)
            if source.is_dir():
                _add_tree(tar, source, place)
            else:
                _add(tar, source, place)
    return layer


def _add_parents(tar: tarfile.TarFile, place: str, made: set[str]) -> None:
    parts = place.split("/")[:-1] if place else []
    for count in range(1, len(parts) + 1):
        parent = "/".join(parts[:count])
        if parent not in made:
            made.add(parent)
            member = tarfile.TarInfo(parent)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)


def _add_tree(tar: tarfile.TarFile, source: Path, place: str) -> None:
    if place:
        _add(tar, source, place)
    for folder, folders, files in os.walk(source):
        folders.sort()
        inside = Path(folder).relative_to(source)
        for name in sorted(folders + files):
            _add(tar, Path(folder) / name, (Path(place) / inside / name).as_posix())


def _add(tar: tarfile.TarFile, source: Path, place: str) -> None:
    member = tar.gettarinfo(str(source), place)
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    # What umask the builder has must not show; there are no set-id programs in the lab's images.
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    if member.isreg():
        with source.open("rb") as file:
            tar.addfile(member, file)
    else:
        tar.addfile(member)


def _write_archive(path: Path, images: Sequence[Image]) -> None:
    """Write the docker-archive format: configs and layers by their digest, and a manifest that names them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written: set[str] = set()
    manifest = []
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for image in images:
            digests = [_sha256(layer) for layer in image.layers]
            for layer, digest in zip(image.layers, digests, strict=True):
                if digest not in written:
                    written.add(digest)
                    _add(tar, layer, f"{digest}.tar")
            config = json.dumps(_config(image, digests), sort_keys=True).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add_bytes(tar, config_name, config)
            layers = [f"{digest}.tar" for digest in digests]
            manifest.append({"Config": config_name, "RepoTags": [image.name], "Layers": layers})
        _add_bytes(tar, "manifest.json", json.dumps(manifest).encode())


def _config(image: Image, digests: Sequence[str]) -> dict[str, object]:
    """The OCI image configuration."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Cmd": list(image.command),
            "Env": [f"{name}={value}" for name, value in sorted(image.environment.items())],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, BytesIO(content))


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            total.update(chunk)
    return total.hexdigest()
