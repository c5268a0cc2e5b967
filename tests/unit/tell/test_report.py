# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.policy import parse_policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import report, view
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.data import ReportData
from tests.unit.tell.stories import (
    CHECK_LAYERS,
    NEW,
    REFUSAL,
    START,
    STORIES,
    accepted,
    incident,
    passed,
    plan_only,
    refused,
)

HOSTILE = "<script>alert(1)</script>\"'&`|*_[x](javascript:y)\x1b[31m\u202e\udcff</style><img src=//evil.example>"
GUARD = Path(__file__).parents[3] / "roles" / "guard" / "meta" / "argument_specs.yml"
VOID = {"meta", "link", "br", "img", "input", "hr", "col", "path", "circle", "rect", "use"}


class Page(HTMLParser):
    """Elements, attributes and visible text; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def poisoned(value: Any) -> Any:
    """``value`` with every free text in it made hostile; names of states, kinds and steps stay what they are."""
    keep = {"state", "outcome", "severity", "kind", "layer", "step", "server"}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **{k: v if k in keep else poisoned(v) for k, v in changes.items()})
    if type(value) is str:
        return value + HOSTILE
    if isinstance(value, tuple):
        return tuple(poisoned(item) for item in value)
    if isinstance(value, dict):
        return {key: item if key in keep else poisoned(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("name", STORIES)
def test_every_story_is_one_whole_page_that_asks_for_nothing(name: str) -> None:
    html = report.html(STORIES[name]())
    page = Page(html)
    assert not any(tag in ("script", "img", "iframe", "object", "base", "form") for tag, _ in page.tags)
    addresses = [
        (tag, a) for tag, attrs in page.tags for k, a in attrs.items() if k in ("src", "href") or k[:2] == "on"
    ]
    assert all(a in ("data:,",) or (a or "").startswith("#i-") for _, a in addresses), addresses
    assert "@import" not in html and "url(" not in html
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none'")
    assert [tag for tag, _ in page.tags].count("main") == 1 and [tag for tag, _ in page.tags].count("h1") == 1
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {a[1:] for tag, a in addresses if tag == "use" and a} <= ids


@pytest.mark.parametrize("name", STORIES)
def test_the_same_data_gives_the_same_reports(name: str, tmp_path: Path) -> None:
    one, two = (report.write_reports(tmp_path / n, STORIES[name]()) for n in "ab")
    for field in dataclasses.fields(one):
        assert getattr(one, field.name).read_bytes() == getattr(two, field.name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["report.html", "report.json", "report.md"]


@pytest.mark.parametrize("name", STORIES)
def test_no_text_from_outside_becomes_markup(name: str) -> None:
    clean, data = STORIES[name](), poisoned(STORIES[name]())
    html = report.html(data)
    shape = [tag for tag, _ in Page(html).tags]
    assert set(shape) <= {tag for tag, _ in Page(report.html(clean)).tags} | {"code"}
    assert "<script" not in html and "<img" not in html and "\x1b" not in html and "\u202e" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html  # it is shown, as what it is
    markdown = re.sub(r"^(`{3,})text\n.*?\n\1$", "", report.markdown(data), flags=re.S | re.M)
    assert "<script" not in markdown and "\x1b" not in markdown and "](javascript" not in markdown.replace("\\]", "")
    html.encode("utf-8"), markdown.encode("utf-8")


def test_a_code_block_in_markdown_cannot_be_closed_from_inside() -> None:
    data = incident()
    verdict = data.verdicts["node3"]
    assert verdict.cause
    cause = dataclasses.replace(verdict.cause, evidence=("before", "````", "# not a heading", "```"))
    text = report.markdown(dataclasses.replace(data, verdicts={"node3": dataclasses.replace(verdict, cause=cause)}))
    assert "`````text\nbefore\n````\n# not a heading\n```\n`````" in text


def test_the_incident_is_told_with_cause_evidence_and_consequences_in_order() -> None:
    page = Page(report.html(incident())).text
    said = [
        "Failed",
        "The canary node3 lost its network",
        "Probable cause: BPF",
        "program cil_from_container",
        NEW,
        REFUSAL[3],
        "network agent",
        "endpoints",
        "not reached",
        "DNS",
        "unknown",
        "workloads",
        "apt-mark hold",
        "failed, still cordoned",
        "Wave 1: canary",
        "Packages changed",
    ]
    position = 0
    for text in said:
        assert text in page[position:], text
        position += page[position:].index(text)


def test_the_ladder_tells_pass_fail_unknown_and_not_reached_apart() -> None:
    verdict = incident().verdicts["node3"]
    found = {rung.layer.label: rung.status.value for rung in view.ladder(verdict, CHECK_LAYERS)}
    assert found == {
        "host": "pass",
        "kernel": "pass",
        "BPF": "fail",
        "network agent": "fail",
        "endpoints": "fail",
        "CNI": "not reached",
        "node network": "fail",
        "DNS": "unknown",
        "webhooks": "not reached",
        "storage": "not checked",
        "workloads": "fail",
        "virtual addresses": "not checked",
        "probes": "not checked",
    }
    unsaid = {rung.status.value for rung in view.ladder(dataclasses.replace(verdict, checks=()), {})}
    assert "pass" not in unsaid  # what nobody checked is never shown as good


def test_what_was_accepted_is_told_in_both_reports_and_on_the_ladder() -> None:
    page, markdown = Page(report.html(accepted())).text, report.markdown(accepted())
    for said in ("Accepted (friday_accept): kernel-raid, dns", "kernel-raid: array md0", "dns on node2: dns on node2"):
        assert said in page and said in markdown.replace("\\", ""), said
    assert markdown.count("dns on node2: dns on node2") == 1
    assert accepted().verdict
    found = {rung.layer.label: rung.status.value for rung in view.ladder(accepted().verdict, CHECK_LAYERS)}
    assert (found["kernel"], found["BPF"]) == ("accepted", "pass")
    nothing = dataclasses.replace(passed(), policy=accepted().policy)
    assert "Nothing was found that these checks would have stopped for" in report.markdown(nothing)
    assert "Accepted by" not in report.markdown(passed())


def test_json_reads_back_as_what_it_was_made_from() -> None:
    data = incident()
    loaded = json.loads(report.json_text(data))
    assert from_data(ReportData, loaded) == data
    assert loaded["format"] == 1 and loaded["summary"]["cause"]["layer"] == "BPF"
    assert loaded["summary"]["hosts"] == {"node1": "planned", "node2": "planned", "node3": "failed"}


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        ("passed", "pass"),
        ("incident", "fail"),
        ("held", "inconclusive"),
        ("nothing", "nothing-to-do"),
        ("refused", "refused"),
        ("plan_only", "plan"),
    ],
)
def test_kinds(story: str, kind: str) -> None:
    data = STORIES[story]()
    assert view.kind(data).value == kind
    assert f">{view.Kind(kind).word}<" in report.html(data)


def test_an_unfinished_run_and_an_unknown_outcome_are_no_pass() -> None:
    data = passed()
    cut = dataclasses.replace(data, record=dataclasses.replace(data.record, outcome="", message="", finished=0.0))
    assert view.kind(cut) is view.Kind.UNFINISHED and "12 of 12 hosts done when this was written" in report.html(cut)
    odd = dataclasses.replace(data, record=dataclasses.replace(data.record, outcome="splendid"))
    assert view.kind(odd) is view.Kind.INCONCLUSIVE


def test_a_problem_in_the_middle_of_a_run_is_not_called_not_started() -> None:
    data = dataclasses.replace(incident(), problems=(Problem("wave 2", "the API server does not answer"),))
    assert view.kind(data) is view.Kind.FAIL and "the API server does not answer" in report.html(data)


def test_timelines_follow_the_events() -> None:
    row = view.waves(incident())[0].hosts[0]
    assert [s.step for s in row.segments] == ["before", "cordon", "drain", "upgrade", "recheck", "reboot", "verify"]
    assert [s.failed for s in row.segments] == [False] * 6 + [True]
    assert row.segments[0].start == START + 38 and row.seconds == 2 + 1 + 44 + 96 + 2 + 129 + 64
    assert row.kernel_now == NEW and row.record.state is HostState.FAILED
    assert [wave.status for wave in view.waves(incident())] == ["stopped", "not started", "not started"]
    assert view.waves(incident())[1].hosts[0].segments == ()


def test_a_step_that_never_ended_lasts_until_the_last_thing_heard() -> None:
    data = incident()
    cut = dataclasses.replace(data, events=data.events[:12])  # killed in the middle of the reboot
    record = dataclasses.replace(data.record, finished=0.0, outcome="")
    assert view.waves(dataclasses.replace(cut, record=record))[0].hosts[0].segments[-1].step == "reboot"


def test_packages_count_only_where_they_were_upgraded() -> None:
    assert {row.hosts for row in view.packages(incident())} == {("node3",)}
    assert len(view.packages(passed())[0].hosts) == 12 and view.packages(STORIES["held"]()) == ()
    assert len(view.packages(plan_only())[0].hosts) == 12
    assert "Packages that would change" in report.html(plan_only())


def test_times_are_shown_where_the_data_says() -> None:
    html = report.html(dataclasses.replace(incident(), utc_offset=3600))
    assert "2026-11-27 17:00:00" in html and "UTC+01:00" in html and "16:00:38" not in html


def test_all_problems_are_listed_with_their_fixes() -> None:
    data = refused()
    page, markdown = Page(report.html(data)).text, report.markdown(data)
    for problem in data.problems:
        assert problem.subject in page and problem.message in page and problem.fix.replace("`", "") in page
    assert markdown.count("*Fix:*") == len(data.problems)
    assert "Nothing was touched" in page and "forbidden: ciliumendpoints" in page


def test_what_is_left_out_of_a_very_long_run_is_said() -> None:
    data = passed()
    many = tuple(dataclasses.replace(data.events[-1], seq=n) for n in range(1, 5001))
    html = report.html(dataclasses.replace(data, events=many))
    assert "The first 3000 are left out here" in html and html.count('<td class="num soft">') == 2000


def test_a_torn_journal_is_said() -> None:
    note = "the last line is torn (12 bytes, after event 5)"
    data = dataclasses.replace(passed(), journal_note=note)
    assert note in report.html(data) and "last line is torn" in report.markdown(data)


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = report.write_reports(tmp_path, passed())
    before = paths.html.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        report.write_reports(tmp_path, incident())
    assert paths.html.read_bytes() == before and len(list(tmp_path.iterdir())) == 3
    assert paths.html.stat().st_mode & 0o777 == 0o644


def test_a_step_that_was_begun_counts() -> None:
    text = view.state_text
    assert "not changed" in text(HostRecord(HostState.DRAINED, 0.0, step="drain"))
    assert "upgrade begun" in text(HostRecord(HostState.DRAINED, 0.0, step="upgrade"))
    assert "reboot begun" in text(HostRecord(HostState.UPGRADED, 0.0, step="reboot"))
    assert text(HostRecord(HostState.REBOOTED, 0.0, step="reboot")) == "cordoned, rebooted, not verified"


def test_the_policy_has_the_names_and_units_of_the_variables() -> None:
    """Each row can be copied into an inventory: 2048 MiB, and not 2147483648 of something."""
    declared = set(yaml.safe_load(GUARD.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
    rows = dict(
        re.findall(
            r'<th scope="row" class="mono">(friday_\w+)</th><td class="mono">([^<]*)</td>', report.html(passed())
        )
    )
    assert len(rows) == len(dataclasses.fields(Policy)) and rows.keys() <= declared
    assert (rows["friday_min_free_root_mib"], rows["friday_min_free_boot_mib"]) == ("2048", "256")
    assert parse_policy({name: None if value in ("none", "not set") else value for name, value in rows.items()}) == (
        Policy(),
        (),
    )
