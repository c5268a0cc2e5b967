# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The import rule of our own breaks when it should."""

from __future__ import annotations

from grimp import ImportGraph

from tools.contracts import StandardLibraryOnly


def graph(*imports: tuple[str, str]) -> ImportGraph:
    made = ImportGraph()
    for importer, imported in imports:
        made.add_import(importer=importer, imported=imported, line_number=1, line_contents=f"import {imported}")
    return made


def contract(package: str, besides: list[str] | None = None) -> StandardLibraryOnly:
    options = {"package": package, **({"besides": besides} if besides else {})}
    return StandardLibraryOnly("rule", session_options={}, contract_options=options)


def test_the_standard_library_and_itself_are_allowed() -> None:
    made = graph(("a.model.x", "json"), ("a.model.x", "a.model.y"), ("a.act", "yaml"))
    assert contract("a.model").check(made, verbose=False).kept


def test_other_libraries_and_siblings_are_not() -> None:
    made = graph(("a.model.x", "yaml"), ("a.model.y", "a.modelling"))
    check = contract("a.model").check(made, verbose=False)
    assert not check.kept
    assert {detail["imported"] for detail in check.metadata["imports"]} == {"yaml", "a.modelling"}


def test_named_packages_are_allowed_besides() -> None:
    made = graph(("a.decide.x", "a.model.y"))
    assert not contract("a.decide").check(made, verbose=False).kept
    assert contract("a.decide", ["a.model"]).check(made, verbose=False).kept


def test_a_rule_about_nothing_is_broken() -> None:
    assert not contract("a.nothing").check(graph(("a.model", "json")), verbose=False).kept
