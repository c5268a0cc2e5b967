# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make bench``: the lab at rest, and what a Friday costs per node over a bare drain, apt, reboot, uncordon.

Friday and the bare playbook upgrade the same node of the same lab from the same snapshot, one after the other in one
run, without a soak. What counts is the ratio: the seconds are those of this machine, on this day.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from lab import idle, paths
from lab.cluster import inventory
from lab.cluster.lifecycle import Lab
from lab.progress import say, step
from lab.story import friday

NODE = "node3"
BARE = Path(__file__).resolve().parent / "playbooks" / "bare.yml"
BARE_SECONDS, FRIDAY_SECONDS = 300.0, 360.0


def run(lab: Lab | None = None) -> int:
    """Measure all of it and print the tables. Returns 0 when both playbooks came to a good end."""
    lab = lab or Lab()
    lab.reset(build=2)  # the build that loads on both kernels
    print("\n".join(idle.measure(lab)), flush=True)
    with step(f"the bare playbook on {NODE}", BARE_SECONDS):
        code, bare = _bare(lab)
    if code:
        say(f"no comparison: the bare playbook exited with code {code}")
        return 1
    lab.reset(build=2)
    with step(f"a Friday on {NODE}", FRIDAY_SECONDS):
        started = time.monotonic()
        code, report = friday(lab, "-e", json.dumps({"friday_only": [NODE], "friday_soak": 0}))
        whole = time.monotonic() - started
    if code:
        say(f"no comparison: Friday exited with code {code}")
        return 1
    print("\n".join(table(bare, steps(report, whole))))
    return 0


def steps(report: dict[str, Any], whole: float) -> dict[str, float]:
    """Seconds for each step of Friday on the node, from its journal; before the first come the survey and the plan."""
    events = [e for e in report["events"] if e["kind"] == "step" and e["host"] == NODE]
    started, finished = report["record"]["started"], report["record"]["finished"]
    last = next(e["time"] for e in reversed(report["events"]) if e["kind"] == "state" and e["host"] == NODE)
    marks = [
        ("guard, survey, plan, gate", started),
        *((e["data"]["step"], e["time"]) for e in events),
        ("verdict", last),
    ]
    ends = [mark[1] for mark in marks[1:]] + [finished]
    seconds: dict[str, float] = {}
    for (name, begin), end in zip(marks, ends, strict=True):
        seconds[name] = seconds.get(name, 0.0) + end - begin
    seconds["ansible-playbook itself"] = whole - (finished - started)
    return seconds


def table(bare: dict[str, float], friday_steps: dict[str, float]) -> list[str]:
    """Both, step by step, and the ratio."""
    total_bare, total = sum(bare.values()), sum(friday_steps.values())
    lines = ["", f"{'bare playbook':<28}{'s':>8}    {'Friday':<28}{'s':>8}"]
    left, right = list(bare.items()), list(friday_steps.items())
    for row in range(max(len(left), len(right))):
        pieces = [f"{name:<28}{seconds:>8.1f}" for name, seconds in (*left[row : row + 1],)] or [" " * 36]
        pieces += [f"{name:<28}{seconds:>8.1f}" for name, seconds in (*right[row : row + 1],)]
        lines.append("    ".join(pieces).rstrip())
    lines.append(f"{'in all':<28}{total_bare:>8.1f}    {'in all':<28}{total:>8.1f}")
    ratio, more = total / total_bare, total - total_bare
    lines.append(f"\nA Friday took {ratio:.2f} times as long as the bare playbook ({more:+.0f} s a node).")
    return lines


def _bare(lab: Lab) -> tuple[int, dict[str, float]]:
    """Run the bare playbook; its exit code, and the seconds that each task took."""
    link = paths.run() / "kubectl"  # the multi-call program goes by its name
    link.unlink(missing_ok=True)
    link.symlink_to(lab.kubectl.program)
    variables = {"bare_node": NODE, "bare_kubectl": [str(link), f"--kubeconfig={lab.kubeconfig}"]}
    command = ["ansible-playbook", "-i", str(inventory.FOLDER), str(BARE), "-e", json.dumps(variables)]
    with tempfile.TemporaryDirectory() as folder:
        timed = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit", "JUNIT_HIDE_TASK_ARGUMENTS": "true"}
        environment = {**os.environ, **timed, "JUNIT_OUTPUT_DIR": folder}
        started = time.monotonic()
        done = subprocess.run(command, cwd=paths.SOURCE.parent, env=environment, stdin=subprocess.DEVNULL, check=False)
        whole = time.monotonic() - started
        seconds = tasks(Path(folder))
    seconds["ansible-playbook itself"] = whole - sum(seconds.values())
    return done.returncode, seconds


def tasks(folder: Path) -> dict[str, float]:
    """Seconds for each task, from what the callback ``ansible.builtin.junit`` wrote."""
    seconds: dict[str, float] = {}
    for path in folder.glob("*.xml"):
        for case in ET.parse(path).iter("testcase"):
            name = str(case.get("name", "")).rpartition(": ")[2]
            seconds[name] = seconds.get(name, 0.0) + float(case.get("time", 0))
    return seconds
