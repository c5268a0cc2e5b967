# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GRUB 2 with a menu made by grub-mkconfig(8): the menu that is there, and the one that will be.

Sources: grub-mkconfig's ``00_header``, ``10_linux`` and ``grub-mkconfig_lib`` of Debian's 2.06 and 2.12, GRUB's
``normal/menu.c`` (how an entry is found by its number, title or id).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from .boot_loader import BootLoader, NextBoot, Undecided
from .system import System
from .version_order import dpkg_key, lines_key

_MENU = "/boot/grub/grub.cfg"
_CUSTOM = "/boot/grub/custom.cfg"
_ENVIRONMENT = "/boot/grub/grubenv"
_SCRIPT = "/etc/grub.d/10_linux"
_LIBRARY = "/usr/share/grub/grub-mkconfig_lib"

_LINUX = re.compile(r"^\s*linux(?:16|efi)?\s+\S*/vmlinu[zx]-(\S+)", re.MULTILINE)
_ENTRY = re.compile(r"^\s*(?P<kind>menuentry|submenu)\s+(?P<quote>['\"])(?P<title>.*?)(?P=quote)(?P<rest>.*)\{\s*$")
_ID = re.compile(r"(?:--id|\$\{?menuentry_id_option\}?)[\s=]+['\"]?([^'\"\s]+)")
_DEFAULT = re.compile(r"^\s*set\s+default=(['\"]?)(.*?)\1\s*$")
_SECTION = re.compile(r"^### (BEGIN|END) (\S+) ###")
_BLOCK = re.compile(r"^\s*(?:if|for|while|until)\b")
_BLOCK_END = re.compile(r"(?:^|[;\s])(?:fi|done)\s*$")
_SETTING = re.compile(
    r"^\s*(?:export\s+)?(GRUB_\w+)=(?P<quote>[\"']?)(?P<value>.*?)(?P=quote)\s*(?:#.*)?$", re.MULTILINE
)
_UNSTABLE = re.compile(r"[._-](pre|rc|test|git|old|trunk)")
_YES = ("true", "yes", "y")


class Entry(NamedTuple):
    """An entry of the menu: ``release`` is empty where it starts no Linux kernel; ``below`` has those of a submenu."""

    title: str
    id: str = ""
    release: str = ""
    below: tuple[Entry, ...] = ()  # type: ignore[misc]
    section: str = ""


class _Default(NamedTuple):
    """Which entry is the default: as written, where, and what makes it the first one again."""

    spec: str
    rule: str
    fix: str


class Grub(BootLoader):
    """GRUB 2 with a menu made by grub-mkconfig."""

    name = "grub"
    menu = _MENU

    @staticmethod
    def present(system: System) -> bool:
        return system.exists(Grub.menu) and bool(system.find("grub-mkconfig") or system.find("update-grub"))

    def releases(self) -> list[str]:
        return sorted({_image(found) for found in _LINUX.findall(self.system.read(self.menu))})

    def next_boot(self, releases: Collection[str], remade: bool) -> NextBoot:
        text = self.system.read(self.menu)
        entries = parse_menu(text)
        if not entries or not any(_releases(entry) for entry in entries):
            remade = True  # nothing that could be started: it is to be made yet
        custom = self._custom(text)
        settings = self._settings()
        menu = self._remade(entries, releases, settings) if remade else list(entries)
        menu += parse_menu(custom)
        default = self._default(text, custom, settings, remade)
        entry, found = _pick(menu, default.spec)
        if not found and default.spec:
            entry, found = self._lost(entries, parse_menu(custom), default, releases, remade) or (entry, False)
        rule, fix = default.rule, default.fix
        if not found or default.spec in ("", "0"):
            rule, fix = "it is the first in the menu", self._first(settings)
        if not entry.release:
            raise Undecided(f"GRUB would start {entry.title!r}, which is not a Linux kernel: {rule} ({fix})")
        if entry.release not in releases:
            raise Undecided(f"GRUB would start {entry.release}, which is not in /boot (update-grub)")
        return NextBoot(entry.release, rule, fix)

    def _lost(
        self,
        entries: Sequence[Entry],
        more: Sequence[Entry],
        default: _Default,
        releases: Collection[str],
        remade: bool,
    ) -> tuple[Entry, bool] | None:
        """A default that is not in the menu: the first entry is started, unless the menu that is made has it after all.

        Raises:
            Undecided: it may have it under a name, or at a place, that is not known here.
        """
        if not remade:
            return None
        unknown = f"{default.rule}: what that is in the menu that will be made can't be known ({default.fix})"
        if entries:
            present, found = _pick([*entries, *more], default.spec)
            if found and (not present.release or present.release in releases):
                raise Undecided(unknown)
            return None
        # No menu yet: neither names nor what other scripts bring is known; entries of kernels name their release.
        named = [release for release in releases if release in default.spec]
        if not named:
            raise Undecided(unknown)
        longest = max(named, key=len)
        return Entry(default.spec, release=longest), True

    # the menu that will be

    def _remade(self, entries: Sequence[Entry], releases: Collection[str], settings: Mapping[str, str]) -> list[Entry]:
        """The menu as update-grub would make it now: 10_linux anew, what all other scripts have made as it is."""
        linux = "10_linux"
        before = [entry for entry in entries if entry.section and entry.section < linux]
        after = [entry for entry in entries if entry.section and entry.section > linux]
        own = [entry for entry in entries if entry.section == linux]
        return [*before, *self._linux(own, self._order(releases, settings), settings), *after]

    def _linux(self, own: Sequence[Entry], order: Sequence[str], settings: Mapping[str, str]) -> list[Entry]:
        """What 10_linux writes: the first kernel, and all of them in a submenu; or all of them without one."""
        system, device = _names(own)
        listed: list[Entry] = []
        for release in order:
            listed.append(Entry(f"{system}, with Linux {release}", f"gnulinux-{release}-advanced-{device}", release))
            if settings.get("GRUB_DISABLE_RECOVERY") != "true":
                title = f"{system}, with Linux {release} (recovery mode)"
                listed.append(Entry(title, f"gnulinux-{release}-recovery-{device}", release))
        if settings.get("GRUB_DISABLE_SUBMENU", "") in _YES or not order:
            return listed
        simple = Entry(system, f"gnulinux-simple-{device}", order[0])
        return [simple, Entry(f"Advanced options for {system}", f"gnulinux-advanced-{device}", "", tuple(listed))]

    def _order(self, releases: Collection[str], settings: Mapping[str, str]) -> list[str]:
        """Kernels in the order of 10_linux, which is another before GRUB 2.12 (and not dpkg's where it is newer)."""
        flavours = settings.get("GRUB_FLAVOUR_ORDER", "")
        if flavours and len(releases) > 1:
            raise Undecided(f"GRUB_FLAVOUR_ORDER={flavours} orders its menu by a rule that Friday does not follow")
        script, library = self._text(_SCRIPT), self._text(_LIBRARY)
        key: Callable[[str], Any]
        if "version_find_latest" not in script:
            # reverse_sorted_list: `sort -V -r` over paths, each with " 2" behind it
            order = sorted(releases, key=lambda release: lines_key(f"/boot/vmlinuz-{release} 2"), reverse=True)
        else:
            key = dpkg_key if "dpkg --compare-versions" in library else lines_key
            order = sorted(releases, key=lambda name: key(_UNSTABLE.sub(r"~\1", name)), reverse=True)
        top = settings.get("GRUB_TOP_LEVEL", "").rpartition("/vmlinuz-")[2]
        if top in order and self._knows_top_level(script):
            order.sort(key=lambda release: release != top)
        return order

    @staticmethod
    def _knows_top_level(script: str) -> bool:
        return not script or "GRUB_TOP_LEVEL" in script

    def _first(self, settings: Mapping[str, str]) -> str:
        """What makes another kernel the first one."""
        if settings.get("GRUB_TOP_LEVEL"):
            return "correct GRUB_TOP_LEVEL in /etc/default/grub, then update-grub"
        if self._knows_top_level(self._text(_SCRIPT)):
            return "set GRUB_TOP_LEVEL=/boot/vmlinuz-{newest} in /etc/default/grub"
        return "remove the packages of the kernel that it starts (boot another one first)"

    # the default

    def _default(self, text: str, custom: str, settings: Mapping[str, str], remade: bool) -> _Default:
        environment = parse_environment(self._text(_ENVIRONMENT))
        if once := environment.get("next_entry", ""):
            rule = f"GRUB is set to start the entry {once!r} once (next_entry in grubenv)"
            return _Default(once, rule, "grub-editenv - unset next_entry")
        for name, written, fix in (
            (_CUSTOM, parse_default(custom, _CUSTOM), f"remove `set default` from {_CUSTOM}"),
            (_MENU, parse_default(text, _MENU, "00_header"), "remove `set default` from the scripts in /etc/grub.d"),
        ):
            if written is not None:
                spec, saved = self._expanded(written, environment, name)
                return _Default(spec, f"{name} sets the default to {saved or repr(spec)}", fix)
        if remade:
            written = settings.get("GRUB_DEFAULT", "0")
            written = "${saved_entry}" if written == "saved" else written
            where = "GRUB_DEFAULT in /etc/default/grub"
        else:
            written = _header_default(text)
            where = "the default in grub.cfg (made from GRUB_DEFAULT in /etc/default/grub)"
        spec, saved = self._expanded(written, environment, where)
        if saved:
            return _Default(spec, f"GRUB is set to start the entry {spec!r} ({saved})", "grub-set-default 0")
        fix = "set GRUB_DEFAULT=0 in /etc/default/grub, then update-grub"
        return _Default(spec, f"GRUB is set to start the entry {spec!r} ({where})", fix)

    def _expanded(self, written: str, environment: Mapping[str, str], where: str) -> tuple[str, str]:
        """The entry that is meant, and whether it is the saved one (by which variable)."""
        if written in ("${saved_entry}", "$saved_entry"):
            name = "prev_saved_entry" if environment.get("prev_saved_entry") else "saved_entry"
            return environment.get(name, ""), f"{name} in grubenv"
        if "$" in written or "`" in written:
            raise Undecided(f"{where} is {written!r}: which entry that is can't be known before the boot")
        return written, ""

    # files

    def _text(self, name: str) -> str:
        return self.system.read(name) if self.system.exists(name) else ""

    def _custom(self, menu: str) -> str:
        """Text of custom.cfg where the menu reads it, as 41_custom lets it do."""
        return self._text(_CUSTOM) if not menu.strip() or "custom.cfg" in menu else ""

    def _settings(self) -> dict[str, str]:
        """Variables of /etc/default/grub and what is read after it, the last value of each."""
        found: dict[str, str] = {}
        for name in ("/etc/default/grub", *self.system.glob("/etc/default/grub.d/*.cfg")):
            for match in _SETTING.finditer(self._text(name)):
                found[match[1]] = match["value"]
        return found


def parse_menu(text: str) -> list[Entry]:
    """The entries of a grub.cfg, in order, with those of its submenus."""
    section = ""
    top: list[Entry] = []
    open_: list[tuple[Entry, list[Entry]]] = []
    depth = 0  # braces of functions
    for line in text.splitlines():
        if mark := _SECTION.match(line):
            section = mark[2].rpartition("/")[2] if mark[1] == "BEGIN" else ""
        elif match := _ENTRY.match(line):
            named = _ID.search(match["rest"])
            open_.append((Entry(match["title"], named[1] if named else "", section=section), []))
        elif re.match(r"^\s*function\b.*\{\s*$", line):
            depth += 1
        elif re.match(r"^\s*\}\s*$", line):
            if depth:
                depth -= 1
            elif open_:
                entry, below = open_.pop()
                (open_[-1][1] if open_ else top).append(entry._replace(below=tuple(below)))
        elif open_ and (match := _LINUX.match(line)):
            open_[-1] = (open_[-1][0]._replace(release=_image(match[1])), open_[-1][1])
    return top


def parse_environment(text: str) -> dict[str, str]:
    """grubenv: name=value lines, padded with number signs."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, _equals, value in pairs if value}


def parse_default(text: str, where: str, without: str = "") -> str | None:
    """The last ``set default=`` outside of the section ``without``; None when there is none.

    Raises:
        Undecided: one is behind a condition.
    """
    section, depth, found = "", 0, None
    for line in text.splitlines():
        if mark := _SECTION.match(line):
            section = mark[2].rpartition("/")[2] if mark[1] == "BEGIN" else ""
        depth += bool(_BLOCK.match(line)) - bool(_BLOCK_END.search(line))
        # Entries of hand-written menus have no section and no header: their default is that of the whole file.
        if (match := _DEFAULT.match(line)) and (not without or section != without):
            if depth > 0 and (section or not without):
                raise Undecided(f"{where} sets the default entry on a condition, which can't be known before the boot")
            if section or not without:
                found = match[2]
    return found


def _header_default(text: str) -> str:
    """The default of the menu's own header: the last one that is not the entry of a single boot."""
    found = [match[2] for line in text.splitlines() if (match := _DEFAULT.match(line))]
    return next((each for each in reversed(found) if "next_entry" not in each), "0")


def _pick(menu: Sequence[Entry], spec: str) -> tuple[Entry, bool]:
    """The entry that a default means, and whether it was found; the first where it means none, as GRUB has it."""
    if not menu:
        return Entry(""), False
    first, rest = _split(spec)
    number = re.match(r"\s*(\d+)", first)
    if number:
        index = int(number[1])
        found = index < len(menu)
    else:
        index = next((i for i, each in enumerate(menu) if first and first in (each.id, each.title)), -1)
        found = index >= 0
    entry = menu[index if found else 0]
    if not entry.below:
        return entry, found
    below, deeper = _pick(entry.below, rest if found else "")
    return below, found and (deeper or not rest)


def _split(spec: str) -> tuple[str, str]:
    """``submenu>entry``, where ``>>`` is a literal one."""
    parts = re.split(r"(?<!>)>(?!>)", spec, maxsplit=1)
    return parts[0].replace(">>", ">"), parts[1] if len(parts) > 1 else ""


def _releases(entry: Entry) -> list[str]:
    return [release for each in (entry, *entry.below) for release in [each.release] if release]


def _names(own: Sequence[Entry]) -> tuple[str, str]:
    """What the system is called in titles, and the device in ids; neither is known where there is no menu yet."""
    for entry in own:
        if match := re.match(r"gnulinux-(?:simple|advanced)-(.+)", entry.id):
            title = entry.title[len("Advanced options for ") :] if entry.below else entry.title
            return title.partition(", with Linux ")[0], match[1]
        if match := re.match(r"gnulinux-.+-(?:advanced|recovery)-(.+)", entry.id):
            return entry.title.partition(", with Linux ")[0], match[1]
    return "", ""


def _image(name: str) -> str:
    return name[: -len(".efi.signed")] if name.endswith(".efi.signed") else name
