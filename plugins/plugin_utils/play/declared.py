# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The public variables that Friday's roles declare (``meta/argument_specs.yml``), against those that somebody set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError

from ansible_collections.friday.upgrade.plugins.plugin_utils.collection import ROOT
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.policy import unknown_names
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

_ROLES = ROOT / "roles"
_KEYS = ("type", "default", "choices", "elements", "no_log", "required")


def of_the_run() -> dict[str, dict[str, Any]]:
    """The variables of the run as a whole, which are the guard's: name -> what an argument spec says of it."""
    options = _read(_ROLES / "guard" / "meta" / "argument_specs.yml")["main"]["options"]
    return {name: {key: option[key] for key in _KEYS if key in option} for name, option in options.items()}


def unknown(task_vars: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Variables of this run, or of any host, that look like Friday's and are not."""
    hostvars = task_vars["hostvars"]
    names = set(task_vars)
    for host in task_vars["groups"]["all"]:
        names.update(hostvars.raw_get(host))
    return unknown_names((str(name) for name in names), set(_names()))


def name_of(host: str, hostvars: Mapping[str, Any], variable: str) -> tuple[str, list[Problem]]:
    """A name that a variable gives the host (empty when it is not set), or what is wrong with it."""
    fix = "see `ansible-doc -t role friday.upgrade.survey`"
    try:
        value = hostvars.get(variable)
    except AnsibleError as error:
        return "", [Problem(host, f"{variable} cannot be evaluated: {error}", fix)]
    if value is None:
        return "", []
    text = str(value)
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return "", [Problem(host, f"{variable} is not a name: {text}", fix)]
    if "{{" in text:  # what ansible-core before 2.19 makes of a template that cannot be evaluated
        return "", [Problem(host, f"{variable} cannot be evaluated: {text}", fix)]
    return text, []


def _names() -> Iterator[str]:
    for path in sorted(_ROLES.glob("*/meta/argument_specs.yml")):
        for entry in _read(path).values():
            yield from entry.get("options", {})


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"])
