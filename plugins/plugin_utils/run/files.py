# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of a run on the controller: the name of each file, and how they are written and read.

A file is written whole or not at all: what a killed process leaves behind is the old one or the new one.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Target

T = TypeVar("T")

SESSION_FILE = "session.json"
PLAN_FILE = "plan.json"
OUTLINE_FILE = "outline.json"  # the plan without its details: it is read at every event
CHECKPOINT_FILE = "checkpoint.json"
BASELINE_FILE = "baseline.json"
BASELINE_VERDICT_FILE = "baseline-verdict.json"
PROBLEMS_FILE = "problems.json"
TARGETS_FILE = "targets.json"
GROUPS_FILE = "rehearsal-groups.json"
REHEARSAL_FILE = "rehearsal.json"
LAPSE_FILE = "lapsed"  # somebody has reported that the lock has lapsed

HOSTS = "hosts"
"""The folder with one folder for each host. The files below are in that of their host."""
VERDICT_FILE = "verdict.json"
LAST_VERDICT_FILE = "last-verdict.json"  # of the look at it when all hosts were done
# What was seen of a host is in run/looks.py.


@dataclass(frozen=True)
class Problems:
    """What stands in the way of a run, as it is stored in its folder."""

    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Targets:
    """The hosts of a run, resolved, as they are stored in its folder. ``silent`` are those that did not answer it."""

    targets: tuple[Target, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunFiles:
    """The files of one run. ``names`` are the parts of a path in its folder."""

    folder: Path
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # read by this process

    def path(self, *names: str) -> Path:
        """A path in the run's folder; its parents are created."""
        path = self.folder.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save(self, value: Any, *names: str, indent: int | None = None) -> Path:
        """Write a model value as JSON."""
        return self.write(to_data(value), *names, indent=indent)

    def write(self, data: Any, *names: str, indent: int | None = None) -> Path:
        """Write JSON values; on disk when this returns. Raises OSError.

        Args:
            indent: for files that people read. Without it json's compiled encoder does the work, six times as fast.
        """
        path = self.path(*names)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")  # drains work in threads
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(data, indent=indent) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return path

    def load(self, kind: type[T], *names: str) -> T | None:
        """Read what :meth:`save` wrote; None when it was never written."""
        path = self.folder.joinpath(*names)
        return from_data(kind, json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def plan(self) -> Plan:
        """The plan of this run (empty before it was made)."""
        return self.load(Plan, PLAN_FILE) or Plan(waves=())

    def outline(self) -> Plan:
        """The plan without reasons, packages and evictions: what goes where, and into which kernel."""
        if OUTLINE_FILE not in self._known:
            stored = self.load(Plan, OUTLINE_FILE)
            if stored is None:  # not made yet: the callback's process lives on, and asks again
                return self.plan()
            self._known[OUTLINE_FILE] = stored
        outline: Plan = self._known[OUTLINE_FILE]
        return outline

    def planned(self, host: str) -> PlannedHost:
        """What is planned for ``host``, as the outline has it.

        Raises:
            LookupError: the host is not planned in this run.
        """
        for planned in self.outline().hosts():
            if planned.host == host:
                return planned
        raise LookupError(f"{host} is not planned in run {self.folder.name}")

    def targets(self) -> tuple[Target, ...]:
        """All hosts that take part, with node and zone resolved."""
        return self.all_targets().targets

    def all_targets(self) -> Targets:
        """The same, and which of them did not answer the survey."""
        return self.load(Targets, TARGETS_FILE) or Targets()
