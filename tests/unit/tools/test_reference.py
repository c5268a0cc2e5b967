# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of documentation find what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check_collection, check_docs, make_reference

SOAK = {"type": "int", "default": 600, "description": ["Seconds to watch a host", "after its reboot."]}


def write_role(root: Path, role: str, options: str) -> None:
    folder = root / "roles" / role / "meta"
    folder.mkdir(parents=True)
    (folder / "argument_specs.yml").write_text(f"argument_specs:\n  main:\n    options:\n{options}")


def test_a_variable_of_two_roles_is_listed_once(tmp_path: Path) -> None:
    for role in ("verify", "waves"):
        write_role(tmp_path, role, "      friday_soak: {type: int, default: 600, description: Seconds.}\n")
    variables = make_reference.read(tmp_path)
    assert variables["friday_soak"].roles == ["verify", "waves"]
    page = make_reference.render(variables)
    assert page.count("## friday_soak") == 1
    assert "Default: `600`" in page


def test_two_roles_that_differ_are_refused(tmp_path: Path) -> None:
    write_role(tmp_path, "verify", "      friday_soak: {type: int, default: 600}\n")
    write_role(tmp_path, "waves", "      friday_soak: {type: int, default: 60}\n")
    with pytest.raises(make_reference.Conflict, match="friday_soak"):
        make_reference.read(tmp_path)


def test_suboptions_and_choices_are_rendered() -> None:
    spec = {
        "type": "list",
        "elements": "dict",
        "description": "Probes.",
        "options": {"kind": {"choices": ["http", "tcp"], "required": True, "description": "What to ask."}},
    }
    page = make_reference.render({"friday_probes": make_reference.Variable("friday_probes", spec, ["verify"])})
    assert "list of dict" in page
    assert "- `kind` (str, default none, required): What to ask. One of: `http`, `tcp`." in page


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('x: "{{ friday_soak | int }}"', {"friday_soak"}),
        ("friday_canary: node1", {"friday_canary"}),
        ("register: _friday_result", set()),
        ("- name: x\n  hosts: friday_planned\n    groups: [friday_planned]\n", set()),
        ("hosts: \"{{ friday_hosts | default('all') }}\"", {"friday_hosts"}),
        ("include_role: name=friday.upgrade.verify", set()),
        ("import_playbook: playbooks/friday_x.yml", set()),
    ],
)
def test_public_variables_are_found_in_yaml_and_jinja(text: str, names: set[str]) -> None:
    assert check_docs.variables_in(text) == names


def test_undeclared_and_undescribed_variables_are_errors() -> None:
    declared = {
        "friday_soak": make_reference.Variable("friday_soak", SOAK, ["verify"]),
        "friday_canary": make_reference.Variable("friday_canary", {"type": "str"}, ["plan"]),
    }
    found = list(check_docs.variable_errors({"friday_soak": "a.yml", "friday_sock": "b.yml"}, declared))
    assert len(found) == 2
    assert "b.yml: friday_sock" in found[0]
    assert "friday_canary: no description" in found[1]


def test_undocumented_plugins_are_errors() -> None:
    doc = {"short_description": "Plan.", "description": ["Plans."], "options": {"a": {"description": ["A."]}}}
    good = {"doc": doc, "examples": "- x"}
    bad = {"doc": {"short_description": "", "options": {"a": {}}}, "examples": None}
    documents = {"module": {"friday.upgrade.plan": good, "friday.upgrade.drain": bad}}
    plugins = [("modules", "plan"), ("action", "plan"), ("action", "verify"), ("modules", "drain")]
    text = "\n".join(check_docs.plugin_errors(plugins, documents))
    assert "friday.upgrade.plan" not in text
    assert "plugins/action/verify.py" in text
    assert text.count("friday.upgrade.drain") == 4  # no short or other description, no examples, an option without


def test_a_description_that_is_a_mapping_is_an_error() -> None:
    doc = {"short_description": "Look.", "description": ["Looks.", {"One look": "compares."}], "options": {}}
    documents = {"lookup": {"friday.upgrade.look": {"doc": doc}}}
    assert list(check_docs.plugin_errors([("lookup", "look")], documents)) == [
        "friday.upgrade.look: the description is not text"
    ]


def test_the_archive_holds_what_users_need_and_no_more() -> None:
    good = [*check_collection.NEEDED, "plugins/modules/a.py", "MANIFEST.json"]
    assert not list(check_collection.errors(good))
    assert list(check_collection.lacking(good, ["plugins/modules/a.py", "tools/b.py", "roles/a/files/c.go"])) == [
        "roles/a/files/c.go is missing from the archive: something in galaxy.yml's build_ignore excludes it"
    ]
    found = "\n".join(check_collection.errors([*good[1:], "lab/qemu.py", "plugins/a.pyc"]))
    assert "LICENSE is missing" in found
    assert "contains lab" in found
    assert "a.pyc" in found
