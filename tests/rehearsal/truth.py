# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is so of Cilium's objects on a kernel: the agent's own library loads them whole, as an agent does.

The program that does it (``tests/rehearsal/oracle``) has nothing of the rehearsal's loader. Neither bpftool nor libbpf
can say: they don't know what Cilium's agent does to an object before it loads it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import initramfs
from lab.artifact import build
from lab.artifacts import go
from tests.rehearsal.cilium import Sample
from tests.rehearsal.kernels import Kernel

SOURCE = Path(__file__).with_name("oracle")
_SECONDS = 5400


@dataclass(frozen=True)
class Said:
    """Of one object: program -> why the kernel refuses it (empty: it loads); section -> bytes that the agent put in."""

    programs: Mapping[str, str]
    contents: Mapping[str, bytes]


def known(kernel: Kernel, samples: Sequence[Sample], processor: Sequence[str]) -> dict[str, Said]:
    """What a kernel says to these objects, by their names. It is asked once, and the answer kept.

    Raises:
        RuntimeError: the guest did not come to its end, or an object can't be read.
    """
    program = oracle()

    def make(target: Path) -> None:
        target.write_text(_ask(kernel, samples, processor, program))

    first = samples[0]
    recipe = [kernel.release, kernel.version, program.name, *(f"{each.name} {each.path}" for each in samples)]
    answer = build(f"truth-{kernel.release}-{first.version}-{first.configuration}", recipe, make, 120)
    found = {}
    for line in answer.read_text().splitlines():
        said = json.loads(line)
        if said.get("error"):
            raise RuntimeError(f"{kernel.release}: {first.version} {said['object']}: {said['error']}")
        contents = {name: bytes.fromhex(content) for name, content in said["contents"].items()}
        found[said["object"].removesuffix(".o")] = Said(said["programs"], contents)
    return {each.name: found[_file(each)] for each in samples}


def oracle() -> Path:
    """The program, static, as it boots."""

    def make(target: Path) -> None:
        go.compile_program(SOURCE, target)

    return build("oracle", [SOURCE, go.toolchain().parents[2].name], make, 20)


def _file(sample: Sample) -> str:
    return sample.name.replace(" ", "_")


def _ask(kernel: Kernel, samples: Sequence[Sample], processor: Sequence[str], program: Path) -> str:
    """The oracle's lines."""
    with tempfile.TemporaryDirectory(prefix="friday-truth-") as name:
        folder = Path(name)
        objects = [initramfs.File(f"/objects/{_file(each)}.o", each.path) for each in samples]
        with (folder / "initramfs").open("wb") as file:
            initramfs.write(file, [initramfs.File("/init", program, 0o755), *objects])
        command = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "q35", *processor, "-m", "1024"),
            *("-serial", f"file:{folder}/console", "-serial", f"file:{folder}/said"),
            *("-kernel", str(kernel.image), "-initrd", f"{folder}/initramfs"),
            *("-append", "console=ttyS0 loglevel=4 rdinit=/init panic=-1"),
        ]
        subprocess.run(command, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL)
        *lines, last = (folder / "said").read_text(errors="replace").splitlines() or [""]
        if last != '"DONE"':
            console = (folder / "console").read_text(errors="replace")[-1000:]
            raise RuntimeError(f"{kernel.release}: it did not come to its end:\n{last[-500:]}\n{console}")
        return "\n".join(lines) + "\n"
