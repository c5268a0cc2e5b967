# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two kernels of the story, Debian's own packages: one loads the incident's programs and one refuses them.

Archives drop old builds, so the pair is chosen from what the mirror has at the time, and then stays in the cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import progress
from lab.artifact import build, remove
from lab.artifacts import debian

METAPACKAGE = "linux-image-cloud-amd64"
"""Depends on the newest kernel of its suite, in the flavour for virtual machines; both kernels come by this name."""

RUNNING_SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
CANDIDATE_SUITES = ("trixie", "trixie-updates", "trixie-security")

_CLOUD = re.compile(r"^linux-(image|binary)-(?P<release>\d+\.\d+\.\d\S*-cloud-(amd64|arm64))$")  # no metapackage
_FIRST_REFUSING = (6, 12, 85)
_LAST_REFUSING_SERIES = (6, 12)


@dataclass(frozen=True)
class Kernel:
    """A kernel as it is installed: ``release`` is what ``uname -r`` will say, ``version`` the packages' version."""

    release: str
    version: str
    debs: list[Path]
    """The image's package and the metapackage."""


@dataclass(frozen=True)
class KernelPair:
    """Kernel A, which the nodes run at first, and kernel B, which a Friday brings."""

    running: Kernel
    candidate: Kernel


def pair() -> KernelPair:
    """The pair of this cache (downloaded once, about 65 MB); delete its artifact to have a newer one."""
    folder = build("kernels", [METAPACKAGE, *RUNNING_SUITES, *CANDIDATE_SUITES], _download, 20)
    return KernelPair(_read(folder / "running"), _read(folder / "candidate"))


def neighbours() -> list[Kernel]:
    """Kernels to ask about beside the pair: a build of A's series with another patch level, an early one of B's series.

    Those of them that the mirror has. None is brought by an upgrade: no metapackage depends on it.
    """
    both, found = pair(), []
    for suites in (("bookworm", "bookworm-security"), ("bookworm-backports",)):
        try:
            found += of_suites(*suites)[:1]
        except RuntimeError as error:
            progress.say(f"no adjacent kernel from {suites[0]}: {str(error).splitlines()[-1]}")
    return [each for each in found if each.version not in (both.running.version, both.candidate.version)]


def of_suites(*suites: str, architecture: str = "amd64") -> list[Kernel]:
    """The oldest and the newest kernel for virtual machines that these suites have, without their metapackages.

    Raises:
        RuntimeError: there is none, or none that can be downloaded.
    """
    own = [] if architecture == "amd64" else [architecture]
    name, parts = "-".join(["kernels", suites[0], *own]), [*suites, "2", *own]
    folder = build(name, parts, lambda target: _download_both(suites, target, architecture), 20)
    found = [Kernel(path.name, (path / "version").read_text(), sorted(path.glob("*.deb"))) for path in folder.iterdir()]
    return sorted(found, key=lambda kernel: _numbers(kernel.release))


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)[:4]]


def _download_both(suites: Sequence[str], target: Path, architecture: str) -> None:
    """Without the debug packages, and unsigned ones; of Debian's from 7.0 on with the options, and without modules."""
    with debian.apt(*suites, architecture=architecture) as client:
        releases: dict[str, str] = {}
        # linux-binary-... holds the image where there is one, and sorts first.
        names = sorted(client.run("apt-cache", "pkgnames", "linux-").split())
        for name in names:
            if match := _CLOUD.match(name):
                releases.setdefault(match["release"], name)
        order = sorted(releases, key=_numbers)
        if not order:
            raise RuntimeError(f"{suites[0]} has no cloud kernel")
        for release in dict.fromkeys((order[0], order[-1])):
            folder = target / release
            try:
                client.download(
                    [releases[release], *(name for name in names if name == f"linux-base-{release}")], folder
                )
            except RuntimeError as error:  # in the list, and not in the archive any more
                progress.say(f"{release}: {str(error).splitlines()[-1]}")
                remove(folder)
                continue
            (folder / "version").write_text(client.show(releases[release])["Version"])
        if not any(target.iterdir()):
            raise RuntimeError(f"{suites[0]}: none of its kernels can be downloaded")


def refuses_incident(version: str) -> bool:
    """Whether a kernel package of this version is known to refuse the incident's programs: 6.12 from 6.12.85 on."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if not found:
        raise ValueError(f"{version!r} is not a version of a kernel package")
    numbers = tuple(int(part) for part in found.groups())
    return numbers >= _FIRST_REFUSING and numbers[:2] == _LAST_REFUSING_SERIES


def _download(target: Path) -> None:
    running = _fetch(RUNNING_SUITES, target / "running")
    candidate = _fetch(CANDIDATE_SUITES, target / "candidate")
    if refuses_incident(running) or not refuses_incident(candidate):
        raise RuntimeError(
            f"the mirror's kernels {running} and {candidate} cannot show the incident: the first must load"
            f" its programs (6.1) and the second must refuse them (6.12.85 or a later 6.12)"
        )


def _fetch(suites: Iterable[str], folder: Path) -> str:
    """Download the newest kernel of ``suites``, note what it is, and return its version."""
    with debian.apt(*suites) as client:
        meta = client.show(METAPACKAGE)
        image = re.match(r"(linux-image-\S+) \(= (\S+)\)", meta["Depends"])
        if not image:
            raise RuntimeError(f"{METAPACKAGE} depends on {meta['Depends']!r}, not on one image package of one version")
        client.download([f"{image[1]}={image[2]}", f"{METAPACKAGE}={meta['Version']}"], folder)
    facts = {"release": image[1].removeprefix("linux-image-"), "version": image[2]}
    (folder / "kernel.json").write_text(json.dumps(facts))
    return facts["version"]


def _read(folder: Path) -> Kernel:
    facts = json.loads((folder / "kernel.json").read_text())
    return Kernel(facts["release"], facts["version"], sorted(folder.glob("*.deb")))
