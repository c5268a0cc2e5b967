# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Import rules beyond those that import-linter has ready."""

from __future__ import annotations

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryOnly(Contract):
    """Every module of ``package`` imports only the standard library, itself, and the packages ``besides``."""

    package: Any = fields.StringField()
    besides: Any = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Collect each import that leaves the allowed ground, with its line. No modules at all break the rule too."""
        package: str = self.package  # the fields hold plain values by now
        besides: list[str] = self.besides or []
        allowed = (package, *besides)
        modules = {name for name in graph.modules if _within(name, package)}
        found = [
            detail
            for importer in sorted(modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not any(_within(imported, name) for name in allowed)
            and imported.partition(".")[0] not in sys.stdlib_module_names
            for detail in graph.get_import_details(importer=importer, imported=imported)
        ]
        return ContractCheck(kept=bool(modules) and not found, metadata={"modules": len(modules), "imports": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the offending imports, one a line."""
        metadata: dict[str, Any] = check.metadata
        if not metadata["modules"]:
            output.print_error(f"no module found in {self.package}")
        for detail in metadata["imports"]:
            output.print_error(f"{detail['importer']}:{detail['line_number']}: {detail['line_contents']}")


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
