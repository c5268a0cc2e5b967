# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt and dpkg, by their programs: apt-get(8), apt-mark(8), apt-cache(8), dpkg(1), dpkg-query(1)."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import struct
from collections.abc import Callable, Sequence

from . import debian_packages
from .debian_files import missing
from .debian_kernels import DebianKernels
from .package_manager import OTHER, Change, KeptBack, Limits, PackageManager, Remedies
from .system import Result, System, Unreadable
from .version_order import compare_dpkg

# Inst NAME [INSTALLED] (CANDIDATE ORIGIN... [ARCH]) / Remv NAME [INSTALLED]
_INST = re.compile(r"^Inst (?P<name>\S+)(?: \[(?P<installed>[^\]]*)\])? \((?P<candidate>\S+)")
_REMV = re.compile(r"^(?:Remv|Purg) (?P<name>\S+)(?: \[(?P<installed>[^\]]*)\])?")
_UNMET = re.compile(r"^ (\S+) : (?:Pre)?Depends:", re.MULTILINE)
_UNMET_WHY = re.compile(r"^ (\S+) : (?:Pre)?Depends: (.+)$", re.MULTILINE)
# A source that was not refreshed: an error where apt knows APT::Update::Error-Mode (2.1.16), a warning before.
_NOT_FETCHED = re.compile(r"^(?:W|E|Err|Warning|Error): ?.*(?:Failed to fetch|index files failed).*$", re.MULTILINE)
_URI = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+)", re.MULTILINE)
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
_DPKG_LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
# What every upgrade is done with, and therefore simulated with.
_STEADY = (
    # Old kernels stay: one of them is the way back.
    "APT::Get::AutomaticRemove=false",
)
_READING = (
    *("-o", "APT::Get::Assume-Yes=true", "--allow-downgrades", "-o", "Debug::NoLocking=1"),
    *(part for setting in _STEADY for part in ("-o", setting)),
)
_ASKED = 20  # packages that are kept back and asked about one by one


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
        self._known_depends: dict[str, str] | None = None

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
        if warning := _NOT_FETCHED.search(result.err + "\n" + result.out):
            raise Unreadable(f"a package source was not refreshed: {warning[0].strip()[:300]}")
        self._wait_for_dpkg(limits)

    def _wait_for_dpkg(self, limits: Limits) -> None:
        """What is read while somebody installs is old a moment later."""
        deadline = self.system.clock() + limits.lock
        while holder := next(filter(None, map(self._holder, _DPKG_LOCKS)), 0):
            if self.system.clock() >= deadline:
                raise Unreadable(f"process {holder} holds dpkg's lock: something else installs packages")
            self.system.sleep(_LOCK_PAUSE)

    def _holder(self, lock: str) -> int:
        """The process that holds a lock of dpkg's (fcntl(2), F_GETLK: the lock itself is not touched), or 0."""
        form = "hhqqi"
        try:
            with open(self.system.path(lock), "rb") as file:
                asked = struct.pack(form, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                told = struct.unpack(form, fcntl.fcntl(file, fcntl.F_GETLK, asked)[: struct.calcsize(form)])
        except OSError:
            return 0
        return 0 if told[0] == fcntl.F_UNLCK else told[4]

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
        # An interrupted dpkg: apt-get refuses to do anything then, though -s does not.
        journal = [name for name in self.system.glob("/var/lib/dpkg/updates/*") if name.rpartition("/")[2].isdigit()]
        if journal:
            broken["dpkg"] = "interrupted, its journal /var/lib/dpkg/updates is not empty"
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
        result = self._simulated(*_operation(packages))
        if result.rc:
            unmet = ", ".join(dict.fromkeys(_UNMET.findall(result.out + result.err)))
            raise Unreadable(f"apt-get: {result.reason()}" + (f" ({unmet})" if unmet else ""))
        changes = (_change(line) for line in result.out.splitlines())
        return sorted(change for change in changes if change)

    def _simulated(self, *operation: str) -> Result:
        # As it will be done: with -y, by which apt-get refuses what it would otherwise ask for (to remove an essential
        # package, to change a held one). A downgrade is not among that: it is named in the plan, and refused there.
        # It reads only, so it needs no lock; with one it would fail beside a running apt.
        return self.system.run(self._get("-s", "-q", *_READING, *operation), timeout=300.0)

    def kept_back(self, packages: Sequence[str] | None) -> list[KeptBack]:
        if packages is not None and not packages:
            return []
        out = self._simulated(*_operation(packages)).out
        names = _listed(out, "kept back:")
        phased = _listed(out, "deferred due to phasing")
        held = set(self.held())
        found = dict.fromkeys(phased, "deferred by phasing, which is the archive's choice")
        for number, name in enumerate(names):
            if name in held:
                found[name] = "on hold"
            elif percentage := self._phased(name):
                found[name] = f"deferred by phasing ({percentage}% of all machines get it now)"
            elif name not in found:
                found[name] = self._unmet(name) if number < _ASKED else "its dependencies"
        found.update({name: why for name, why in self._pinned(packages).items() if name not in found})
        return [KeptBack(name, reason) for name, reason in sorted(found.items())]

    def _phased(self, name: str) -> str:
        shown = self.system.run(["apt-cache", "show", "--no-all-versions", name])
        match = re.search(r"^Phased-Update-Percentage: (\d+)$", shown.out, re.MULTILINE)
        return match[1] if match and match[1] != "100" else ""

    def _unmet(self, name: str) -> str:
        result = self._simulated("install", name)
        why = _UNMET_WHY.search(result.out + result.err)
        if why:
            return f"a dependency: {why[1]} needs {why[2].strip()}"
        changes = [change for change in map(_change, result.out.splitlines()) if change]
        removed = [change.name for change in changes if change.removal]
        added = [change.name for change in changes if not change.installed]
        if removed:
            return f"a dependency: it would remove {', '.join(removed)}"
        return f"a dependency: it would install {', '.join(added)}" if added else "a dependency"

    def _pinned(self, packages: Sequence[str] | None) -> dict[str, str]:
        """Packages that a pin keeps from a newer version; apt-get does not say so of them."""
        files = ("/etc/apt/preferences", *self.system.glob("/etc/apt/preferences.d/*"))
        if not any(self.system.size(name) for name in files):
            return {}
        names = sorted(self.installed() if packages is None else packages)
        return debian_packages.pinned(self.system.read_from(["apt-cache", *self._options, "policy", *names], 120.0))

    def unavailable(self, packages: Sequence[str] | None) -> list[str]:
        if packages is not None and not packages:
            return []
        argv = self._get("--print-uris", "-q", *_READING, *_operation(packages))
        out = self.system.run(argv, timeout=300.0).out
        wanted = [(match["file"], match["uri"], int(match["size"])) for match in _URI.finditer(out)]
        return missing(self.system, wanted) if wanted else []

    def kernel_metapackages(self, flavour: str) -> list[str]:
        installed = self.installed()
        by_name = self.kernels.metapackages(installed, flavour)
        return sorted({*by_name, *debian_packages.metapackages(self.kernels, self._depends(), flavour)})

    def kind(self, package: str) -> str:
        known = self.kernels.kind(package)
        return known if known != OTHER else debian_packages.metapackage_kind(self.kernels, self._depends(), package)

    def _depends(self) -> dict[str, str]:
        """What each installed package depends on, as dpkg has it."""
        if self._known_depends is None:
            result = self.system.run(["dpkg-query", "-W", "-f", "${Package}\\t${Depends}, ${Pre-Depends}\\n"])
            pairs = (line.split("\t") for line in result.out.splitlines() if line.count("\t") == 1)
            self._known_depends = dict(pairs) if not result.rc else {}
        return self._known_depends

    def makes_initramfs(self, change: Change) -> bool:
        if change.removal and not self.system.exists(f"/var/lib/dpkg/info/{change.name}.list"):
            return False
        return super().makes_initramfs(change) or debian_packages.makes_initramfs(self.system, change.name)

    def role(self, package: str) -> str:
        return debian_packages.role(package)

    def download(self, packages: Sequence[str] | None, limits: Limits) -> Result:
        argv = self._get(
            *("-y", "-q", "--download-only", "--allow-downgrades", "-o", "Acquire::Retries=3"),
            *self._act_options(limits),
            *_operation(packages),
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

    def upgrade(
        self, packages: Sequence[str] | None, removals: bool, limits: Limits, downgrades: bool = False
    ) -> Result:
        automatic = self._automatic(packages)
        guard = [] if removals else ["-o", "APT::Get::Remove=false"]
        guard += ["--allow-downgrades"] if downgrades else []
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
            *_STEADY,
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


def _listed(out: str, title: str) -> list[str]:
    """The names below a line of apt-get's with this title."""
    names: list[str] = []
    inside = False
    for line in out.splitlines():
        if line.startswith(" ") and inside:
            names += line.split()
        else:
            inside = title in line
    return names


def _change(line: str) -> Change | None:
    """A line of ``apt-get -s``: a package that is unpacked or removed, or None."""
    match = _INST.match(line)
    if match:
        installed, candidate = match["installed"] or "", match["candidate"]
        return Change(match["name"], installed, candidate, bool(installed) and compare_dpkg(candidate, installed) < 0)
    match = _REMV.match(line)
    return Change(match["name"], match["installed"] or "", "") if match else None
