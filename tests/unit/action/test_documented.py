# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-doc shows every option of every action, with those that come from plugins/doc_fragments."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py") if path.stem != "__init__")
FRAGMENTS = sorted(path.stem for path in (ROOT / "plugins" / "doc_fragments").glob("*.py"))


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    """Each module's documentation as ansible-doc finds it in the bare checkout."""
    command = ["ansible-doc", "--metadata-dump", "--no-fail-on-errors", "friday.upgrade"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        name.rpartition(".")[2]: each.get("doc") or each
        for name, each in json.loads(done.stdout)["all"]["module"].items()
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_options_are_documented_as_they_are_read(action: str, documents: dict[str, Any]) -> None:
    module = importlib.import_module(f"ansible_collections.friday.upgrade.plugins.action.{action}")
    spec = module.ActionModule.ARGUMENTS
    documented = documents[action].get("options") or {}
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        assert documented[name]["type"] == option.get("type", "str"), name
        assert documented[name].get("default") == option.get("default"), name
        assert bool(documented[name].get("required")) == bool(option.get("required")), name


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_every_fragment_is_used(fragment: str) -> None:
    used = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins" / "modules").glob("*.py"))
    assert re.search(rf"^extends_documentation_fragment: .*\bfriday\.upgrade\.{fragment}\b", used, re.MULTILINE)
