#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_facts
short_description: Read what an upgrade must know of a node, in one round trip
version_added: 0.1.0
description:
  - Reads kernel, boot, packages, disks, BPF attachments, kernel log, units and what the node reaches, before an upgrade
    and after it, in the same shape, so that both can be compared.
  - It judges nothing. What could not be read is named in RV(facts.unknown) with the reason, and the module does not
    fail for it.
  - It changes nothing but the lists of packages, and these only with O(update_cache=true) outside of check mode.
author:
  - Friday contributors (!UNKNOWN)
requirements:
  - Python 3.9 or newer on the node
  - "bpftool on the node, for V(bpf) (Debian: package C(bpftool); Ubuntu: C(linux-tools-generic))"
options:
  host:
    description:
      - Name of the host in the inventory, to be returned with the facts.
      - Without it, the machine's own host name.
    type: str
  gather:
    description:
      - Sections to read. The fields of all others are returned empty, and RV(facts.unknown) says that they were not
        requested.
      - V(system) is read always.
    type: list
    elements: str
    choices: [all, system, packages, boot, storage, bpf, kernel_log, services, reach]
    default: [all]
  packages_scope:
    description:
      - Which upgrade RV(facts.pending) and RV(facts.kernels) are about.
      - V(all) is a full upgrade.
      - V(kernel) is the kernel alone, that is the installed packages that bring kernels of the running one's flavour,
        by what they depend on (such as C(linux-image-cloud-amd64), C(linux-virtual)), and what these need.
    type: str
    choices: [all, kernel]
    default: all
  update_cache:
    description:
      - Fetch the lists of packages first. If that fails, pending packages and kernels are unknown.
      - In check mode a copy of the lists is refreshed, used and removed; those of the node stay as they are.
    type: bool
    default: false
  timeout:
    description: Seconds that fetching the lists of packages may take.
    type: int
    default: 600
  since:
    description:
      - Ignore kernel messages from earlier than this many seconds after the boot; V(0) reads all since the boot.
    type: float
    default: 0
  reach:
    description:
      - Probes to run from the node, all at the same time.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description:
          - V(ping) is an ICMP echo, by the C(ping) program or else a socket. Where neither is allowed, a TCP connection
            to port 22 that is accepted or refused counts.
          - V(tcp) is a connection.
          - V(http) is a GET request; redirects are not followed, proxies are not used.
          - V(dns) asks one server for the addresses of O(reach[].query), over UDP.
        type: str
        choices: [ping, tcp, http, dns]
        required: true
      target:
        description:
          - For V(ping) a host, for V(tcp) C(host:port), for V(http) a URL.
          - For V(dns) the server, as C(host) or C(host:port).
        type: str
        required: true
      name:
        description:
          - What the target represents; returned with the result, so that probes of changing addresses can be compared.
        type: str
      query:
        description: The domain name to ask for; required for V(dns), and allowed for nothing else.
        type: str
      timeout:
        description: Seconds after which the probe has failed.
        type: float
        default: 5
      status:
        description: HTTP status codes that count as success. Without any, 200 to 399 do.
        type: list
        elements: int
        default: []
      validate_certs:
        description: Whether the certificate of an HTTPS target is checked.
        type: bool
        default: true
extends_documentation_fragment: [friday.upgrade.lock_timeout]
attributes:
  check_mode:
    support: full
    description: Can run in check mode, and reads the same.
  diff_mode:
    support: none
    description: Returns details of what would change.
notes:
  - Needs root for the boot loader, BPF attachments and the kernel log; without it these are unknown.
seealso:
  - module: friday.upgrade.packages
"""

EXAMPLES = r"""
- name: Survey a node
  friday.upgrade.node_facts:
    host: "{{ inventory_hostname }}"
    packages_scope: kernel
    update_cache: true
  register: survey

- name: What changed since the reboot, and can the node reach its network
  friday.upgrade.node_facts:
    host: "{{ inventory_hostname }}"
    gather: [boot, storage, bpf, kernel_log, services, reach]
    reach:
      - {kind: ping, target: 192.0.2.12}
      - {kind: tcp, target: "192.0.2.12:10250", timeout: 3}
      - {kind: http, target: "http://10.42.2.17:8080/healthz"}
      - {kind: dns, target: 10.96.0.10, query: kubernetes.default.svc.cluster.local}
  register: round
"""

RETURN = r"""
changed:
  description: Always false. The lists of packages are a cache; refreshing them does not change the node.
  returned: always
  type: bool
facts:
  description: All fields, always. One that is named in RV(facts.unknown) has its empty value, which means nothing then.
  returned: always
  type: dict
  contains:
    host:
      description: Name of the host in the inventory.
      type: str
      sample: node1
    distribution:
      description: C(ID) of C(/etc/os-release).
      type: str
      sample: debian
    distribution_version:
      description: C(VERSION_ID) of C(/etc/os-release).
      type: str
      sample: "13"
    architecture:
      description: Machine of the running kernel.
      type: str
      sample: x86_64
    kernel:
      description: Release of the running kernel.
      type: str
      sample: 6.1.0-50-cloud-amd64
    kernel_version:
      description: Build of the running kernel.
      type: str
      sample: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-22)"
    boot_id:
      description: The kernel's random identifier of this boot.
      type: str
      sample: 2f1d7a51-6c83-4c0f-94f5-2b0c7f8b1e37
    uptime:
      description: Seconds since the boot.
      type: float
      sample: 1043.52
    package_manager:
      description: Name of the package manager.
      type: str
      sample: apt
    pending:
      description: Packages that the upgrade would change.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the package, with its architecture where that is a foreign one.
          type: str
        installed:
          description: Installed version; empty for a new package.
          type: str
        candidate:
          description: New version; empty for a package that would be removed.
          type: str
        kind:
          description: V(kernel) (image, modules, metapackage), V(headers) or V(other), as the package manager has it.
          type: str
        downgrade:
          description: Whether the new version is older than the installed one.
          type: bool
        initramfs:
          description: Whether it makes an initramfs anew.
          type: bool
        role:
          description: What it is to a node that lives by it, such as V(kubelet), V(ssh); empty for others.
          type: str
      sample: [{name: linux-image-cloud-amd64, installed: 6.1.176-1, candidate: 6.12.107-1, kind: kernel}]
    kept_back:
      description: Packages that the upgrade leaves as they are although there is a newer version, with the reason.
      type: list
      elements: dict
      sample: [{name: mdadm, reason: "deferred by phasing (10% of all machines get it now)"}]
    unavailable:
      description:
        - Files of pending packages that their source does not have, with what was seen. Files of local repositories are
          looked for, web servers are asked for their heads; those of other sources are not looked at.
      type: list
      elements: str
      sample: ["curl_7.88.1-11_amd64.deb (HTTP 404 at http://deb.example.org/curl_7.88.1-11_amd64.deb)"]
    kernel_metapackages:
      description:
        - Installed packages that bring new kernels of the running one's flavour, by what they depend on.
      type: list
      elements: str
      sample: [linux-headers-virtual, linux-image-virtual, linux-virtual]
    held:
      description: Packages on hold, with their kind.
      type: list
      elements: dict
      sample: [{name: kubelet, kind: other}]
    broken:
      description: Packages that are not installed in full, with their state.
      type: list
      elements: str
      sample: [man-db (half-configured)]
    kernels:
      description: Every kernel that the node can boot, or could after the upgrade, the newest first.
      type: list
      elements: dict
      contains:
        release:
          description: As C(uname -r) prints it.
          type: str
        package:
          description: Package that brings its image, or has brought it. Empty for a kernel that no package brought.
          type: str
        installed:
          description: Whether it is in C(/boot), or runs.
          type: bool
        image:
          description: Path of its image; empty where there is none yet.
          type: str
        arriving:
          description: Whether the upgrade brings it, or another build of it.
          type: bool
        leaving:
          description: Whether the upgrade removes it.
          type: bool
        packages:
          description: Packages that arrive with its image and its modules, each with its version.
          type: list
        headers:
          description: Whether its headers arrive with it; null for one that does not arrive.
          type: bool
      sample:
        - release: 6.12.107+deb13-cloud-amd64
          package: linux-image-6.12.107+deb13-cloud-amd64
          installed: false
          image: ""
          arriving: true
          leaving: false
          packages: [[linux-image-6.12.107+deb13-cloud-amd64, 6.12.107-1]]
          headers: false
    remedies:
      description: Commands of the package manager that fix things, for messages.
      type: dict
      sample: {repair: dpkg --configure -a; apt-get -f install, unhold: apt-mark unhold}
    reboot_required:
      description: Whether the node runs something older than what is installed already.
      type: bool
    boot_loader:
      description: V(grub), V(systemd-boot) or V(none).
      type: str
      sample: grub
    boot_next:
      description:
        - Release of the kernel that the boot loader starts once the upgrade is done, by its own files and rules. Empty
          where they do not say.
      type: str
      sample: 6.12.107+deb13-cloud-amd64
    boot_default:
      description: Why that is not the newest kernel, or is not known; empty where it is the newest.
      type: str
      sample: "grub starts 6.1.0-50-amd64 next and not 6.1.0-51-amd64: GRUB is set to start the entry '1>2' (...)"
    boot_fix:
      description: What makes it the newest.
      type: str
      sample: set GRUB_DEFAULT=0 in /etc/default/grub, then update-grub
    file_systems:
      description:
        - Each distinct file system that an upgrade writes to; size and free room in bytes, and in inodes (V(0) where
          their number is not limited).
      type: list
      elements: dict
      sample: [{mount: /, size: 8320901120, free: 5113417728, inodes: 524288, free_inodes: 461201}]
    initramfs:
      description: Size of the largest initramfs in C(/boot), in bytes; V(0) without one.
      type: int
      sample: 41943040
    raid:
      description: RAID arrays; how many members they want and have.
      type: list
      elements: dict
      sample: [{name: md0, state: active, wanted: 2, active: 2, syncing: false}]
    bpf:
      description:
        - Attached BPF programs. Paths of cgroups are relative to the hierarchy's root.
        - Of a network device, C(into_netns) says whether its other end is in another network namespace, as a pod's is.
      type: list
      elements: dict
      sample: [{hook: tc/ingress, device: eth1, program: cil_from_netdev, tag: f03f3c893109830e, into_netns: false}]
    btf:
      description: Whether the running kernel has BTF.
      type: bool
    kernel_log:
      description: Suspicious kernel messages, C([seconds since boot] text), oldest first, at most 50.
      type: list
      elements: str
    failed_units:
      description: Units of systemd in state failed.
      type: list
      elements: str
    competing:
      description: Other actors that upgrade or restart the node, such as V(unattended-upgrades), V(kured).
      type: list
      elements: str
    reach:
      description: Results of the probes, in their order; a dns probe has the target C(name@server).
      type: list
      elements: dict
      sample: [{kind: tcp, target: "192.0.2.12:10250", ok: false, error: Connection refused, seconds: 0.004}]
    unknown:
      description: Fields that were not read, with the reason.
      type: dict
      sample: {bpf: bpftool is not installed}
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.friday.upgrade.plugins.module_utils.facts import SECTIONS, Facts, refresher
from ansible_collections.friday.upgrade.plugins.module_utils.package_manager import Limits
from ansible_collections.friday.upgrade.plugins.module_utils.probes import problem
from ansible_collections.friday.upgrade.plugins.module_utils.system import System

REACH = {
    "kind": {"type": "str", "required": True, "choices": ["ping", "tcp", "http", "dns"]},
    "target": {"type": "str", "required": True},
    "name": {"type": "str"},
    "query": {"type": "str"},
    "timeout": {"type": "float", "default": 5},
    "status": {"type": "list", "elements": "int", "default": []},
    "validate_certs": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str"},
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": ["all", *SECTIONS],
                "default": ["all"],
            },
            "packages_scope": {"type": "str", "choices": ["all", "kernel"], "default": "all"},
            "update_cache": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 300},
            "timeout": {"type": "int", "default": 600},
            "since": {"type": "float", "default": 0},
            "reach": {"type": "list", "elements": "dict", "default": [], "options": REACH},
        },
        supports_check_mode=True,
    )
    asked = module.params
    sections = set(SECTIONS) if "all" in asked["gather"] else set(asked["gather"])
    problems = [problem(probe) for probe in asked["reach"]]
    if asked["reach"] and "reach" not in sections:
        problems.append("reach has probes, but gather does not include reach")
    if any(problems):
        module.fail_json(msg="; ".join(filter(None, problems)))

    scratch = module.tmpdir if module.check_mode else ""
    limits = Limits(lock=asked["lock_timeout"], work=asked["timeout"])
    facts = Facts(
        System(),
        scope=asked["packages_scope"],
        since=asked["since"],
        reach=asked["reach"],
        refresh=refresher(limits, scratch) if asked["update_cache"] else None,
    )
    module.exit_json(changed=False, facts=facts.gather(asked["host"] or os.uname().nodename, sections))


if __name__ == "__main__":
    main()
