# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check that everything public is documented where a user looks for it.

- every plugin (plugins/modules, plugins/action through its module of the same name, callback, filter, lookup)
  is known to ``ansible-doc`` from the bare checkout, with a short description, a description and one of each option;
- every ``friday_*`` variable in roles, playbooks and inventories is declared in a role's argument specs, and described
  (names of a playbook's own begin with an underscore: ``_friday_…``);
- docs/reference/variables.md is what tools/make_reference.py makes of those specs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tools import make_reference

ROOT = make_reference.ROOT
COLLECTION = "friday.upgrade"
DOCUMENTED_AS = {
    **{"modules": "module", "action": "module"},
    **{"callback": "callback", "filter": "filter", "lookup": "lookup"},
}
"""Folder in plugins/ -> the type under which ansible-doc has it."""

GROUPS = re.compile(r"^\s*(?:- )?(?:hosts|groups?):[^{\n]*$", re.MULTILINE)
"""Lines that name groups of hosts, which are no variables."""
VARIABLE = re.compile(r"(?<![\w./-])friday_[a-z0-9_]+(?![\w(./-])")


def plugin_errors(plugins: Iterable[tuple[str, str]], documents: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What is undocumented of ``plugins`` (folder, name), given ansible-doc's dump (type -> full name -> document)."""
    for folder, name in plugins:
        kind, full = DOCUMENTED_AS[folder], f"{COLLECTION}.{name}"
        found = documents.get(kind, {}).get(full)
        doc = (found or {}).get("doc")
        if not doc:
            reason = (found or {}).get("error", "not found")
            yield f"plugins/{folder}/{name}.py: ansible-doc -t {kind} {full} shows nothing: {reason}"
            continue
        if not doc.get("short_description"):
            yield f"{full}: no short_description"
        if not _is_text(doc.get("description")):
            yield f"{full}: the description is not text"
        if kind == "module" and not (found or {}).get("examples"):
            yield f"{full}: no EXAMPLES"
        for option, spec in (doc.get("options") or {}).items():
            if not _is_text(spec.get("description")):
                yield f"{full}: option {option} has no description, or one that is not text"


def _is_text(description: object) -> bool:
    """A sentence with ``: `` in it that nobody quoted is a mapping; the dump has it, ``ansible-doc`` fails on it."""
    parts = description if isinstance(description, list) else [description]
    return bool(parts) and all(isinstance(part, str) and part for part in parts)


def variable_errors(used: Mapping[str, str], declared: Mapping[str, make_reference.Variable]) -> Iterator[str]:
    """``used``: variable -> the first file that has it."""
    for name, place in sorted(used.items()):
        if name not in declared:
            yield f"{place}: {name} is in no role's argument specs"
    for name, variable in sorted(declared.items()):
        if not variable.spec.get("description"):
            yield f"{name}: no description in the argument specs of {variable.roles[0]}"


def variables_in(text: str) -> set[str]:
    """Names of Friday's public variables in a YAML or Jinja text."""
    return set(VARIABLE.findall(GROUPS.sub("", text)))


def _used() -> dict[str, str]:
    used: dict[str, str] = {}
    for folder in ("roles", "playbooks", "inventories"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".yml", ".yaml", ".j2"} and path.name != "argument_specs.yml":
                for name in variables_in(path.read_text(encoding="utf-8")):
                    used.setdefault(name, str(path.relative_to(ROOT)))
    return used


def _plugins() -> list[tuple[str, str]]:
    paths = (path for folder in DOCUMENTED_AS for path in sorted((ROOT / "plugins" / folder).glob("*.py")))
    return [(path.parent.name, path.stem) for path in paths if path.stem != "__init__"]


def _documents() -> dict[str, dict[str, Any]]:
    command = ["ansible-doc", "--metadata-dump", "--no-fail-on-errors", COLLECTION]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    documents: dict[str, dict[str, Any]] = json.loads(done.stdout)["all"]
    return documents


def main() -> int:
    """Print each gap on a line; 0 when there is none."""
    errors = []
    plugins = _plugins()
    if not plugins:
        errors.append("no plugins found")
    errors += plugin_errors(plugins, _documents())
    try:
        declared = make_reference.read()
        errors += variable_errors(_used(), declared)
        page = make_reference.TARGET
        if not page.exists() or page.read_text(encoding="utf-8") != make_reference.render(declared):
            errors.append(f"{page.relative_to(ROOT)} does not match the argument specs: run `make reference`")
    except make_reference.Conflict as error:
        errors.append(str(error))
    for line in errors:
        print(line)
    return int(bool(errors))


if __name__ == "__main__":
    sys.exit(main())
