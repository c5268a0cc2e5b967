# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What GRUB starts next, by its menu, its environment and the settings that the next menu is made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils.apt import Apt
from ansible_collections.friday.upgrade.plugins.module_utils.boot_loader import NextBoot, Undecided
from ansible_collections.friday.upgrade.plugins.module_utils.bootable import boot_after, not_newest, reboot_required
from ansible_collections.friday.upgrade.plugins.module_utils.debian_kernels import DebianKernels
from ansible_collections.friday.upgrade.plugins.module_utils.grub import Grub, parse_menu
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Change
from tests.unit.modules.fakes import FakeSystem

OLD, NEW = "6.1.0-50-cloud-amd64", "6.12.107+deb13-cloud-amd64"
FIRST, REBUILT = "6.12.57+deb13-cloud-amd64", "6.12.57+deb13+1-cloud-amd64"
UUID = "1f0c-9a"
HEADER = """### BEGIN /etc/grub.d/00_header ###
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="{default}"
fi
function savedefault {{
  if [ -z "${{boot_once}}" ]; then
    saved_entry="${{chosen}}"
  fi
}}
### END /etc/grub.d/00_header ###
"""
OTHERS = """### BEGIN /etc/grub.d/30_uefi-firmware ###
if [ "$grub_platform" = "efi" ]; then
	fwsetup --is-supported
	if [ "$?" = 0 ]; then
		menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
			fwsetup
		}
	fi
fi
### END /etc/grub.d/30_uefi-firmware ###
### BEGIN /etc/grub.d/40_custom ###
### END /etc/grub.d/40_custom ###
### BEGIN /etc/grub.d/41_custom ###
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
elif [ -z "${config_directory}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
### END /etc/grub.d/41_custom ###
"""
MKCONFIG_2_06 = "version_find_latest $list"
LIBRARY_2_06 = 'dpkg --compare-versions "$version_test_gt_a" "$version_test_gt_cmp" "$version_test_gt_b"'


def entry(title: str, id_: str, release: str) -> str:
    return (
        f"menuentry '{title}' --class debian $menuentry_id_option '{id_}' {{\n\tload_video\n"
        "	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi\n"
        f"	linux	/boot/vmlinuz-{release} root=UUID={UUID} ro quiet\n"
        f"	initrd	/boot/initrd.img-{release}\n}}\n"
    )


def menu(*order: str, default: str = "0") -> str:
    """As grub-mkconfig of Debian writes it."""
    system = "Debian GNU/Linux"
    below = "".join(
        entry(f"{system}, with Linux {release}", f"gnulinux-{release}-advanced-{UUID}", release)
        + entry(f"{system}, with Linux {release} (recovery mode)", f"gnulinux-{release}-recovery-{UUID}", release)
        for release in order
    )
    linux = entry(system, f"gnulinux-simple-{UUID}", order[0])
    submenu = f"submenu 'Advanced options for {system}' $menuentry_id_option 'gnulinux-advanced-{UUID}' {{\n{below}}}\n"
    section = f"### BEGIN /etc/grub.d/10_linux ###\nfunction gfxmode {{\n}}\n{linux}{submenu}"
    return f"{HEADER.format(default=default)}{section}### END /etc/grub.d/10_linux ###\n{OTHERS}"


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    return FakeSystem(tmp_path, {"/boot/grub/grub.cfg": menu(NEW, OLD)}, ("grub-mkconfig",))


def now(system: FakeSystem, *releases: str) -> NextBoot:
    return Grub(system).next_boot(releases or (NEW, OLD), remade=False)


def later(system: FakeSystem, *releases: str) -> NextBoot:
    return Grub(system).next_boot(releases or (NEW, OLD), remade=True)


def test_the_menu_is_read_with_its_submenu() -> None:
    entries = parse_menu(menu(NEW, OLD))
    assert [(each.title, each.release, len(each.below)) for each in entries] == [
        ("Debian GNU/Linux", NEW, 0),
        ("Advanced options for Debian GNU/Linux", "", 4),
        ("UEFI Firmware Settings", "", 0),
    ]
    assert [each.id for each in entries[1].below][2:] == [
        f"gnulinux-{OLD}-{kind}-{UUID}" for kind in ("advanced", "recovery")
    ]


@pytest.mark.parametrize(
    ("default", "release"),
    [
        ("0", NEW),
        ("1", NEW),  # a submenu's own default is its first entry
        ("1>0", NEW),
        ("1>1", NEW),
        ("1>2", OLD),
        ("7", NEW),  # no such entry: the first
        ("1>7", NEW),
        (f"gnulinux-advanced-{UUID}>gnulinux-{OLD}-advanced-{UUID}", OLD),
        (f"Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux {OLD}", OLD),
        (f"1>Debian GNU/Linux, with Linux {OLD} (recovery mode)", OLD),
        ("gone", NEW),
        ("gnulinux-advanced-0>gone", NEW),
        ("", NEW),
    ],
)
def test_an_entry_by_number_title_or_id(system: FakeSystem, default: str, release: str) -> None:
    system.write("/boot/grub/grub.cfg", menu(NEW, OLD, default=default))
    assert now(system).release == release
    system.write("/boot/grub/grub.cfg", menu(NEW, OLD, default="${saved_entry}"))
    system.write("/boot/grub/grubenv", f"# GRUB Environment Block\nsaved_entry={default}\n####")
    assert now(system).release == release, "saved"
    system.write("/boot/grub/grub.cfg", menu(NEW, OLD))
    system.write("/etc/default/grub", f'GRUB_DEFAULT="{default}"\n')
    assert later(system).release == release, "in the menu that will be made"


def test_what_is_saved_counts_only_where_it_is_asked_for(system: FakeSystem) -> None:
    system.write("/boot/grub/grubenv", "saved_entry=1>2\n")
    assert (now(system).release, later(system).release) == (NEW, NEW)
    system.write("/etc/default/grub", "GRUB_DEFAULT=saved\n")
    assert (now(system).release, later(system).release) == (NEW, OLD), "the menu was not made anew since"


def test_a_single_boot_of_another_entry(system: FakeSystem) -> None:
    system.write("/boot/grub/grubenv", "saved_entry=0\nnext_entry=1>2\n")
    for found in (now(system), later(system)):
        assert (found.release, found.fix) == (OLD, "grub-editenv - unset next_entry")
        assert "next_entry in grubenv" in found.rule


def test_files_that_override_the_default(system: FakeSystem) -> None:
    system.write("/etc/default/grub", "GRUB_DEFAULT=0\n#GRUB_DEFAULT=9\n")
    system.write("/etc/default/grub.d/50-cloud.cfg", "export GRUB_DEFAULT='1>2' # pinned\n")
    assert later(system).release == OLD
    system.write("/etc/default/grub.d/60-again.cfg", "GRUB_DEFAULT=0\n")
    assert later(system).release == NEW


def test_custom_cfg(system: FakeSystem) -> None:
    system.write("/boot/grub/custom.cfg", f"{entry('mine', 'mine', OLD)}set default=mine\n")
    for found in (now(system), later(system)):
        assert found.release == OLD
        assert "custom.cfg" in found.fix
    system.write("/boot/grub/custom.cfg", "if [ -f /x ]; then\n set default=1\nfi\n")
    with pytest.raises(Undecided, match="on a condition"):
        now(system)
    system.write("/boot/grub/custom.cfg", entry("mine", "mine", OLD))
    assert now(system).release == NEW, "an entry behind the others changes nothing"


def test_an_entry_that_is_no_kernel(system: FakeSystem) -> None:
    system.write("/boot/grub/grub.cfg", menu(NEW, OLD, default="uefi-firmware"))
    with pytest.raises(Undecided, match="'UEFI Firmware Settings', which is not a Linux kernel"):
        now(system)


def test_a_menu_with_a_kernel_that_is_gone(system: FakeSystem) -> None:
    with pytest.raises(Undecided, match="not in /boot"):
        now(system, OLD)
    assert later(system, OLD).release == OLD


def test_a_default_by_a_variable_cannot_be_known(system: FakeSystem) -> None:
    system.write("/etc/default/grub", 'GRUB_DEFAULT="${favourite}"\n')
    with pytest.raises(Undecided, match="favourite"):
        later(system)


def test_the_order_of_the_menu_is_mkconfigs(system: FakeSystem) -> None:
    """Of 2.12 it is that of `sort -V` over paths, before of dpkg; neither is that of the packages."""
    system.write("/boot/grub/grub.cfg", menu(FIRST))
    assert later(system, FIRST, REBUILT).release == FIRST
    plain = tuple(name.replace("cloud-", "") for name in (FIRST, REBUILT))
    system.write("/etc/grub.d/10_linux", "reverse_sorted_list=$(echo $list | version_sort -r)\nGRUB_TOP_LEVEL\n")
    assert later(system, *plain).release == plain[0]
    system.write("/etc/grub.d/10_linux", MKCONFIG_2_06)
    system.write("/usr/share/grub/grub-mkconfig_lib", LIBRARY_2_06)
    assert later(system, FIRST, REBUILT).release == FIRST
    assert later(system, *plain).release == plain[1]
    assert later(system, "6.16-rc7-amd64", "6.16-amd64").release == "6.16-amd64"


def test_top_level(system: FakeSystem) -> None:
    system.write("/etc/default/grub", f"GRUB_TOP_LEVEL=/boot/vmlinuz-{REBUILT}\n")
    assert later(system, FIRST, REBUILT).release == REBUILT
    system.write("/etc/grub.d/10_linux", MKCONFIG_2_06)
    assert later(system, FIRST, REBUILT).release == FIRST, "that GRUB does not know it"
    system.write("/etc/grub.d/10_linux", "GRUB_TOP_LEVEL")
    system.write("/etc/default/grub", "GRUB_TOP_LEVEL=/boot/vmlinuz-9.9\n")
    assert later(system, FIRST, REBUILT).release == FIRST


def test_without_submenus_and_recovery(system: FakeSystem) -> None:
    system.write("/etc/default/grub", "GRUB_DISABLE_SUBMENU=y\nGRUB_DEFAULT=2\n")
    assert later(system).release == OLD, "normal and recovery of the first come before"
    system.write("/etc/default/grub", "GRUB_DISABLE_SUBMENU=true\nGRUB_DISABLE_RECOVERY=true\nGRUB_DEFAULT=1\n")
    assert later(system).release == OLD


def test_ubuntus_order_of_flavours_is_not_followed(system: FakeSystem) -> None:
    system.write("/etc/default/grub.d/40-flavour.cfg", "GRUB_FLAVOUR_ORDER=generic\n")
    with pytest.raises(Undecided, match="GRUB_FLAVOUR_ORDER"):
        later(system)
    assert later(system, NEW).release == NEW


def test_entries_of_other_scripts_count_in_numbers(system: FakeSystem) -> None:
    mine = f"### BEGIN /etc/grub.d/05_mine ###\n{entry('mine', 'mine', OLD)}### END /etc/grub.d/05_mine ###\n"
    linux = "### BEGIN /etc/grub.d/10_linux"
    system.write("/boot/grub/grub.cfg", menu(NEW, OLD).replace(linux, f"{mine}{linux}"))
    assert (now(system).release, later(system).release) == (OLD, OLD)


def test_a_kernel_that_arrives_is_first_unless_one_is_named(system: FakeSystem) -> None:
    newer = "6.12.120+deb13-cloud-amd64"
    pending = [Change(f"linux-image-{newer}", "", "6.12.120-1")]
    names, loader = DebianKernels(), Grub(system)
    assert boot_after(loader, names, pending, {NEW, OLD}, OLD).release == newer
    system.write("/etc/default/grub", "GRUB_DEFAULT='1>2'\n")
    found = boot_after(loader, names, pending, {NEW, OLD}, OLD)
    assert found.release == NEW, "the third in the submenu is now the kernel that was first"
    reason, fix = not_newest(loader, found, {NEW, OLD, newer}, OLD)
    assert f"starts {NEW} next and not {newer}: GRUB is set to start the entry '1>2'" in reason
    assert fix == "set GRUB_DEFAULT=0 in /etc/default/grub, then update-grub"


def test_the_menu_stays_unless_something_makes_it_anew(system: FakeSystem) -> None:
    system.write("/etc/default/grub", "GRUB_DEFAULT='1>2'\n")
    names, loader = DebianKernels(), Grub(system)
    assert boot_after(loader, names, [Change("tzdata", "1", "2")], {NEW, OLD}, OLD).release == NEW
    assert boot_after(loader, names, [Change("grub-pc", "1", "2")], {NEW, OLD}, OLD).release == OLD


def test_what_to_do_about_the_order(system: FakeSystem) -> None:
    system.write("/boot/grub/grub.cfg", menu(FIRST))
    loader = Grub(system)
    reason, fix = not_newest(loader, later(system, FIRST, REBUILT), {FIRST, REBUILT}, FIRST)
    assert reason == f"grub starts {FIRST} next and not {REBUILT}: it is the first in the menu"
    assert fix == f"set GRUB_TOP_LEVEL=/boot/vmlinuz-{REBUILT} in /etc/default/grub"
    assert not_newest(loader, later(system), {NEW, OLD}, OLD) == ("", "")


def test_a_newer_kernel_that_is_not_started_asks_for_no_reboot(system: FakeSystem) -> None:
    system.write("/boot/grub/grub.cfg", menu(FIRST, REBUILT))
    for release in (FIRST, REBUILT):
        system.write(f"/boot/vmlinuz-{release}", "x")
    manager, version = Apt(system), "#1 SMP Debian 6.12.57-1"
    assert not reboot_required(system, manager, {}, FIRST, version, Grub(system))
    assert reboot_required(system, manager, {}, FIRST, version, None)


@pytest.mark.parametrize(
    ("default", "release"),
    [("0", NEW), ("1>2", OLD), (f"x>Debian GNU/Linux, with Linux {OLD}", OLD), ("gnulinux-simple-1", ""), ("2", "")],
)
def test_a_menu_that_is_not_there_yet(system: FakeSystem, default: str, release: str) -> None:
    system.write("/boot/grub/grub.cfg", "")
    system.write("/etc/default/grub", f'GRUB_DEFAULT="{default}"\n')
    if release:
        assert now(system).release == release
    else:
        with pytest.raises(Undecided, match="can't be known"):
            now(system)
