# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lab costs at rest: processor time of its parts on the host, and of the programs inside the nodes.

Processor time, not load: other work on the same machine does not count, and makes little difference.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import ssh
from lab.cluster.lifecycle import Lab
from lab.progress import step
from lab.topology import NODES, Node, Ports

SETTLE_SECONDS, MEASURE_SECONDS = 60, 60
"""After a restore everything connects again; that is not rest."""

TICKS = os.sysconf("SC_CLK_TCK")

_INSIDE = r"""
import json, os, time
def look():
    idle = sum(map(int, open("/proc/stat").readline().split()[4:6]))  # exact, unlike the other columns
    found = {"all": int(time.monotonic() * os.sysconf("SC_CLK_TCK")) - idle}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, _, rest = open(f"/proc/{pid}/stat").read().partition("(")[2].rpartition(")")
            fields = rest.split()
            # field 22: a number that is given again belongs to another process
            found[f"{name} {pid} {fields[19]}"] = int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return found
first = look()
time.sleep(SECONDS)
print(json.dumps([first, look()]))
"""
"""Runs on a node: ticks of all its programs, twice. Programs that came and went in between are only in the total."""

Ticks = Mapping[str, int]


def measure(lab: Lab, settle: float = SETTLE_SECONDS, seconds: int = MEASURE_SECONDS) -> list[str]:
    """Measure the running lab, with nothing asked of it; the table's lines."""
    with step(f"waiting until the lab is at rest, then measuring it for {seconds} s", settle + seconds):
        time.sleep(settle)
        with ThreadPoolExecutor(len(NODES)) as pool:
            answers = [pool.submit(_inside, node, lab.ports, seconds) for node in NODES]
            time.sleep(2)  # the connections are made
            started, before = time.monotonic(), _outside(lab)
            time.sleep(seconds - 4)
            after, passed = _outside(lab), time.monotonic() - started
            inside = [answer.result() for answer in answers]
    return table(shares(before, after, passed), programs(inside, seconds))


def shares(before: Ticks, after: Ticks, seconds: float) -> dict[str, float]:
    """Percent of one processor for each part, by its ticks before and after."""
    return {name: 100 * (after[name] - ticks) / TICKS / seconds for name, ticks in before.items() if name in after}


def programs(nodes: Iterable[tuple[Ticks, Ticks]], seconds: float) -> dict[str, float]:
    """Percent of a node's processor for each program, on the average of the nodes; threads of the kernel as one."""
    measured = [shares(before, after, seconds) for before, after in nodes]
    total: dict[str, float] = {}
    for node in measured:
        known = {name: share for name, share in node.items() if name != "all"}
        for name, share in (*known.items(), ("interrupts, short-lived programs", node["all"] - sum(known.values()))):
            kind = name.split()[0].split("/")[0] if name in known else name
            total[kind] = total.get(kind, 0.0) + share / len(measured)
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def table(outside: Mapping[str, float], inside: Mapping[str, float], least: float = 0.2) -> list[str]:
    """Both as a table; what is below ``least`` percent is summed up."""
    lines = ["", f"{'the lab at rest':<28}{'% of a core':>12}    {'inside a node':<36}{'% of its CPU':>12}"]
    columns = [_rows(outside, least), _rows(inside, least)]
    for row in range(max(map(len, columns))):
        left, right = (column[row] if row < len(column) else ("", "") for column in columns)
        lines.append(f"{left[0]:<28}{left[1]:>12}    {right[0]:<36}{right[1]:>12}".rstrip())
    return [*lines, "", f"The lab at rest takes {sum(outside.values()):.0f}% of one of this machine's cores."]


def _rows(shares: Mapping[str, float], least: float) -> list[tuple[str, str]]:
    shown = {name: share for name, share in shares.items() if share >= least}
    rest = sum(shares.values()) - sum(shown.values())
    return [
        (name, f"{share:.1f}") for name, share in (*shown.items(), ("others", rest), ("in all", sum(shares.values())))
    ]


def _inside(node: Node, ports: Ports, seconds: int) -> tuple[Ticks, Ticks]:
    script = _INSIDE.replace("SECONDS", str(seconds))
    first, last = json.loads(ssh.run(node, ports, "python3 -I -S -", text=script, timeout=seconds + 300))
    return first, last


def _outside(lab: Lab) -> dict[str, int]:
    """Ticks that the processes on the host have taken; a machine goes by its node's name."""
    found = {}
    for daemon in lab.daemons():
        pid = daemon.pid()
        if pid is not None:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            name = daemon.folder.name if daemon.name == "qemu" else daemon.name
            found[name] = int(fields[11]) + int(fields[12])
    return found
