# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rehearse what the run has to: see the documentation of the module friday.upgrade.rehearse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.act import loader
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rehearsal import trial_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import digest, from_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import BpfObject, Image, Trial
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import GROUPS_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import LOADER_SOURCE, Groups, Store
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import plural

_ESTIMATE = 10  # seconds for a guest, under emulation

Question = tuple[Image, str, Mapping[str, str], BpfObject]
"""What one object is asked: on which image, of which machine, under which sysctls."""


class ActionModule(FridayAction):
    """Have every question answered that was not before, on the host that this task runs on."""

    _requires_connection = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "cache": {"type": "path", "default": ""},
        "loader": {"type": "path", "default": ""},
        "go": {"type": "path", "default": ""},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``answers`` (kernel's name and group -> key of the answer in the cache), and how they were had."""
        session, store = self.session(task_vars), Store(arguments["cache"])
        found = session.files.load(Groups, GROUPS_FILE) or Groups()
        made, missing = self._built(found, store, arguments)
        if missing and not made:
            return {"failed": True, "msg": "; ".join(missing.values())}
        sha256 = {machine: loader.digest(path) for machine, path in made.items()}
        questions: dict[str, Question] = {}
        answers: dict[str, dict[str, str]] = {}
        new: dict[str, Question] = {}
        for number, group in enumerate(found.groups):
            whole = digest(sorted(each.sha256 for each in group.state.objects))
            for name, source in (("running", group.running), ("candidate", group.candidate)):
                image = store.image(source) if source.machine in made else None
                asked: dict[str, Question] = {}
                parts = set()
                for each in group.state.objects if image else ():
                    part = store.is_part(each)
                    key = trial_key(image, each, group.state.sysctls, sha256[source.machine], whole if part else "")
                    answers.setdefault(str(number), {})[f"{name} {each.name}"] = key
                    asked[key] = (image, source.machine, group.state.sysctls, each)
                    parts |= {key} if part else set()
                questions |= asked
                unknown = {key for key in asked if store.trial(key) is None}
                # A part of another object's program can be tried in its company only.
                new |= asked if unknown & parts else {key: asked[key] for key in unknown}
        told = {"answers": answers, "tried": len(new), "cached": len(questions) - len(new), "missing": missing}
        if not new:
            return {"changed": False, **told, "seconds": 0.0, "accelerator": ""}
        session.pause.refuse_if_halted("the rehearsal")
        return {"changed": False, **told, **self._ask(session, store, made, new, task_vars)}

    def _built(
        self, found: Groups, store: Store, arguments: Mapping[str, Any]
    ) -> tuple[dict[str, Path], dict[str, str]]:
        """By architecture, the loader, or why there is none: which is no reason for nodes of another one."""
        made: dict[str, Path] = {}
        missing: dict[str, str] = {}
        for machine in sorted({group.running.machine for group in found.groups}):
            try:
                made[machine] = loader.have(LOADER_SOURCE, machine, store.folder, arguments["loader"], arguments["go"])
            except loader.LoaderError as error:
                missing[machine] = str(error)
        return made, missing

    def _ask(
        self,
        session: Session,
        store: Store,
        made: Mapping[str, Path],
        questions: Mapping[str, Question],
        task_vars: Mapping[str, Any],
    ) -> dict[str, Any]:
        place = _Place(self, store.folder)
        loaders = {machine: place.of(made[machine], program=True) for _, machine, _, _ in questions.values()}
        trials = _trials(questions, store, session, place, loaders)
        objects = {each.sha256 for _, _, _, each in questions.values()}
        count = f"{plural(len(trials), 'kernel')} with {plural(len(objects), 'object')}"
        self.show([f"rehearsing {count}, about {_ESTIMATE * len(trials)} s"])
        result: dict[str, Any] = self._execute_module(
            "friday.upgrade.rehearsal",
            {
                "cache": place.cache,
                "trials": trials,
                "parallel": session.policy.rehearsal_parallel,
            },
            task_vars=task_vars,
        )
        if result.get("failed"):
            return result
        for trial in trials:
            for each in trial["objects"]:
                store.keep_trial(each["name"], _of_object(result["answers"][trial["key"]], each["name"]))
        return {"seconds": result["seconds"], "accelerator": result["accelerator"]}


def _trials(
    questions: Mapping[str, Question], store: Store, session: Session, place: _Place, loaders: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A guest for each kernel and set of sysctls; in it every object, which is called by the key of its question."""
    trials: dict[str, dict[str, Any]] = {}
    for key, (image, machine, sysctls, each) in questions.items():
        guest = digest([machine, image.sha256, sysctls])
        empty = {
            "key": guest,
            "kernel": place.of(store.kernel(image)),
            "config": place.of(config) if (config := store.config(image)) else "",
            "machine": machine,
            "loader": loaders[machine],
            "sysctls": sysctls,
            "seconds": session.policy.rehearsal_timeout,
            "program_seconds": session.policy.rehearsal_timeout / 2,
            "objects": [],
        }
        file = place.of(store.object(each.sha256))
        trials.setdefault(guest, empty)["objects"].append({"name": key, "file": file, "contents": each.contents})
    return list(trials.values())


def _of_object(answer: Mapping[str, Any], key: str) -> Trial:
    """The part of a guest's answer that is about one object."""
    own = answer["objects"].get(key, {})
    error = own.get("error") or answer.get("error") or ""
    kernel = {name: answer.get(name, "") for name in ("release", "version", "console")}
    return from_data(
        Trial,
        {
            **kernel,
            "btf": answer.get("btf", False),
            "expired": own["late"] if own else answer.get("expired", False),
            "complete": own.get("complete", False),
            "programs": own.get("programs", []),
            "splats": own.get("splats", []),
            "error": error,
        },
    )


class _Place:
    """Where the files are for the host that runs the guests: here, or in a folder there, which Ansible throws away."""

    def __init__(self, action: ActionModule, cache: Path) -> None:
        self._action = action
        self._here = action._connection.transport == "local"
        self._there: dict[Path, str] = {}
        self._folder = ""
        self.cache = str(cache) if self._here else "/var/tmp/friday"

    def of(self, path: Path, program: bool = False) -> str:
        """The path of a file there; it is brought if it has to be."""
        if self._here:
            return str(path)
        if not self._folder:
            self._folder = self._action._make_tmp_path()
        if path not in self._there:
            there = self._action._connection._shell.join_path(self._folder, f"{len(self._there)}-{path.name}")
            self._action._transfer_file(str(path), there)
            self._action._fixup_perms2([self._folder, there], execute=program)
            self._there[path] = there
        return self._there[path]
