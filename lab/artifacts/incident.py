# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The incident: an addition of the lab's own to Cilium's BPF sources, put in when the image is built.

In its first way of writing the programs load on kernel A and are "too large" for kernel B's verifier; in its second
they load on both (``lab/images/incident`` says why). The repository holds our lines only, never Cilium's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import paths

SOURCES = paths.SOURCE / "images" / "incident"

WAYS = (1, 2)
"""How the addition can be written: 1 is the incident, 2 its fix."""

_INCLUDE_ANCHOR = '#include "lib/common.h"\n'
_INCLUDE = '#include "lib/lab_checks.h"\n'
_CALL = "\t__u64 lab_total __maybe_unused = lab_checks(ctx);\n"
_ENTRY_ANCHORS = {
    "bpf_host.c": "int cil_from_netdev(struct __ctx_buff *ctx)\n{\n",
    "bpf_lxc.c": "int cil_from_container(struct __ctx_buff *ctx)\n{\n",
}


def apply(bpf: Path, way: int) -> None:
    """Add the lab's checks to the Cilium sources in ``bpf``, as the first statement of both entry programs."""
    shutil.copyfile(SOURCES / f"lab_checks_{way}.h", bpf / "lib" / "lab_checks.h")
    for name, entry in _ENTRY_ANCHORS.items():
        path = bpf / name
        text = insert_after(path.read_text(), _INCLUDE_ANCHOR, _INCLUDE, name)
        path.write_text(insert_after(text, entry, _CALL, name))


def insert_after(text: str, anchor: str, addition: str, name: str) -> str:
    """``text`` with ``addition`` right after ``anchor``, which must occur exactly once; ``ValueError`` otherwise."""
    found = text.count(anchor)
    if found != 1:
        raise ValueError(f"{name}: the anchor {anchor!r} for the lab's addition occurs {found} times, not once")
    return text.replace(anchor, anchor + addition)
