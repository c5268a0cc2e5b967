# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""RAID, file systems, boot loaders, units and other actors."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.friday.upgrade.plugins.module_utils import boot_loader, services, storage
from ansible_collections.friday.upgrade.plugins.module_utils.system import Result, System, Unreadable
from tests.unit.modules.fakes import FakeSystem

MDSTAT = """\
Personalities : [raid1] [raid6] [raid5] [raid4] [raid0]
md0 : active raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]

md1 : active raid1 sdb2[2] sda2[0]
      487104 blocks super 1.2 [2/1] [U_]
      [==>..................]  recovery = 12.6% (61824/487104) finish=0.2min speed=30912K/sec

md2 : active raid5 sdd1[3](F) sdc1[1] sdb3[0]
      2093056 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [UU_]
      bitmap: 0/1 pages [0KB], 65536KB chunk

md3 : active (auto-read-only) raid1 sdf1[1] sde1[0]
      1046528 blocks super 1.2 [2/2] [UU]
        resync=PENDING

md4 : active raid1 sdh1[1] sdg1[0]
      1046528 blocks super 1.2 [2/2] [UU]
      [====>................]  check = 22.1% (231296/1046528) finish=0.3min speed=38549K/sec

md5 : active raid0 sdj1[1] sdi1[0]
      2093056 blocks super 1.2 512k chunks

md127 : inactive sdk1[1](S)
      1046528 blocks super 1.2

unused devices: <none>
"""


def test_mdstat() -> None:
    arrays = [tuple(array.values()) for array in storage.parse_mdstat(MDSTAT)]
    assert arrays == [
        ("md0", "active", 2, 2, False),
        ("md1", "active", 2, 1, True),
        ("md2", "active", 3, 2, False),
        ("md3", "active (auto-read-only)", 2, 2, True),
        ("md4", "active", 2, 2, False),
        ("md5", "active", 2, 2, False),
        ("md127", "inactive", 1, 0, False),
    ]


def test_a_container_of_firmware_raid_is_no_array() -> None:
    arrays = storage.parse_mdstat(
        "Personalities : [raid1]\n"
        "md126 : active raid1 sda[1] sdb[0]\n"
        "      976759808 blocks super external:/md127/0 [2/2] [UU]\n\n"
        "md127 : inactive sdb[1](S) sda[0](S)\n"
        "      6306 blocks super external:imsm\n\n"
        "unused devices: <none>\n"
    )
    assert [(array["name"], array["wanted"], array["active"]) for array in arrays] == [("md126", 2, 2)]


def test_no_md_driver_is_no_array(tmp_path: Path) -> None:
    assert storage.raid(FakeSystem(tmp_path)) == []
    assert storage.parse_mdstat("Personalities : \nunused devices: <none>\n") == []


def test_a_file_system_is_told_once(tmp_path: Path) -> None:
    for folder in ("boot", "var"):
        (tmp_path / folder).mkdir()
    (only,) = storage.file_systems(System(str(tmp_path)))
    assert only["mount"] == "/" and 0 < only["free"] < only["size"]


GRUB_CFG = """\
menuentry 'Debian GNU/Linux' --class debian {
	linux	/boot/vmlinuz-6.12.107+deb13-cloud-amd64 root=UUID=1 ro  quiet
	initrd	/boot/initrd.img-6.12.107+deb13-cloud-amd64
}
submenu 'Advanced options' {
	menuentry 'old' {
		linux	/vmlinuz-6.1.0-50-cloud-amd64 root=UUID=1 ro single
	}
}
"""


class TestGrub:
    @pytest.fixture
    def system(self, tmp_path: Path) -> FakeSystem:
        return FakeSystem(tmp_path, {"/boot/grub/grub.cfg": GRUB_CFG}, ("grub-mkconfig",))

    def test_releases_with_boot_as_its_own_file_system_or_not(self, system: FakeSystem) -> None:
        loader = boot_loader.find(system)
        assert loader and loader.name == "grub"
        assert loader.releases() == ["6.1.0-50-cloud-amd64", "6.12.107+deb13-cloud-amd64"]


def test_systemd_boot_where_it_says_so_itself(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path, {"/boot/grub/grub.cfg": GRUB_CFG}, ("update-grub",))
    entry = "title Debian\nversion 6.12.107+deb13-amd64\nlinux /abc/6.12.107+deb13-amd64/linux\n"
    system.write("/boot/efi/loader/entries/abc-6.12.107+deb13-amd64.conf", entry)
    variable = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    system.write(variable, "\6\0\0\0" + "systemd-boot 257.7-1\0".encode("utf-16-le").decode("latin1"))
    loader = boot_loader.find(system)
    assert loader and (loader.name, loader.releases()) == ("systemd-boot", ["6.12.107+deb13-amd64"])


def test_no_boot_loader(tmp_path: Path) -> None:
    assert boot_loader.find(FakeSystem(tmp_path)) is None


def test_failed_units(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path)
    system.answers["systemctl list-units"] = (
        "logrotate.service loaded failed failed Rotate log files\ndev-sdb1.swap loaded failed failed /dev/sdb1\n"
    )
    assert services.failed_units(system) == ["dev-sdb1.swap", "logrotate.service"]
    system.answers["systemctl list-units"] = Result(1, "", "Failed to connect to bus: Host is down")
    with pytest.raises(Unreadable, match="Host is down"):
        services.failed_units(system)


def test_competing_actors(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path, programs=("systemctl", "unattended-upgrade", "apt-config", "needrestart"))
    system.answers = {
        "systemctl is-active": Result(3, "active\ninactive\n", ""),
        "apt-config dump": 'APT::Periodic "";\nAPT::Periodic::Unattended-Upgrade "1";\n',
    }
    system.write("/proc/100/comm", "kured\n")
    system.write("/proc/101/comm", "bash\n")
    system.write("/proc/102/comm", "unattended-upgr\n")
    system.write("/proc/102/cmdline", "python3\0/usr/share/unattended-upgrades/unattended-upgrade-shutdown\0--wait")
    assert services.competing(system) == ["apt-daily.timer", "kured", "needrestart", "unattended-upgrades"]
    system.answers["apt-config dump"] = 'APT::Periodic::Unattended-Upgrade "0";\n'
    assert "unattended-upgrades" not in services.competing(system)
    system.write("/proc/102/cmdline", "python3\0/usr/bin/unattended-upgrade\0")
    assert "unattended-upgrades" in services.competing(system)


def test_a_quiet_machine(tmp_path: Path) -> None:
    assert services.competing(FakeSystem(tmp_path)) == []
