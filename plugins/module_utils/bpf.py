# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which BPF programs are attached where, as bpftool(8) tells it.

Left out, because it comes and goes with units and containers and says nothing of the network: what systemd attaches for
its units (``sd_...``), and device rules of cgroups.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .system import System, Unreadable

# BPF_CGROUP_* as bpftool 7 calls them, to the short names that older ones and libbpf's section names use.
_CGROUP_HOOK = re.compile(r"^cgroup_(?:inet_|inet(?=[46])|udp(?=[46]))?")
_VERSION_FIRST = re.compile(r"^(?P<version>[46])_(?P<what>\w+)$")
# iproute2 writes where it had a program from into its name: "cil_from_netdev:[*fsobj]", "prog.o:[section]".
_ORIGIN = re.compile(r":\[[^\]]*\]$")


def attachments(system: System) -> list[dict[str, str]]:
    """Every attachment with hook, device, program and tag, in that order.

    Raises:
        Unreadable: there is no bpftool that works here.
    """
    bpftool = tool(system)
    programs = {program["id"]: program for program in ask(system, [bpftool, "-j", "prog", "show"])}
    found = [*_net(ask(system, [bpftool, "-j", "net", "show"]), programs)]
    found += _cgroups(ask(system, [bpftool, "-j", "cgroup", "tree"]), programs, _cgroup_mounts(system))
    return sorted(found, key=lambda one: tuple(one.values()))


def tool(system: System) -> str:
    """A bpftool that runs. Ubuntu's is a script that wants the one of the running kernel's build; any will do.

    Raises:
        Unreadable: there is none.
    """
    others = system.glob("/usr/lib/linux-tools*/bpftool") + system.glob("/usr/lib/linux-tools/*/bpftool")
    reason = "bpftool is not installed (package bpftool, or linux-tools-common and linux-tools-generic)"
    for name in [system.find("bpftool"), *reversed(others)]:
        if name:
            result = system.run([name, "version"])
            if result.rc == 0:
                return name
            reason = f"bpftool: {result.reason()}"
    raise Unreadable(reason)


def ask(system: System, argv: list[str]) -> Any:
    """What bpftool says in JSON. Raises Unreadable: it does not, or says that it can't."""
    text = system.read_from(argv)
    try:
        answer = json.loads(text or "[]")
    except ValueError:
        raise Unreadable(f"{' '.join(argv)}: expected JSON, but got {text.strip()[:100]!r}") from None
    if isinstance(answer, dict) and "error" in answer:
        raise Unreadable(f"{' '.join(argv)}: {answer['error']}")
    return answer


def _net(answer: list[dict[str, Any]], programs: dict[int, dict[str, Any]]) -> list[dict[str, str]]:
    found = []
    for group in answer:
        for one in group.get("xdp", ()):
            # One mode has the program's id itself; several modes at once are told as a list.
            for mode in one.get("multi_attachments", (one,)):
                found.append(_attachment("xdp", one["devname"], "", mode["id"], programs))
        for one in group.get("tc", ()):
            hook = one["kind"].replace("clsact/", "tc/")
            number = one.get("id", one.get("prog_id"))
            found.append(_attachment(hook, one["devname"], one.get("name", ""), number, programs))
        for one in group.get("flow_dissector", ()):
            found.append(_attachment("flow_dissector", one.get("devname", ""), "", one["id"], programs))
    return found


def _cgroups(
    answer: list[dict[str, Any]], programs: dict[int, dict[str, Any]], mounts: list[str]
) -> list[dict[str, str]]:
    found = []
    for group in answer:
        mount = next((mount for mount in mounts if (group["cgroup"] + "/").startswith(mount + "/")), "")
        path = group["cgroup"][len(mount) :] or "/"
        for one in group["programs"]:
            hook, name = _hook(one["attach_type"]), one.get("name", "")
            if hook != "device" and not name.startswith("sd_"):
                found.append(_attachment(f"cgroup/{hook}", path, name, one["id"], programs))
    return found


def _hook(attach_type: str) -> str:
    """The short name: ``connect4`` of ``cgroup_inet4_connect``, ``egress`` of ``cgroup_inet_egress``."""
    name = _CGROUP_HOOK.sub("", attach_type)
    versioned = _VERSION_FIRST.match(name)
    return f"{versioned['what']}{versioned['version']}" if versioned else name


def _attachment(hook: str, device: str, name: str, number: int, programs: dict[int, dict[str, Any]]) -> dict[str, str]:
    program = programs.get(number, {})
    # The name at the hook comes first: the kernel keeps 15 characters of a program's name, unless it has BTF.
    name = _ORIGIN.sub("", name) or program.get("name", "")
    return {"hook": hook, "device": device, "program": _without_device(name, device), "tag": program.get("tag", "")}


def _without_device(name: str, device: str) -> str:
    """Cilium names what it attaches after the device as well: ``cil_from_netdev-eth1``."""
    suffix = f"-{device}"
    return name[: -len(suffix)] if name.endswith(suffix) else name


def _cgroup_mounts(system: System) -> list[str]:
    """Where the cgroup v2 hierarchy is mounted (Cilium mounts it once more of its own), the longest path first."""
    fields = [line.split() for line in system.read("/proc/mounts").splitlines()]
    return sorted((field[1] for field in fields if field[2] == "cgroup2"), key=len, reverse=True)
