# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ELF files made by hand, as far as their section headers are concerned."""

from __future__ import annotations

import struct
from collections.abc import Mapping

BPF, X86_64 = 247, 62


def elf(sections: Mapping[str, bytes], machine: int = BPF) -> bytes:
    """An ELF file of 64 bits with these sections, and the one of their names."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*sections, ".strtab"])
    contents = {**sections, ".strtab": names}
    body, headers, at = b"", bytes(64), 64
    for name, content in contents.items():
        kind = 3 if name == ".strtab" else 1
        place = names.index(b"\0" + name.encode() + b"\0") + 1
        headers += struct.pack("<IIQQQQIIQQ", place, kind, 0, 0, at, len(content), 0, 0, 1, 0)
        body += content
        at += len(content)
    count = len(contents) + 1
    header = struct.pack("<HHIQQQIHHHHHH", 1, machine, 1, 0, 0, at, 0, 64, 0, 0, 64, count, count - 1)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + body + headers
