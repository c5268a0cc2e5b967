# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import dataclasses
import re
from datetime import timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import PackageChange, PackageKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console, text
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.console import Progress
from tests.unit.tell.stories import (
    NEW,
    REFUSAL,
    RUN,
    START,
    STORIES,
    accepted,
    fleet_plan,
    held,
    incident,
    nothing,
    passed,
    refused,
)

UTC = timezone.utc


def lines_of(name: str, width: int = 120) -> list[str]:
    data, progress, lines = STORIES[name](), Progress(), []
    outline = console.Outline(data.plan) if data.plan else None
    for event in data.events:
        progress = progress.after(event)
        lines.append(console.event_line(event, outline, progress, UTC, width))
    return lines


def test_a_step_is_one_line_with_time_wave_host_and_what_is_left() -> None:
    line = next(line for line in lines_of("incident") if "reboot " in line)
    assert line.startswith("16:03:03  wave 1/3 canary      node3  reboot  ")
    assert line.split() == ["16:03:03", "wave", "1/3", "canary", "node3", "reboot", "3m03s", "elapsed,", "~33m", "left"]


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_a_terminal_and_awx(name: str, width: int) -> None:
    for line in lines_of(name, width):
        assert len(line) <= width and len(line.encode()) <= 1024 and "\n" not in line and line.isprintable()


def test_a_line_that_is_cut_says_where_the_rest_is() -> None:
    line = next(line for line in lines_of("incident") if "FAILED at verify" in line)
    number = next(e.seq for e in incident().events if e.kind is EventKind.FAILURE)
    assert f"… (journal line {number})" in line


def test_how_long_it_took_to_a_failure_is_told_however_long_its_message_is() -> None:
    """The message gives way: all of it is in the verdict."""
    line = next(line for line in lines_of("incident") if "FAILED at verify" in line)
    assert re.search(r"… \(journal line \d+\)  +\d+m\d+s elapsed(, ~\w+ left)?$", line)
    stop = next(line for line in lines_of("incident") if " stop" in line.lower() and "elapsed" in line)
    assert stop.endswith("elapsed"), "nothing is left of a run that was stopped"


def test_an_event_without_a_plan_and_without_progress_is_told_too() -> None:
    event = Event(3, START, RUN, EventKind.STEP, "node1", {"step": "gate"})
    assert console.event_line(event, zone=UTC) == "16:00:00  node1  gate"


def test_a_plan_and_its_outline_give_the_same_line() -> None:
    data = incident()
    for event in data.events:
        assert data.plan and console.event_line(event, data.plan) == console.event_line(
            event, console.Outline(data.plan)
        )


def test_hostile_text_moves_no_cursor() -> None:
    event = Event(1, START, RUN, EventKind.NOTE, "n\x1b[2J", {"message": "a\r\nb\x1b]0;title\x07\x08\u202ec"})
    assert console.event_line(event, zone=UTC) == "16:00:00  n  a b\ufffd\ufffdc"


def test_the_estimate_shrinks_with_the_waves_and_ends_with_the_run() -> None:
    plan = fleet_plan()
    outline = console.Outline(plan)
    first = Progress(started=START, wave=1, wave_started=START)
    assert console.remaining(outline, first, START) == pytest.approx(plan.seconds)
    assert console.remaining(outline, first, START + 100) == pytest.approx(plan.seconds - 100)
    last = Progress(started=START, wave=5, wave_started=START + 5000)
    assert 0 < console.remaining(outline, last, START + 5000) < plan.seconds / 4
    assert console.remaining(outline, last, START + 50_000) == 0  # late: no estimate is better than a negative one
    assert "left" not in lines_of("passed")[-1]


def test_the_plan_table_tells_all_of_it() -> None:
    table = console.plan_table(held().plan)  # type: ignore[arg-type]
    for said in (
        "3 hosts in 3 waves, ~35m",
        "1 canary",
        "zone-c",
        f"→ {NEW}",
        "1 blocked",
        "a worker, fewest pods to evict (2)",
        "node3: shop/web (PDB web allows 0 disruptions)",
        "wave 2: smallest zone first",
        "plan.json",
    ):
        assert said in table
    assert "nothing to do" in console.plan_table(nothing().plan)  # type: ignore[arg-type]
    assert "node2: up to date" in console.plan_table(nothing().plan)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_blocks_keep_to_the_width(width: int) -> None:
    blocks = [console.problems_list(refused().problems, width)]
    blocks += [console.plan_table(STORIES[name]().plan, width) for name in ("passed", "held", "nothing")]  # type: ignore[arg-type]
    blocks += [console.verdict_block(story(), {"report": "/srv/report.html"}, width) for story in STORIES.values()]
    for block in blocks:
        assert max(map(len, block.split("\n"))) <= width, block


@given(st.lists(st.tuples(*[st.text("abc -→/\n", max_size=60)] * 4), min_size=1, max_size=4), st.integers(30, 120))
def test_a_table_loses_nothing_and_keeps_its_width(rows: list[tuple[str, ...]], width: int) -> None:
    lines = console.table(("wave", "host", "kernel", "reason"), rows, width)
    assert all(len(line) <= width for line in lines)
    for letter in "abc→/":
        drawn = "".join(console.table(("",) * 4, rows, width, titles=False)).count(letter)
        assert drawn == sum(cell.count(letter) for row in rows for cell in row)


def test_problems_are_numbered_whole_and_with_their_fix() -> None:
    listed = console.problems_list(refused().problems)
    assert listed.startswith("6 problems to solve") and "  1. friday_sock:" in listed and "fix: did you mean" in listed
    long = dataclasses.replace(refused().problems[0], message="word " * 200 + "end")
    assert " ".join(console.problems_list([long]).split()).count("word") == 200


def test_the_verdict_names_cause_evidence_consequences_states_and_steps() -> None:
    block = console.verdict_block(incident(), {"report": "/srv/friday/report.html"})
    position = 0
    for said in (
        "FAILED  The canary node3",
        "Probable cause",
        "BPF",
        REFUSAL[3].strip(),
        "Consequences, layer by layer",
        "network agent  fails",
        "DNS            unknown",
        "failed, still cordoned  1  node3",
        "What to do next",
        "  1. Update Cilium",
        "/srv/friday/report.html",
    ):
        assert said in block[position:], said
        position += block[position:].index(said)
    assert "Probable cause" not in console.verdict_block(passed())
    assert "PodDisruptionBudget shop/web" in console.verdict_block(held())


def test_what_was_accepted_is_told_in_the_plan_and_at_the_end() -> None:
    block = console.verdict_block(accepted())
    assert "Found and accepted (friday_accept)\n  - kernel-raid: array md0 of node1 is degraded" in block
    assert console.acceptance((), accepted().baseline) == []
    (told,) = console.acceptance(("kernel-raid", "dns"), accepted().baseline)
    assert told == "Accepted (friday_accept): kernel-raid, dns\n  - kernel-raid: array md0 of node1 is degraded"
    (told,) = console.acceptance(("dns",), passed().baseline)
    assert "nothing was found" in told


def test_evidence_that_is_left_out_is_counted() -> None:
    data = incident()
    verdict = data.verdicts["node3"]
    assert verdict.cause
    cause = dataclasses.replace(verdict.cause, evidence=tuple(f"line {n}" for n in range(40)))
    data = dataclasses.replace(data, verdicts={"node3": dataclasses.replace(verdict, cause=cause)})
    block = console.verdict_block(data)
    assert "28 earlier lines in the report" in block and "line 39" in block and "line 27\n" not in block


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=3000))
def test_chunks_are_the_text_in_pieces(content: str) -> None:
    pieces = console.chunks(content, 200)
    assert "\n".join(pieces) == content
    assert all(len(piece.encode()) <= 200 or "\n" not in piece for piece in pieces)


def test_chunks_of_a_verdict_fit_awx() -> None:
    assert all(len(piece.encode()) <= 1024 for piece in console.chunks(console.verdict_block(incident())))


@given(st.text(max_size=300))
def test_clean_text_is_harmless_and_can_be_written(content: str) -> None:
    cleaned = text.clean(content)
    assert not set(cleaned) & {chr(n) for n in (*range(10), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F))}
    cleaned.encode("utf-8")
    assert text.clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("seconds", "exact", "about"),
    [
        (0, "0s", "~10s"),
        (42, "42s", "~40s"),
        (192, "3m12s", "~3m"),
        (3599.6, "1h00m", "~1h00m"),
        (6000, "1h40m", "~1h40m"),
    ],
)
def test_durations(seconds: float, exact: str, about: str) -> None:
    assert (text.duration(seconds), text.estimate(seconds)) == (exact, about)


def test_a_subject_is_not_said_twice() -> None:
    assert text.headed("program x", "Program x was refused") == "Program x was refused"
    assert text.headed("device eth1", "program x is gone") == "device eth1: program x is gone"


def test_packages_that_matter_are_told_by_name_in_the_plan() -> None:
    plan = held().plan
    assert plan is not None
    first, *others = plan.waves
    kubelet = PackageChange("kubelet", "1.34.1-1.1", "1.34.2-1.1", kind=PackageKind.OTHER, role="kubelet")
    gone = PackageChange("cri-tools", "1.33", "", kind=PackageKind.OTHER)
    older = PackageChange("tool", "2", "1", kind=PackageKind.OTHER, downgrade=True)
    plain = PackageChange("curl", "1", "2", kind=PackageKind.OTHER)
    host = dataclasses.replace(
        first.hosts[0], packages=(kubelet, gone, older, plain), kept_back=("mdadm (deferred by phasing)",)
    )
    first = dataclasses.replace(first, hosts=(host,))
    table = console.plan_table(dataclasses.replace(plan, waves=(first, *others)))
    for line in (
        f"kubelet 1.34.1-1.1 -> 1.34.2-1.1 (kubelet): {host.host}",
        f"cri-tools 1.33 is removed: {host.host}",
        f"tool 2 -> 1 (downgrade): {host.host}",
        f"mdadm (deferred by phasing): {host.host}",
    ):
        assert f"  - {line}" in table.splitlines()
    assert "curl" not in table
