# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which BPF programs are attached where, as bpftool(8) tells it.

Left out, because it comes and goes with units and containers and says nothing of the network: what systemd attaches for
its units (``sd_...``), and device rules of cgroups.
"""

from __future__ import annotations

import errno
import json
import re
from typing import Any

from . import bpf_query
from .system import System, Unreadable

# BPF_CGROUP_* as bpftool 7 calls them, to the short names that older ones and libbpf's section names use.
_CGROUP_HOOK = re.compile(r"^cgroup_(?:inet_|inet(?=[46])|udp(?=[46]))?")
_VERSION_FIRST = re.compile(r"^(?P<version>[46])_(?P<what>\w+)$")
# iproute2 writes where it had a program from into its name: "cil_from_netdev:[*fsobj]", "prog.o:[section]".
_ORIGIN = re.compile(r":\[[^\]]*\]$")
# BPF_LINK_TYPE_TCX and BPF_LINK_TYPE_NETKIT. A bpftool that does not know them shows the bare number.
_NEWER_LINKS = (11, 13)
_TCX_SINCE = (6, 6)
_NOT_THERE = (errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.EACCES)  # no such hook here; EACCES: a netkit's other end


def attachments(system: System) -> list[dict[str, Any]]:
    """Every attachment with hook, device, program and tag, in that order.

    Of a network device, ``into_netns`` says whether its other end is in another network namespace, as a pod's is; it
    is absent where ip(8) can't tell.

    Raises:
        Unreadable: there is no bpftool that works here, or it can't list what is attached and the kernel does not say.
    """
    bpftool = tool(system)
    programs = {program["id"]: program for program in ask(system, [bpftool, "-j", "prog", "show"])}
    found = [*_net(ask(system, [bpftool, "-j", "net", "show"]), programs)]
    unlisted = _unlisted(system, bpftool)
    if unlisted:
        found += [each for each in _queried(system, bpftool, programs, unlisted) if each not in found]
    crossing = _crossing(system)
    if crossing is not None:
        found = [{**each, "into_netns": each["device"] in crossing} if each["device"] else each for each in found]
    found += _cgroups(ask(system, [bpftool, "-j", "cgroup", "tree"]), programs, _cgroup_mounts(system))
    return sorted(found, key=lambda one: tuple(map(str, one.values())))


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


def _unlisted(system: System, bpftool: str) -> set[int]:
    """Programs of the links that this bpftool is too old for: ``net show`` leaves them out without a word."""
    try:
        links = ask(system, [bpftool, "-j", "link", "show"])
    except Unreadable as error:
        # A kernel without links can't be asked for them; one with tcx always can.
        if _kernel(system) < _TCX_SINCE:
            return set()
        raise Unreadable(f"whether this bpftool lists all that is attached could not be found out: {error}") from None
    return {link.get("prog_id", 0) for link in links if link.get("type") in _NEWER_LINKS}


def _kernel(system: System) -> tuple[int, ...]:
    try:
        release = system.read("/proc/sys/kernel/osrelease")
    except Unreadable:
        return ()
    return tuple(map(int, re.findall(r"\d+", release)[:2]))


def _queried(
    system: System, bpftool: str, programs: dict[int, dict[str, Any]], unlisted: set[int]
) -> list[dict[str, str]]:
    """What the kernel itself says is attached as tcx and netkit. Raises Unreadable."""
    found, seen, reason = [], set(), "it shows none on this machine's devices"
    try:
        for path in system.glob("/sys/class/net/*/ifindex"):
            device, number = path.split("/")[4], int(system.read(path))
            for hook, attach_type in bpf_query.HOOKS.items():
                ids = _programs_at(number, attach_type)
                seen.update(ids)
                found += [_attachment(hook, device, "", each, programs) for each in ids]
    except OSError as error:
        reason = error.strerror or str(error)
    if seen & unlisted:
        return found
    count = len(unlisted)
    raise Unreadable(
        f"{bpftool} is too old to list {count} {'program' if count == 1 else 'programs'} attached as tcx or netkit, "
        f"and the kernel could not be asked ({reason}); install a newer bpftool (7.4 or later)"
    )


def _programs_at(device: int, attach_type: int) -> list[int]:
    try:
        return bpf_query.programs(device, attach_type)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return []
        raise


def _crossing(system: System) -> set[str] | None:
    """Devices whose other end is in another network namespace (veth and netkit of pods); None: ip(8) can't tell."""
    try:
        links = ask(system, [system.find("ip") or "ip", "-j", "link", "show"])
        return {link["ifname"] for link in links if "link_netnsid" in link}
    except (Unreadable, KeyError, TypeError):
        return None


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
