# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make friday``: the Friday that this project exists for, played on the lab, with proof taken from outside of Friday.

1. A Friday to kernel B with the first build of Cilium: the rehearsal finds what kernel B refuses, no node is touched.
   Asked about other kernels, it names the newest that would pass.
2. The same with the rehearsal switched off: the canary fails, the run stops, the other nodes are untouched.
3. Cilium is updated, as the report advised, and the canary recovers.
4. The same command as at first: the rehearsal passes, the fleet goes to kernel B, wave by wave.

Meanwhile a client asks the web deployment all the time, and a watcher follows how many of its replicas are available.
What the story claims it reads from the nodes (ssh) and the API server (kubectl), not from what Friday says of itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab import paths, ssh
from lab.artifact import Plan
from lab.artifacts import kernels
from lab.artifacts.kernels import Kernel
from lab.cluster import client, inventory
from lab.cluster.lifecycle import Lab
from lab.durations import Durations, Expected, Work
from lab.process import run_to_its_end
from lab.progress import duration, durations, say, words
from lab.topology import NODES

WEB_NAMESPACE, WEB_NAME = "shop", "web"
EXPORTER = "shop/exporter"
"""The DaemonSet in the pod network: no drain takes its pod away, so a node that loses this network shows it there."""

STATE = "cat /proc/sys/kernel/random/boot_id; uname -r"


@dataclass(frozen=True)
class Seen:
    """A node as it was seen from outside: by ssh, and in the API server."""

    kernel: str
    boot_id: str
    cordoned: bool
    ready: bool


@dataclass(frozen=True)
class Claim:
    """One thing that has to be true for the story to have happened, and what was seen instead or as its proof."""

    text: str
    holds: bool
    seen: str = ""

    def line(self) -> str:
        return f"  [{'ok' if self.holds else 'NO'}] {self.text}" + (f": {self.seen}" if self.seen else "")


@dataclass
class Chapter:
    """A part of the story: what is claimed of it, and how long it took."""

    title: str
    claims: list[Claim] = field(default_factory=list)
    seconds: float = 0.0
    report: str = ""

    @property
    def holds(self) -> bool:
        return bool(self.claims) and all(claim.holds for claim in self.claims)


def main(lab: Lab) -> int:
    """Play the story and print it. Returns 0 only if everything that it claims was seen."""
    started = time.monotonic()
    print("\n".join(outlook(*lab.plan(), durations())), flush=True)
    chapters = play(lab)
    _tell(chapters, time.monotonic() - started)
    return 0 if all(chapter.holds for chapter in chapters) else 1


CHAPTERS: Mapping[str, float] = {
    "The lab, on kernel A with Cilium's first build": 25,
    "A Friday to kernel B: the rehearsal stops it, nothing is touched": 330,
    "Other kernels, rehearsed only: which of them would pass": 120,
    "The rehearsal is switched off: the canary fails, and the run stops": 420,
    "Cilium is updated: the canary recovers": 120,
    "The first command again: the rehearsal passes, the fleet goes to kernel B": 780,
    "What the users of the cluster saw meanwhile": 1,
}
"""The chapters by title, with the seconds that each took where the lab was made."""


def outlook(plan: Plan, boot: Sequence[Work], known: Durations) -> list[str]:
    """What will be done, and how long it takes here, as far as that was measured."""
    build = list(plan.missing.items())
    chapters = [(_remembered(title), seconds) for title, seconds in CHAPTERS.items()]
    lines = [f"In the cache already: {', '.join(plan.there) or 'nothing'}.", "To do:"]
    lines += [_line(text, known.expected((text, seconds))) for text, seconds in (*build, *boot)]
    lines += [_line(title, known.expected(work)) for title, work in zip(CHAPTERS, chapters, strict=True) if work[1] > 1]
    whole = words(known.expected(*build, *boot, *chapters))
    return [
        *lines,
        f"In all: {whole}." if whole else "How long that takes here is unknown: nothing was measured yet.",
    ]


def _line(text: str, expected: Expected) -> str:
    return f"  {text}: {words(expected)}" if words(expected) else f"  {text}"


def _remembered(title: str) -> str:
    """What a chapter's duration is kept under."""
    return f"chapter: {title}"


def play(lab: Lab) -> list[Chapter]:
    """Play the story, and say what was seen of each of its chapters."""
    pair = kernels.pair()
    chapters: list[Chapter] = []
    with _chapter(chapters, "The lab, on kernel A with Cilium's first build") as chapter:
        lab.up()
        if set(_kernels(look(lab).values())) != {pair.running.release}:
            lab.reset()
        before = look(lab)
        chapter.claims += [
            Claim(f"three nodes run {pair.running.release}", set(_kernels(before.values())) == {pair.running.release}),
            Claim("all are Ready, none is cordoned", all(node.ready and not node.cordoned for node in before.values())),
        ]
    with Traffic(lab) as traffic:
        with _chapter(chapters, "A Friday to kernel B: the rehearsal stops it, nothing is touched") as chapter:
            _rehearsed_friday(lab, chapter, before, pair.candidate.release)
        with _chapter(chapters, "Other kernels, rehearsed only: which of them would pass") as chapter:
            _asked_for(lab, chapter, before, [*kernels.neighbours(), pair.candidate])
        with _chapter(chapters, "The rehearsal is switched off: the canary fails, and the run stops") as chapter:
            canary = _stopped_friday(lab, chapter, before, pair.candidate.release)
        with _chapter(chapters, "Cilium is updated: the canary recovers") as chapter:
            lab.set_cilium(2)
            endpoints = lab.kubectl.get("ciliumendpoints.cilium.io", "--all-namespaces")
            states = sorted({str(item.get("status", {}).get("state")) for item in endpoints})
            chapter.claims += [
                Claim("every endpoint is ready", states == ["ready"], ", ".join(states)),
                Claim(
                    f"{canary} is still on kernel B and waits, cordoned",
                    _waits(look(lab), canary, pair.candidate.release),
                ),
            ]
        with _chapter(chapters, "The first command again: the rehearsal passes, the fleet goes to kernel B") as chapter:
            _good_friday(lab, chapter, pair.candidate.release, canary, look(lab))
    with _chapter(chapters, "What the users of the cluster saw meanwhile") as chapter:
        chapter.claims += traffic.claims()
    return chapters


def look(lab: Lab) -> dict[str, Seen]:
    """All nodes, as ssh and the API server show them now."""
    objects = {item["metadata"]["name"]: item for item in lab.kubectl.get("nodes")}
    return {node.name: _seen(ssh.run_patiently(node, lab.ports, STATE), objects[node.name]) for node in NODES}


def _seen(answer: str, item: Mapping[str, Any]) -> Seen:
    boot_id, kernel = answer.split()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"]["conditions"])
    return Seen(kernel, boot_id, bool(item["spec"].get("unschedulable")), ready)


def _kernels(nodes: Iterable[Seen]) -> list[str]:
    return [node.kernel for node in nodes]


def _waits(nodes: Mapping[str, Seen], canary: str, kernel: str) -> bool:
    return canary in nodes and nodes[canary].cordoned and nodes[canary].kernel == kernel


def _rehearsed_friday(lab: Lab, chapter: Chapter, before: Mapping[str, Seen], kernel: str) -> None:
    """The first Friday: it ends before any node is touched."""
    code, report = friday(lab)
    chapter.report = report.get("html", "")
    problems = " ".join(problem["message"] for problem in report.get("problems", ()))
    groups = (report.get("rehearsal") or {}).get("groups", ())
    refused = sorted({each["program"] for group in groups for each in group["programs"] if each["word"] == "fail"})
    chapter.claims += [
        Claim("the run failed", code != 0 and report.get("summary", {}).get("outcome") == "fail", f"exit code {code}"),
        Claim(f"the rehearsal reports what {kernel} would refuse", bool(refused), ", ".join(refused)),
        Claim("with the verifier's own line", "too large" in problems, problems[:200]),
        Claim("every node is untouched: kernel, boot id, no cordon", look(lab) == before),
    ]


def _asked_for(lab: Lab, chapter: Chapter, before: Mapping[str, Seen], wanted: Sequence[Kernel]) -> None:
    """A rehearsal of kernels that no upgrade would bring, the patch level next to A's among them."""
    releases = ",".join(kernel.release for kernel in wanted)
    _, report = friday(lab, "-e", f"friday_candidate_kernel={releases}", playbook="playbooks/rehearse.yml")
    chapter.report = report.get("html", "")
    rehearsal = report.get("rehearsal") or {}
    for kernel in wanted:
        words = {group["word"] for group in rehearsal.get("groups", ()) if group["candidate"] == kernel.release}
        expected = {"fail"} if kernels.refuses_incident(kernel.version) else {"pass", "warn"}
        claim = f"{kernel.release} {'would not pass' if expected == {'fail'} else 'would pass'}"
        chapter.claims.append(Claim(claim, bool(words) and words <= expected, ", ".join(sorted(words))))
    told = {each["release"] for each in rehearsal.get("newest", ())}
    passing = [kernel.release for kernel in wanted if not kernels.refuses_incident(kernel.version)]
    chapter.claims += [
        Claim("the newest that passes is named", told == set(passing[-1:] or [""]), ", ".join(sorted(told))),
        Claim("every node is untouched: kernel, boot id, no cordon", look(lab) == before),
    ]


def _stopped_friday(lab: Lab, chapter: Chapter, before: Mapping[str, Seen], kernel: str) -> str:
    """The Friday without a rehearsal; returns the canary's name."""
    code, report = friday(lab, "-e", "friday_rehearsal=skip")
    chapter.report = report.get("html", "")
    summary = report.get("summary", {})
    cause = summary.get("cause") or {}
    canary = str(summary.get("host", ""))
    evidence = " ".join(cause.get("evidence", ()))
    lost = [item["message"] for item in report.get("verdicts", {}).get(canary, {}).get("consequences", ())]
    after = look(lab)
    chapter.claims += [
        Claim("the run failed", code != 0 and summary.get("outcome") == "fail", f"exit code {code}"),
        Claim(
            "the probable cause is named: BPF, program, kernel", cause.get("layer") == "BPF", str(cause.get("message"))
        ),
        Claim("the verifier's own line is the evidence", "too large" in evidence, evidence[-160:]),
        Claim(
            "its consequences are listed below it, down to the pods",
            any(EXPORTER in message for message in lost),
            lost[-1] if lost else "none",
        ),
        Claim(f"the canary {canary} is held, cordoned, on kernel B", _waits(after, canary, kernel)),
    ]
    for name, was in before.items():
        if name != canary:
            claim = f"{name} is untouched: kernel, boot id, no cordon"
            chapter.claims.append(Claim(claim, after[name] == was, f"{after[name].kernel}, {after[name].boot_id}"))
    return canary


def _good_friday(lab: Lab, chapter: Chapter, kernel: str, canary: str, before: Mapping[str, Seen]) -> None:
    code, report = friday(lab)
    chapter.report = report.get("html", "")
    after = look(lab)
    rebooted = sorted(name for name in after if after[name].boot_id != before[name].boot_id)
    words = sorted({group["word"] for group in (report.get("rehearsal") or {}).get("groups", ())})
    chapter.claims += [
        Claim("the rehearsal passed", bool(words) and set(words) <= {"pass", "warn"}, ", ".join(words)),
        Claim("the run passed", code == 0 and report.get("summary", {}).get("outcome") == "pass", f"exit code {code}"),
        Claim(f"every node runs {kernel}", set(_kernels(after.values())) == {kernel}),
        Claim("all are Ready, none is cordoned", all(node.ready and not node.cordoned for node in after.values())),
        Claim(
            "the canary was verified and not rebooted again, the others were rebooted",
            rebooted == sorted(set(after) - {canary}),
            f"rebooted: {', '.join(rebooted)}",
        ),
    ]


def friday(lab: Lab, *arguments: str, playbook: str = "friday.yml") -> tuple[int, dict[str, Any]]:
    """Run Friday on the lab, as README says, its output shown as it comes.

    Returns:
        The exit code, and the run's report.json with the paths of its ``html`` beside it (empty: there is no report).
    """
    states = paths.run() / "state"
    known = set(states.glob("*/report.json"))
    command = [
        "ansible-playbook",
        "-i",
        str(inventory.FOLDER),
        playbook,
        "-e",
        f"friday_state_dir={states}",
        *arguments,
    ]
    say(f"ansible-playbook -i inventories/lab {' '.join((playbook, *arguments))}")
    code = run_to_its_end(command, paths.SOURCE.parent)
    new = sorted(set(states.glob("*/report.json")) - known)
    if not new:
        return code, {}
    return code, {**json.loads(new[-1].read_text()), "html": str(new[-1].with_name("report.html"))}


class Traffic:
    """A client that asks the web deployment through its Service all the time, and a watcher of its replicas."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.available: list[int] = []
        self.summary: dict[str, Any] = {}
        self._watch: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Traffic:
        client.start(self.lab)
        self._watch = self._follow()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.summary = client.stop(self.lab)
        if self._watch:
            self._watch.terminate()
            self._watch.wait()
        if self._reader:
            self._reader.join(5)

    def _follow(self) -> subprocess.Popen[str]:
        """A kubectl that prints the number of available replicas at each change of the deployment."""
        kubectl = self.lab.kubectl
        template = '--output=jsonpath={.status.availableReplicas}{"\\n"}'
        command = ["kubectl", "get", "deployment", WEB_NAME, f"--namespace={WEB_NAMESPACE}", "--watch", template]
        return subprocess.Popen(
            command,
            executable=kubectl.program,
            env={**os.environ, "KUBECONFIG": str(kubectl.kubeconfig)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def _read(self) -> None:
        assert self._watch is not None and self._watch.stdout is not None
        for line in self._watch.stdout:
            self.available.append(int(line.strip() or 0))

    def claims(self) -> list[Claim]:
        """What is claimed of the traffic. How many requests failed is measured and told, not claimed to be none."""
        low = min(self.available, default=0)
        budget = self.lab.kubectl.get("poddisruptionbudget", WEB_NAME, f"--namespace={WEB_NAMESPACE}")
        wanted = int(budget["spec"]["minAvailable"])
        asked, failed = self.summary.get("requests", 0), self.summary.get("failed", 0)
        share = f"{failed} of {asked} requests failed"
        if self.summary.get("median_seconds"):
            share += f", median answer {self.summary['median_seconds']:.2f} s"
        return [
            Claim(f"web never had fewer than {wanted} replicas available", low >= wanted, f"at least {low}"),
            Claim("a client queried it all the time", asked > 0, share),
        ]


@contextmanager
def _chapter(chapters: list[Chapter], title: str) -> Iterator[Chapter]:
    chapter = Chapter(title)
    chapters.append(chapter)
    print(f"\n=== {len(chapters)}. {title}\n", flush=True)
    started = time.monotonic()
    try:
        yield chapter
        durations().remember((_remembered(title), CHAPTERS[title]), time.monotonic() - started)
    finally:
        chapter.seconds = time.monotonic() - started
        for claim in chapter.claims:
            print(claim.line(), flush=True)


def _tell(chapters: Sequence[Chapter], seconds: float) -> None:
    print(f"\n{'=' * 80}\nThe story, in {duration(seconds)}\n")
    for number, chapter in enumerate(chapters, start=1):
        result = "happened" if chapter.holds else "DID NOT HAPPEN"
        print(f"{number}. {chapter.title}: {result}, {duration(chapter.seconds)}")
        for claim in chapter.claims:
            print(claim.line())
        if chapter.report:
            print(f"       report: {chapter.report}")
    print("=" * 80, flush=True)
