# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Canaries: a secret for every variable that can hold one, made up for the tests and to be seen nowhere."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass
class Canaries:
    """The secrets that were given out. ``known`` has them by what they are.

    >>> Canaries().new("token").startswith("canary-token-")
    True
    """

    known: dict[str, str] = field(default_factory=dict)

    def new(self, name: str) -> str:
        """The secret of that name, always the same one."""
        return self.known.setdefault(name, f"canary-{name}-{uuid.uuid4().hex}")

    def webhook(self, address: str = "127.0.0.1:9") -> str:
        """The address of a chat, with a secret in each of its parts."""
        login = f"hook:{self.new('webhook-password')}"
        return f"http://{login}@{address}/{self.new('webhook-path')}?key={self.new('webhook-query')}"

    def host_variables(self) -> dict[str, object]:
        """Secrets with which Ansible reaches hosts."""
        names = ("ansible_password", "ansible_become_password", "ansible_ssh_private_key_passphrase")
        return {name: self.new(name) for name in names}

    def environment(self) -> dict[str, str]:
        """A proxy with a password, for all but this machine."""
        proxy = f"http://user:{self.new('proxy-password')}@127.0.0.1:9"
        return {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": "127.0.0.1,localhost"}

    def kubeconfig(self, plain: Path, **cluster: object) -> Path:
        """A copy of a kubeconfig that has all its secrets inside, and others beside them; return its path.

        ``cluster`` replaces fields of its cluster.
        """
        data: dict[str, Any] = yaml.safe_load(plain.read_text())
        user, place = data["users"][0]["user"], data["clusters"][0]["cluster"]
        place.update(cluster)
        if "client-key" in user:
            for part in ("client-certificate", "client-key"):
                user[f"{part}-data"] = base64.b64encode(Path(user.pop(part)).read_bytes()).decode()
            self._key(user["client-key-data"])
        # The certificate goes first: the server never looks at the token.
        user["token"] = self.new("token")
        data["users"].append({"name": "other", "user": self.other_user()})
        data["contexts"].append({"name": "other", "context": {"cluster": "test", "user": "other"}})
        path = plain.with_name(f"{plain.stem}-canaries-{uuid.uuid4().hex[:8]}")
        path.write_text(yaml.safe_dump(data))
        path.chmod(0o600)
        return path

    def other_user(self, command: str = "/bin/false") -> dict[str, Any]:
        """A user of a kubeconfig whose credentials come from a program."""
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": command,
            "args": ["login", f"--secret={self.new('exec-argument')}"],
            "env": [{"name": "PLUGIN_SECRET", "value": self.new("exec-env")}],
            "interactiveMode": "Never",
        }
        return {"exec": plugin}

    def _key(self, encoded: str) -> None:
        self.known["client key, as data"] = encoded
        lines = base64.b64decode(encoded).decode().splitlines()
        self.known["client key"] = next(line for line in lines if not line.startswith("-"))

    def seen_in(self, text: str | bytes) -> list[str]:
        """Which of the secrets are in a text."""
        raw = text.encode() if isinstance(text, str) else text
        return [name for name, secret in self.known.items() if secret.encode() in raw]

    def seen_in_files(self, paths: Iterable[Path]) -> dict[str, list[str]]:
        """File -> which of the secrets are in it."""
        found = {str(path): self.seen_in(path.read_bytes()) for path in paths if path.is_file()}
        return {path: names for path, names in found.items() if names}
