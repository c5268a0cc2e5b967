#!/usr/bin/python
# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rehearsal
short_description: Boot kernels in small virtual machines and load BPF programs on them
version_added: 0.1.0
description:
  - Boots each kernel with an initramfs that holds the loader and the objects, and nothing else (no disk, no network);
    loads each program by itself, and returns how the kernel answered.
  - Uses KVM where a guest comes to its end under it, and emulation where not.
  - It judges nothing, and leaves nothing behind. A guest that hangs is ended, and another one goes on behind what it
    hung on.
author:
  - Friday contributors (!UNKNOWN)
requirements:
  - Python 3.9 or newer
  - "QEMU for the kernels' architecture (Debian: packages C(qemu-system-x86), C(qemu-system-arm)), 10.0 or newer where
    KVM does not work. Trials of an architecture without it have the reason as their RV(answers.*.error)."
options:
  cache:
    description: Folder on the host for what is remembered of it (whether KVM works).
    type: path
    required: true
  trials:
    description: What is to be loaded on what.
    type: list
    elements: dict
    required: true
    suboptions:
      key: {description: Name of the trial in the results., type: str, required: true, no_log: false}
      kernel: {description: The kernel's image on the host., type: path, required: true}
      config: {description: The options that it was built with (C(/boot/config-*))., type: path, default: ""}
      loader: {description: "The loader on the host, a static program for this machine.", type: path, required: true}
      machine: {description: "The kernel's architecture, as C(uname -m) prints it.", type: str, default: x86_64}
      sysctls: {description: To be set in the guest before anything is loaded., type: dict, default: {}}
      seconds: {description: Without progress after which the guest is ended., type: float, default: 180}
      program_seconds: {description: After which the load of one program is ended., type: float, default: 90}
      objects:
        description: The objects.
        type: list
        elements: dict
        default: []
        suboptions:
          name: {description: Name of the object in the results., type: str, required: true}
          file: {description: The file on the host., type: path, required: true}
          contents: {description: "Contents of maps, hexadecimal, by the maps' names.", type: dict, default: {}}
  parallel:
    description: Number of guests at a time; V(0) is by the host's processors and memory.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: Can run in check mode, and does the same.
  diff_mode:
    support: none
    description: Returns details of what would change.
seealso:
  - module: friday.upgrade.rehearse
"""

EXAMPLES = r"""
- name: Try the programs of an object on a kernel
  friday.upgrade.rehearsal:
    cache: /var/cache/friday
    trials:
      - key: next
        loader: /usr/local/lib/friday/loader
        kernel: /boot/vmlinuz-6.12.107+deb13-cloud-amd64
        objects: [{name: agent, file: /opt/agent/agent.o}]
"""

RETURN = r"""
changed:
  description: Always false.
  returned: always
  type: bool
accelerator:
  description: V(kvm) or V(tcg) (emulation, of one of the architectures at least).
  returned: success
  type: str
seconds:
  description: For all trials.
  returned: success
  type: float
answers:
  description: Key of the trial to the guest's answer; with RV(answers.*.error) where there is none.
  returned: success
  type: dict
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import guest

OBJECT = {
    "name": {"type": "str", "required": True},
    "file": {"type": "path", "required": True},
    "contents": {"type": "dict", "default": {}},
}
TRIAL = {
    "key": {"type": "str", "required": True, "no_log": False},
    "kernel": {"type": "path", "required": True},
    "config": {"type": "path", "default": ""},
    "loader": {"type": "path", "required": True},
    "machine": {"type": "str", "default": "x86_64"},
    "sysctls": {"type": "dict", "default": {}},
    "seconds": {"type": "float", "default": 180},
    "program_seconds": {"type": "float", "default": 90},
    "objects": {"type": "list", "elements": "dict", "options": OBJECT, "default": []},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cache": {"type": "path", "required": True},
            "trials": {"type": "list", "elements": "dict", "options": TRIAL, "required": True},
            "parallel": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    began = time.monotonic()
    trials = {each["key"]: (_trial(each), Path(each["loader"])) for each in module.params["trials"]}
    processors: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for trial, loader in trials.values():
        if trial.machine not in processors and trial.machine not in missing:
            try:
                processors[trial.machine] = guest.processor(trial, loader, Path(module.params["cache"]))
            except guest.GuestError as error:
                missing[trial.machine] = str(error)
    if trials and not processors:
        module.fail_json(msg="; ".join(missing.values()))

    def answer(given: tuple[guest.Trial, Path]) -> dict[str, Any]:
        trial, loader = given
        if trial.machine in missing:
            return _without(missing[trial.machine])
        return _run(trial, loader, processors[trial.machine])

    with ThreadPoolExecutor(guest.at_once(module.params["parallel"])) as pool:
        results = dict(zip(trials, pool.map(answer, trials.values())))
    seconds = round(time.monotonic() - began, 2)
    emulated = any("tcg" in processor for processor in processors.values())
    module.exit_json(changed=False, answers=results, accelerator="tcg" if emulated else "kvm", seconds=seconds)


def _run(trial: guest.Trial, loader: Path, processor: list[str]) -> dict[str, Any]:
    try:
        return guest.run_through(trial, loader, processor)
    except (guest.GuestError, OSError) as error:
        return _without(str(error))


def _without(error: str) -> dict[str, Any]:
    return {"error": f"could not be done: {error}", "complete": False, "objects": {}}


def _trial(given: dict[str, Any]) -> guest.Trial:
    objects = []
    for each in given["objects"]:
        contents = {name: bytes.fromhex(content) for name, content in each["contents"].items()}
        objects.append(guest.Object(each["name"], Path(each["file"]), contents))
    sysctls = {name: str(value) for name, value in given["sysctls"].items()}
    return guest.Trial(
        Path(given["kernel"]),
        objects,
        sysctls,
        given["machine"],
        Path(given["config"]) if given["config"] else None,
        given["seconds"],
        given["program_seconds"],
    )


if __name__ == "__main__":
    main()
