# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kubectl as the administrator of the lab's cluster."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class KubectlError(RuntimeError):
    """kubectl refused or the API server did."""


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl (the multi-call ``program`` by that name) with the lab's kubeconfig."""

    program: Path
    kubeconfig: Path

    def run(self, *arguments: str, text: str | None = None, timeout: float = 300.0) -> str:
        """Run it and return its output. Raises ``KubectlError`` with its messages."""
        try:
            done = subprocess.run(
                ["kubectl", *arguments],
                executable=self.program,
                env=self._environment(),
                input=text or "",
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl {' '.join(arguments)} did not end within {timeout:.0f} s") from error
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """``kubectl get ... -o json``: one object, or a list's items."""
        answer = json.loads(self.run("get", *arguments, "--output=json"))
        return answer["items"] if answer["kind"] == "List" else answer

    def apply(self, manifest: str) -> None:
        """Apply a manifest (YAML or JSON, several documents) on the server's side; the lab owns what it sets."""
        options = ("--server-side", "--force-conflicts", "--field-manager=friday-lab")
        self.run("apply", *options, "--filename=-", text=manifest)

    def replace_process(self, arguments: list[str]) -> None:
        """Become kubectl, for a person at a terminal."""
        os.execve(self.program, ["kubectl", *arguments], self._environment())

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
