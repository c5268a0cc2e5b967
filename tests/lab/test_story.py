# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab tier: ``make friday``'s story on the VMs, and what has to be true after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import story
from lab.cluster.lifecycle import Lab

CHAPTERS = ("the lab", "the rehearsal", "other kernels", "the stop at the canary", "the fix", "the fleet", "the users")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The lab afresh from its snapshot; down at the end, so that a later tier finds it so, too."""
    lab = Lab()
    lab.down()
    lab.up()
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def chapters(lab: Lab, pytestconfig: pytest.Config) -> list[story.Chapter]:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # it takes half an hour: who waits for it shall see how far it is
        return story.play(lab)


@pytest.mark.parametrize("number", range(len(CHAPTERS)), ids=CHAPTERS)
def test_the_story_happens(
    chapters: list[story.Chapter], number: int, record_property: Callable[[str, object], None]
) -> None:
    chapter = chapters[number]
    record_property("seconds", round(chapter.seconds, 1))
    assert chapter.claims
    assert [claim.line() for claim in chapter.claims if not claim.holds] == []


def test_there_are_as_many_chapters_as_are_told(chapters: list[story.Chapter]) -> None:
    assert len(chapters) == len(CHAPTERS)


def test_the_reports_need_no_network(chapters: list[story.Chapter]) -> None:
    reports = [Path(chapter.report) for chapter in chapters if chapter.report]
    assert len(reports) == 4
    for report in reports:
        assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", report.read_text()) == []
        assert report.with_suffix(".md").exists() and report.with_suffix(".json").exists()


def test_the_lock_is_free_and_the_records_are_in_the_cluster(lab: Lab, chapters: list[story.Chapter]) -> None:
    lease = lab.kubectl.get("lease", "friday", "--namespace=friday")
    assert not lease["spec"].get("holderIdentity")
    records = lab.kubectl.get("configmaps", "--namespace=friday", "--selector=app.kubernetes.io/managed-by=friday")
    assert len(records) == 3
