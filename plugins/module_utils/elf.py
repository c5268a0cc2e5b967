# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""As much of ELF (elf(5)) as it takes to find BPF objects in a file, and the sizes of their sections."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, Union

BPF = 247
"""EM_BPF."""

_BEGIN = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQ24x")
_LONGEST_NAME = 256
_NO_BITS = 8  # SHT_NOBITS: it has a size, and no place in the file

# What can be read from: a file's bytes, or a file that is mapped into memory.
Data = Union[bytes, "memoryview"]


class Object(NamedTuple):
    """A BPF object within other data: where it begins and ends, and the sizes of its sections in bytes by name."""

    begin: int
    end: int
    sections: dict[str, int]


def bpf_object(data: bytes, begin: int = 0) -> Object | None:
    """The BPF object that begins there; None when there is none, or one that is torn."""
    try:
        if data[begin : begin + len(_BEGIN)] != _BEGIN:
            return None
        header = _HEADER.unpack(data[begin : begin + _HEADER.size])
        machine, table, size, count, names = header[1], header[5], header[10], header[11], header[12]
        if machine != BPF or size != _SECTION.size or names >= count:
            return None
        end = begin + table + size * count
        sections = [
            _SECTION.unpack(data[begin + table + size * n : begin + table + size * (n + 1)]) for n in range(count)
        ]
    except struct.error:
        return None
    ends = [begin + each[4] + each[5] for each in sections if each[1] != _NO_BITS]
    end = max(end, *ends)
    if end > len(data):
        return None
    found = {}
    for each in sections:
        at = begin + sections[names][4] + each[0]
        found[data[at : at + _LONGEST_NAME].partition(b"\0")[0].decode(errors="replace")] = each[5]
    return Object(begin, end, found)


def embedded(data: bytes) -> Iterator[Object]:
    """The BPF objects in a program, which carries them as they are (Go's ``embed``, libbpf's skeletons, Rust)."""
    begin = data.find(_BEGIN)
    while begin >= 0:
        found = bpf_object(data, begin)
        if found:
            yield found
        begin = data.find(_BEGIN, found.end if found else begin + 1)
