# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks the kernel itself, by bpf(2), what is attached to a network device as tcx or netkit.

For a bpftool that is older than these: it shows nothing there, as if nothing was attached.
"""

from __future__ import annotations

import ctypes
import os
import platform

HOOKS = {"tcx/ingress": 46, "tcx/egress": 47, "netkit/primary": 54, "netkit/peer": 55}
"""Hooks as bpftool calls them, with their enum bpf_attach_type (include/uapi/linux/bpf.h)."""

_PROG_QUERY = 16  # enum bpf_cmd
_MOST = 64  # what the kernel takes on one hook of a device (BPF_MPROG_MAX)
# <asm/unistd.h>; arm64, riscv and loongarch share one table.
_SYSCALL = {"x86_64": 321, "ppc64le": 361, "s390x": 351}
_SYSCALL.update(dict.fromkeys(("aarch64", "riscv64", "loongarch64"), 280))


class _Query(ctypes.Structure):
    """The part of union bpf_attr for BPF_PROG_QUERY."""

    _fields_ = [
        ("target_ifindex", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("query_flags", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
        ("prog_ids", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("prog_attach_flags", ctypes.c_uint64),
        ("link_ids", ctypes.c_uint64),
        ("link_attach_flags", ctypes.c_uint64),
        ("revision", ctypes.c_uint64),
    ]


def programs(ifindex: int, attach_type: int) -> list[int]:
    """The ids of the programs at one hook of a device of this network namespace, in the order in which they run.

    Raises:
        OSError: the kernel does not have this hook (EINVAL), or not on this device; or it may not be asked.
    """
    ids = (ctypes.c_uint32 * _MOST)()
    query = _Query(ifindex, attach_type, 0, 0, ctypes.addressof(ids), _MOST)
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(0, f"the number of bpf(2) is not known on {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), _PROG_QUERY, ctypes.byref(query), ctypes.sizeof(query)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return list(ids[: query.count])
