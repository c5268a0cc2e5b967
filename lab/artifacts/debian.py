# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian packages for the lab, from the mirror that this machine itself uses, without touching its own apt state."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""Keys that the archive is signed with (package debian-archive-keyring); must know the suites that the lab asks for."""

_SOURCES = Path("/etc/apt")


@dataclass(frozen=True)
class Mirror:
    """Where Debian comes from: base addresses of the archive and of its security archive."""

    archive: str
    security: str


def mirror() -> Mirror:
    """The mirror that this machine's apt sources name.

    ``FRIDAY_DEBIAN_MIRROR`` and ``FRIDAY_DEBIAN_SECURITY_MIRROR`` override it; a machine that is not Debian has to set
    both. Raises ``RuntimeError`` when none is known.
    """
    archive, security = _find(_uris(_SOURCES))
    archive = os.environ.get("FRIDAY_DEBIAN_MIRROR", archive)
    security = os.environ.get("FRIDAY_DEBIAN_SECURITY_MIRROR", security)
    if not archive or not security:
        raise RuntimeError(
            "this machine's apt sources have no Debian mirror: set FRIDAY_DEBIAN_MIRROR (an address that ends in"
            " /debian) and FRIDAY_DEBIAN_SECURITY_MIRROR (the one that ends in /debian-security)"
        )
    return Mirror(archive, security)


def sources(*suites: str, source: Mirror | None = None) -> list[str]:
    """Lines of a ``sources.list`` for the main component of ``suites`` (a suite ``NAME-security`` too)."""
    known = source or mirror()
    return [
        f"deb [signed-by={KEYRING}] {known.security if suite.endswith('-security') else known.archive} {suite} main"
        for suite in suites
    ]


@dataclass(frozen=True)
class Apt:
    """An apt of its own: its lists, its cache and an empty list of installed packages lie in ``folder``."""

    folder: Path

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        """Run ``apt-get`` or ``apt-cache``; returns its output, raises ``RuntimeError`` with its messages."""
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}
        done = subprocess.run(
            [program, *arguments], cwd=cwd or self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)} failed:\n{done.stderr.strip()}")
        return done.stdout

    def show(self, package: str) -> dict[str, str]:
        """The control fields of the version that apt would install."""
        fields: dict[str, str] = {}
        for line in self.run("apt-cache", "show", "--no-all-versions", package).splitlines():
            if not line.startswith(" ") and ": " in line:
                name, value = line.split(": ", 1)
                fields.setdefault(name, value)
        return fields

    def closure(self, packages: Sequence[str]) -> list[str]:
        """``packages`` and all that they depend on, recommendations left out, as apt would install them on nothing."""
        plan = self.run("apt-get", "install", "--simulate", "--no-install-recommends", *packages)
        return sorted(set(re.findall(r"^Inst (\S+)", plan, re.MULTILINE)))

    def download(self, packages: Sequence[str], folder: Path) -> list[Path]:
        """Download ``packages`` (names, or ``name=version``), verified, to ``folder``; returns the new .deb files."""
        folder.mkdir(parents=True, exist_ok=True)
        before = set(folder.glob("*.deb"))
        self.run("apt-get", "download", *packages, cwd=folder)
        return sorted(set(folder.glob("*.deb")) - before)


@contextmanager
def apt(*suites: str, architecture: str = "amd64") -> Iterator[Apt]:
    """An :class:`Apt` with fresh package lists of ``suites`` (about 10 seconds); it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="friday-apt-") as temporary:
        folder = Path(temporary)
        for part in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
            (folder / part).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text("\n".join(sources(*suites)) + "\n")
        settings = {
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",  # a sandbox user could not write below our private folder
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Dir::Etc": f"{folder}/etc",
            "Dir::Etc::SourceList": f"{folder}/sources.list",
            "Dir::Etc::SourceParts": "-",
            "Dir::State": f"{folder}/state",
            "Dir::State::status": f"{folder}/status",
            "Dir::Cache": f"{folder}/cache",
        }
        lines = [f'{name} "{value}";' for name, value in settings.items()]
        # The machine's own settings still hold for how to reach the network (a proxy, for one): they are read first.
        (folder / "apt.conf").write_text("\n".join(lines) + "\n")
        client = Apt(folder)
        client.run("apt-get", "--quiet", "update")
        yield client


def _uris(folder: Path) -> list[str]:
    """Every address in the machine's apt sources, in both of their formats, comments left out."""
    found: list[str] = []
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for path in files:
        if not path.is_file() or path.suffix not in (".list", ".sources"):
            continue
        for line in path.read_text().splitlines():
            text = line.split("#", 1)[0].strip()
            if path.suffix == ".list":
                match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)", text)
                found += [match[1]] if match else []
            elif text.lower().startswith("uris:"):
                found += text.split()[1:]
    return found


def _find(uris: Sequence[str]) -> tuple[str, str]:
    """The archive and the security archive among ``uris``, each empty if there is none."""
    archive = next((uri for uri in uris if uri.rstrip("/").endswith("/debian")), "")
    security = next((uri for uri in uris if "debian-security" in uri), "")
    return archive.rstrip("/"), security.rstrip("/")
