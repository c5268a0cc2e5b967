# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""BPF objects in other data: whole ones, and what only looks like one is passed over."""

from __future__ import annotations

import struct

from ansible_collections.friday.upgrade.plugins.module_utils import elf as reader
from tests.support.elf import X86_64, elf

OBJECT = elf({".text": b"code", ".rodata": b"12345"})
KIND, SIZE = -64 * 2 + 4, -64 * 2 + 32  # of the last section but one, .rodata


def test_an_object_and_its_sections() -> None:
    found = reader.bpf_object(b"before" + OBJECT + b"behind", 6)
    assert found
    assert (found.begin, found.end) == (6, 6 + len(OBJECT))
    assert (found.sections[".text"], found.sections[".rodata"]) == (4, 5)


def test_what_is_none() -> None:
    assert reader.bpf_object(elf({".text": b"code"}, X86_64)) is None
    for size in range(0, len(OBJECT), 7):
        assert reader.bpf_object(OBJECT[:size]) is None
    beyond = bytearray(OBJECT)
    beyond[SIZE : SIZE + 8] = struct.pack("<Q", 10_000)
    assert reader.bpf_object(bytes(beyond)) is None


def test_a_section_without_a_place_may_have_any_size() -> None:
    zeros = bytearray(OBJECT)
    zeros[KIND : KIND + 4] = struct.pack("<I", 8)
    zeros[SIZE : SIZE + 8] = struct.pack("<Q", 10_000)
    found = reader.bpf_object(bytes(zeros))
    assert found
    assert (found.end, found.sections[".rodata"]) == (len(OBJECT), 10_000)


def test_objects_within_a_program() -> None:
    """Behind one that is torn the search goes on; one within another one is a part of that."""
    outer = elf({"data": OBJECT})
    data = b"program" + OBJECT[:100] + OBJECT + b"more" + outer
    assert [data[each.begin : each.end] for each in reader.embedded(data)] == [OBJECT, outer]
    assert list(reader.embedded(b"")) == []
