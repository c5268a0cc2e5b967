# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernel releases (``uname -r``): version, flavour, and which of two is newer.

The only parser of releases. The controller uses it too (``decide`` may import this file, and no other of this folder),
so it is pure and knows nothing of packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_RELEASE = re.compile(
    r"""^(?P<version>
        \d+(?:\.\d+)*(?:-rc\d+)?      # upstream's own: 6.12.107, 6.16-rc7
        (?: [+~][\w.~]+(?:\+\d+(?=-|$))?  # the distribution's mark, with its rebuild: +deb13, +deb13+1, +bpo, +rpt
          | -(?!(?:686|[45]kc)(?:-|$))(?:rpi)?\d[\w.~]*  # or its build: -50, -0.deb11.21, -rpi7, -301.fc40.x86_64
        )?)
        (?:[-+](?P<flavour>\w.*))?$   # cloud-amd64, generic, pve, rpi-v8; behind a plus sign in RPM distributions""",
    re.VERBOSE,
)
_PART = re.compile(r"\d+|[a-z]+|~")

# Ranks of a version's parts. A version that ends is newer than its release candidates and older than its rebuilds.
_TILDE, _CANDIDATE, _END, _WORD, _NUMBER = range(5)

Key = tuple[tuple[int, int, str], ...]


class Release(NamedTuple):
    """A kernel release taken apart. ``flavour`` is empty where the name has none (a kernel of one's own, an RPM)."""

    name: str
    version: str
    flavour: str

    @property
    def key(self) -> Key:
        """Newer versions have greater keys; says nothing of flavours."""
        parts = [_ranked(part) for part in _PART.findall(self.version.lower())]
        return (*parts, (_END, 0, ""))


def parse(name: str) -> Release:
    """Take the output of ``uname -r`` apart; what is not of any known form is all version."""
    match = _RELEASE.match(name)
    return Release(name, match["version"], match["flavour"] or "") if match else Release(name, name, "")


def newest_first(names: Iterable[str]) -> list[Release]:
    """Releases in the order of a boot menu.

    Of two flavours of one version the later in the alphabet comes first, as in grub-mkconfig (``sort -V -r``).
    """
    return sorted(map(parse, set(names)), key=lambda each: (each.key, each.flavour), reverse=True)


def next_boot(names: Iterable[str], running: str) -> Release:
    """What a boot loader that starts the newest kernel would start, of these and the running one.

    It may be of another flavour than the running one: that is for the caller to judge.
    """
    return newest_first({*names, running})[0]


def _ranked(part: str) -> tuple[int, int, str]:
    if part.isdigit():
        return _NUMBER, int(part), ""
    if part in ("~", "rc"):
        return _TILDE if part == "~" else _CANDIDATE, 0, ""
    return _WORD, 0, part
