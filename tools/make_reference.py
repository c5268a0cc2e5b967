# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write ``docs/reference/variables.md`` from the roles' ``meta/argument_specs.yml``.

Usage: ``python -m tools.make_reference`` (tools/check_docs.py compares).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference" / "variables.md"

HEAD = """\
# Variables

Made by `make reference` from the roles' `meta/argument_specs.yml`; edit those. Set variables in `group_vars/all.yml` of
the inventory or with `--extra-vars`: they are for the whole run, and refused where they are set for some hosts only.
`friday_zone`, `friday_node_name` and `friday_bpf_objects` belong to hosts, and `friday_hosts` is for `--extra-vars`
alone. Wrong values, and names that look like Friday's but are not, are refused before anything is touched.
"""


class Conflict(Exception):
    """Two roles declare the same variable differently."""


@dataclass
class Variable:
    """A declared variable: its specification as in ``argument_specs.yml`` and the roles that read it, by name."""

    name: str
    spec: Mapping[str, Any]
    roles: list[str] = field(default_factory=list)


def read(root: Path = ROOT) -> dict[str, Variable]:
    """All variables of all roles' entry points, by name.

    Raises ``Conflict`` when two declarations of one variable differ: an operator sets it once.
    """
    variables: dict[str, Variable] = {}
    for path in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        role = path.parent.parent.name
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for entry in (document.get("argument_specs") or {}).values():
            for name, spec in (entry.get("options") or {}).items():
                variable = variables.setdefault(name, Variable(name, spec))
                if variable.spec != spec:
                    raise Conflict(f"{name} is declared differently in roles {variable.roles[0]} and {role}")
                if role not in variable.roles:
                    variable.roles.append(role)
    return variables


def render(variables: Mapping[str, Variable]) -> str:
    """The reference page (Markdown), in alphabetical order."""
    lines = [HEAD, "| variable | type | default |", "|---|---|---|"]
    for name, variable in sorted(variables.items()):
        lines.append(f"| [`{name}`](#{name}) | {_type(variable.spec)} | {_default(variable.spec)} |")
    for name, variable in sorted(variables.items()):
        lines += ["", f"## {name}", "", *_describe(variable.spec)]
        lines += ["", f"Read by: {', '.join(f'`{role}`' for role in variable.roles)}."]
    return "\n".join(lines) + "\n"


def _describe(spec: Mapping[str, Any]) -> Iterator[str]:
    yield from _paragraphs(spec)
    yield ""
    yield f"Type: {_type(spec)}. Default: {_default(spec)}." + _choices(spec)
    if spec.get("options"):
        yield ""
        yield from _options(spec["options"], "")


def _options(options: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, spec in options.items():
        about = " ".join(_paragraphs(spec))
        yield f"{indent}- `{name}` ({_type(spec)}, default {_default(spec)}): {about}{_choices(spec)}".rstrip()
        yield from _options(spec.get("options") or {}, indent + "  ")


def _paragraphs(spec: Mapping[str, Any]) -> list[str]:
    text = spec.get("description") or []
    return [" ".join(part.split()) for part in ([text] if isinstance(text, str) else text)]


def _type(spec: Mapping[str, Any]) -> str:
    kind = str(spec.get("type", "str"))
    return f"{kind} of {spec['elements']}" if "elements" in spec else kind


def _default(spec: Mapping[str, Any]) -> str:
    if spec.get("required"):
        return "none, required"
    if spec.get("default") is None:
        return "none"
    return f"`{json.dumps(spec['default'])}`"


def _choices(spec: Mapping[str, Any]) -> str:
    choices = spec.get("choices")
    return f" One of: {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""


def main() -> int:
    """Write the page."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(render(read()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
