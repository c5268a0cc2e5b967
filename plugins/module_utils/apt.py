# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt and dpkg, by their programs: apt-get(8), apt-mark(8), dpkg(1), dpkg-query(1)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence

from .debian_kernels import DebianKernels
from .package_manager import Change, Limits, PackageManager, Remedies
from .system import Result, System, Unreadable

# Inst NAME [INSTALLED] (CANDIDATE ORIGIN... [ARCH]) / Remv NAME [INSTALLED]
_INST = re.compile(r"^Inst (?P<name>\S+)(?: \[(?P<installed>[^\]]*)\])? \((?P<candidate>\S+)")
_REMV = re.compile(r"^(?:Remv|Purg) (?P<name>\S+)(?: \[(?P<installed>[^\]]*)\])?")
_UNMET = re.compile(r"^ (\S+) : (?:Pre)?Depends:", re.MULTILINE)
_LOCKED = re.compile(r"Could not get lock|Unable to (?:lock|acquire)")

# Nobody is there to answer; nothing but what was asked for is restarted (needrestart(1)).
_QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "APT_LISTBUGS_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",
    "UCF_FORCE_CONFFOLD": "1",
}
_LOCK_PAUSE = 3.0


class Apt(PackageManager):
    """Debian's and Ubuntu's package manager."""

    name = "apt"
    kernels = DebianKernels()
    remedies = Remedies(
        repair="dpkg --configure -a; apt-get -f install",
        check="dpkg --audit",
        free_space="apt-get clean; apt-get autoremove",
        install="apt-get install",
        remove="apt-get purge",
        hold="apt-mark hold",
        unhold="apt-mark unhold",
    )

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self._options: list[str] = []

    @staticmethod
    def present(system: System) -> bool:
        return bool(system.find("apt-get")) and system.exists("/var/lib/dpkg/status")

    def refresh(self, limits: Limits, scratch: str = "") -> None:
        if scratch:
            self._use_lists(os.path.join(scratch, "lists"))
        # By default apt-get takes a source that doesn't answer for a warning and goes on with the list of yesterday.
        argv = self._get("update", "-q", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=2")
        result = self._unlocked(lambda: self.system.run(argv, limits.work, _QUIET), limits)
        if result.rc:
            raise Unreadable(f"the package lists could not be refreshed: {result.reason()}")

    def _use_lists(self, folder: str) -> None:
        """Work with a copy of the lists from here on. The copy belongs to root: apt's own user could not enter it."""
        shutil.copytree(
            self.system.path("/var/lib/apt/lists"), folder, ignore=shutil.ignore_patterns("partial", "lock", "auxfiles")
        )
        os.makedirs(os.path.join(folder, "partial"))
        settings = (
            f"Dir::State::lists={folder}",
            "Dir::Cache::pkgcache=",
            "Dir::Cache::srcpkgcache=",
            "APT::Sandbox::User=root",
        )
        self._options = [part for setting in settings for part in ("-o", setting)]

    def installed(self) -> dict[str, str]:
        states = self._states().items()
        return {name: version for name, (_want, status, _flag, version) in states if status != "config-files"}

    def held(self) -> list[str]:
        return sorted(name for name, (want, _status, _flag, _version) in self._states().items() if want == "hold")

    def broken(self) -> list[str]:
        broken = {}
        for name, (_want, status, flag, _version) in self._states().items():
            if flag != "ok":
                broken[name] = flag
            elif status not in ("installed", "config-files"):
                broken[name] = status
        # Also what only dpkg's own audit finds, such as missing control files. Its lines are " NAME   description".
        for line in self.system.run(["dpkg", "--audit"]).out.splitlines():
            if line.startswith(" ") and line.split()[0] not in broken:
                broken[line.split()[0]] = "dpkg --audit"
        return [f"{name} ({state})" for name, state in sorted(broken.items())]

    def _states(self) -> dict[str, tuple[str, str, str, str]]:
        """Want, status, error flag and version of every package that dpkg knows (dpkg-query(1))."""
        native = self.system.read_from(["dpkg", "--print-architecture"]).strip()
        fields = ("db:Status-Want", "db:Status-Status", "db:Status-Eflag", "Version", "Architecture", "Package")
        form = "\\t".join(f"${{{field}}}" for field in fields) + "\\n"
        states = {}
        for line in self.system.read_from(["dpkg-query", "-W", "-f", form]).splitlines():
            want, status, flag, version, architecture, package = line.split("\t")
            # apt-get writes NAME:ARCHITECTURE only of foreign ones.
            name = package if architecture in (native, "all", "") else f"{package}:{architecture}"
            if status != "not-installed":
                states[name] = (want, status, flag, version)
        return states

    def pending(self, packages: Sequence[str] | None) -> list[Change]:
        if packages is not None and not packages:
            return []
        # It reads only, so it needs no lock; with one it would fail beside a running apt.
        argv = self._get("-s", "-q", "-o", "Debug::NoLocking=1", *_operation(packages))
        result = self.system.run(argv, timeout=300.0)
        if result.rc:
            unmet = ", ".join(dict.fromkeys(_UNMET.findall(result.out + result.err)))
            raise Unreadable(f"apt-get: {result.reason()}" + (f" ({unmet})" if unmet else ""))
        changes = (_change(line) for line in result.out.splitlines())
        return sorted(change for change in changes if change)

    def download(self, packages: Sequence[str] | None, limits: Limits) -> Result:
        argv = self._get(
            "-y", "-q", "--download-only", "-o", "Acquire::Retries=3", *self._act_options(limits), *_operation(packages)
        )
        return self._unlocked(lambda: self.system.run(argv, limits.work, _QUIET), limits)

    def offered(self, prefixes: Sequence[str]) -> dict[str, str]:
        known = [self.system.read_from(["apt-cache", "pkgnames", prefix]).split() for prefix in prefixes]
        names = sorted({name for some in known for name in some})
        found: dict[str, str] = {}
        # A line for each version, the newest first: name | version | source.
        for line in self.system.read_from(["apt-cache", "madison", *names]).splitlines() if names else ():
            name, version = (part.strip() for part in line.split("|")[:2])
            found.setdefault(name, version)
        return found

    def fetch(self, packages: Sequence[tuple[str, str]], folder: str, limits: Limits) -> list[str]:
        # apt's own user could not write into the folder. Nothing that the archive has not signed: apt-get download
        # says so by its exit code, as for a wrong checksum.
        options = ("APT::Sandbox::User=root", "APT::Get::AllowUnauthenticated=false", "Acquire::Retries=3")
        settings = [part for option in options for part in ("-o", option)]
        argv = [*self._get("download", "-q", *settings), *map(_exactly, packages)]
        result = self._unlocked(lambda: self.system.run(argv, limits.work, _QUIET, folder), limits)
        if result.rc:
            raise Unreadable(f"{', '.join(name for name, _ in packages)} can't be downloaded: {result.reason()}")
        return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb"))

    def archive(self, path: str) -> list[str]:
        return ["dpkg-deb", "--fsys-tarfile", path]

    def upgrade(self, packages: Sequence[str] | None, removals: bool, limits: Limits) -> Result:
        automatic = self._automatic(packages)
        guard = [] if removals else ["-o", "APT::Get::Remove=false"]
        argv = self._get("-y", "-q", *self._act_options(limits), *guard, *_operation(packages))
        result = self._unlocked(lambda: self.system.run_to_end(argv, limits.work, _QUIET), limits)
        if automatic and not result.rc:
            self.system.read_from(["apt-mark", "auto", *automatic])
        return result

    def _automatic(self, packages: Sequence[str] | None) -> list[str]:
        """Those of ``packages`` that came as a dependency: naming them to apt-get marks them as wanted by somebody."""
        return self.system.read_from(["apt-mark", "showauto", *packages]).split() if packages else []

    def _act_options(self, limits: Limits) -> list[str]:
        settings = (
            f"DPkg::Lock::Timeout={limits.lock}",
            "Dpkg::Use-Pty=0",
            # Configuration files that somebody has changed stay as they are (dpkg(1), --force-conf*).
            "Dpkg::Options::=--force-confdef",
            "Dpkg::Options::=--force-confold",
            # Old kernels stay: one of them is the way back.
            "APT::Get::AutomaticRemove=false",
        )
        return [part for setting in settings for part in ("-o", setting)]

    def _get(self, *arguments: str) -> list[str]:
        return ["apt-get", *self._options, *arguments]

    def _unlocked(self, attempt: Callable[[], Result], limits: Limits) -> Result:
        """Try until nobody holds a lock: apt itself waits for dpkg's locks, not for those of lists and archives."""
        deadline = self.system.clock() + limits.lock
        while True:
            result = attempt()
            if not result.rc or not _LOCKED.search(result.out + result.err) or self.system.clock() >= deadline:
                return result
            self.system.sleep(_LOCK_PAUSE)


def _exactly(package: tuple[str, str]) -> str:
    name, version = package
    return f"{name}={version}" if version else name


def _operation(packages: Sequence[str] | None) -> list[str]:
    return ["full-upgrade"] if packages is None else ["install", "--only-upgrade", *packages]


def _change(line: str) -> Change | None:
    """A line of ``apt-get -s``: a package that is unpacked or removed, or None."""
    match = _INST.match(line)
    if match:
        return Change(match["name"], match["installed"] or "", match["candidate"])
    match = _REMV.match(line)
    return Change(match["name"], match["installed"] or "", "") if match else None
