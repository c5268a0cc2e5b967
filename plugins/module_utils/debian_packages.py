# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What packages of Debian's kind are to a node: its kernel by dependencies, its initramfs, what it lives by, pins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .debian_kernels import DebianKernels
from .kernel_release import parse
from .package_manager import HEADERS, KERNEL, OTHER
from .system import System, Unreadable
from .version_order import compare_dpkg

# What a kernel's metapackage may depend on; one that needs anything else (proxmox-ve) is more than the kernel's.
_FAMILY = re.compile(r"^(?:linux|proxmox-(?:default-)?(?:kernel|headers)|pve-(?:kernel|headers|firmware))(?:-|$)")
_WITH_KERNELS = re.compile(r"firmware|microcode|^(?:crda|wireless-regdb|thermald|kmod|ubuntu-drivers-common)")

_ROLES = {
    "kubelet": ("kubelet",),
    "Kubernetes": ("kubeadm", "kubectl", r"kubernetes-\S+", r"k3s\S*", r"rke2\S*", "etcd(?:-server)?", "cri-tools"),
    "container runtime": (
        *(r"containerd(?:\.io)?", r"cri-o(?:-\S+)?", r"docker(?:\.io|-ce|-engine|-ce-rootless-extras)"),
        *("runc", "crun", "podman", "conmon"),
    ),
    "network": (
        *("kubernetes-cni", "containernetworking-plugins", r"cilium-\S+", r"calico-\S+", r"netplan(?:\.io|-\S+)"),
        *("networkd-dispatcher", "network-manager", "ifupdown2?", "systemd-networkd", "systemd-resolved", "resolvconf"),
        *("iproute2", "iptables", "nftables", "openvswitch-switch", "frr", "bird2?", "keepalived"),
        *(r"wireguard(?:-tools)?", "isc-dhcp-client", r"dhcpcd\S*", "firewalld", "ufw"),
    ),
    "boot loader": (
        *(r"grub-\S+", "grub2-common", r"shim-\S+", r"systemd-boot\S*", "proxmox-boot-tool", "flash-kernel"),
        *(r"u-boot-\S+", r"initramfs-tools(?:-\S+)?", r"dracut\S*"),
    ),
    "ssh": ("openssh-server", "openssh-sftp-server", r"dropbear\S*"),
    "init": ("systemd", "systemd-sysv", "init", "udev", "dbus", "dbus-daemon"),
    "storage": (
        *("lvm2", "mdadm", "multipath-tools", "open-iscsi", r"cryptsetup\S*", "zfsutils-linux"),
        *("nfs-common", "ceph-common"),
    ),
    "access": ("sudo", r"libpam-\S+", r"python3(?:\.\d+)?(?:-minimal)?"),
}
_ROLE = tuple((role, re.compile(rf"(?:{'|'.join(names)})(?::\w+)?")) for role, names in _ROLES.items())

# Packages that make an initramfs anew, where their own files do not say it (they are not installed yet).
_INITRAMFS = re.compile(
    r"^(?:initramfs-tools|dracut|busybox-initramfs|cryptsetup-initramfs|\S*microcode|firmware-|linux-firmware|pve-firmware"
    r"|mdadm|lvm2|zfs-initramfs|plymouth|btrfs-progs|console-setup|keyboard-configuration|\S+-dkms)"
)
_HOOKS = (
    *("/usr/share/initramfs-tools/", "/etc/initramfs-tools/", "/usr/lib/dracut/"),
    *("/lib/firmware/", "/usr/lib/firmware/"),
)


def metapackages(kernels: DebianKernels, depends: Mapping[str, str], flavour: str) -> list[str]:
    """The packages that bring kernels of this flavour, or what belongs to them, and nothing else: by dependencies.

    Args:
        depends: what each installed package depends on (deb-control(5)).
    """
    if not flavour:
        return []
    found = {name for name in depends if _of_flavour(kernels, name, flavour)}
    images = set(found)
    family = {name for name in depends if _FAMILY.match(name)}
    while more := {name for name in family - found if _brings(depends[name], found)}:
        found |= more
    return sorted(found - images)


def metapackage_kind(kernels: DebianKernels, depends: Mapping[str, str], package: str) -> str:
    """``KERNEL`` or ``HEADERS`` for an installed package that is only there for what it depends on; else ``OTHER``."""
    if not _FAMILY.match(package):
        return OTHER
    seen: set[str] = set()
    waiting = [package]
    kinds = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in depends:
            continue
        seen.add(name)
        needed = list(_needed(depends[name]))
        if kernels.image_release(name) or re.search(r"-headers-\d", name):
            kinds.add(HEADERS if kernels.kind(name) == HEADERS else KERNEL)
        elif needed and all(map(_of_family, needed)):
            waiting += needed
        elif name == package:
            return OTHER
    return KERNEL if KERNEL in kinds else HEADERS if HEADERS in kinds else OTHER


def _of_flavour(kernels: DebianKernels, name: str, flavour: str) -> bool:
    """An image, or its headers or modules, with the release in its name."""
    release = kernels.image_release(name)
    if not release and (match := re.match(r"^(?:linux|proxmox|pve)-(?:headers|modules|modules-extra)-(\d\S*)$", name)):
        release = match[1]
    return bool(release) and parse(release).flavour == flavour


def _brings(needed: str, found: set[str]) -> bool:
    names = list(_needed(needed))
    return any(name in found for name in names) and all(map(_of_family, names))


def _of_family(name: str) -> bool:
    return bool(_FAMILY.match(name) or _WITH_KERNELS.search(name))


def _needed(field: str) -> Iterator[str]:
    """The first of each group of alternatives: what is installed for it, mostly."""
    for group in field.split(","):
        if match := re.match(r"\s*([a-z0-9][a-z0-9.+-]*)", group):
            yield match[1]


def role(package: str) -> str:
    """What the package is to a node that lives by it; empty for others."""
    return next((role for role, names in _ROLE if names.fullmatch(package)), "")


def makes_initramfs(system: System, package: str) -> bool:
    """Whether the change of a package makes an initramfs anew: by its files and scripts, else by its name."""
    name = package.partition(":")[0]
    if _INITRAMFS.match(name):
        return True
    info = f"/var/lib/dpkg/info/{name}"
    try:
        scripts = [system.read(found) for found in (f"{info}.postinst", f"{info}.triggers") if system.exists(found)]
        if any("update-initramfs" in text or "dracut" in text for text in scripts):
            return True
        files = system.read(f"{info}.list").splitlines() if system.exists(f"{info}.list") else []
    except Unreadable:
        return True
    return any(file.startswith(_HOOKS) for file in files)


def pinned(policy: str) -> dict[str, str]:
    """Packages that a pin keeps from the newest version, with the reason, from the output of ``apt-cache policy``."""
    found = {}
    for name, stanza in re.findall(r"^(\S+):\n((?:^ .*\n?)+)", policy, re.MULTILINE):
        fields = dict(re.findall(r"^  (Installed|Candidate): (\S+)$", stanza, re.MULTILINE))
        table = dict(re.findall(r"^ (?:\*\*\*|   ) (\S+) (-?\d+)$", stanza, re.MULTILINE))
        candidate = fields.get("Candidate", "(none)")
        if fields.get("Installed", "(none)") == "(none)" or candidate not in table:
            continue
        for version, priority in table.items():
            # An archive that is not meant for upgrades (backports, experimental) has a priority below 500 of its own.
            forbidden = int(priority) < 0 or 500 <= int(priority) < int(table[candidate])
            if forbidden and compare_dpkg(version, candidate) > 0:
                found[name] = f"a pin keeps it at {candidate} ({version} is available)"
                break
    return found
