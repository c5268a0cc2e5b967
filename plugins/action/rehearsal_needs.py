# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find what has to be rehearsed: see the documentation of the module friday.upgrade.rehearsal_needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import rehearsal as decide
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import PlannedHost
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    BpfState,
    KernelSource,
    OfferedKernel,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.files import BASELINE_FILE, GROUPS_FILE
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import (
    BPF_RESULT,
    KERNELS_RESULT,
    Groups,
    Store,
)


class ActionModule(FridayAction):
    """Group the planned hosts by what one rehearsal is good for, and name the kernels that are not here yet."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "cache": {"type": "path", "default": ""},
        "kernel": {"type": "str", "default": ""},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``kernels`` (each with the host to ask, and where that has it from) and ``trials`` (are there any)."""
        session, store, kernel = self.session(task_vars), Store(arguments["cache"]), arguments["kernel"]
        seen = session.files.load(Observation, BASELINE_FILE)
        facts = seen.facts if seen else {}
        offers = _offers(facts, task_vars) if kernel else {}
        nodes = {host: str(task_vars["hostvars"][host].get("friday_node_name") or host) for host in facts}
        hosts = decide.asked_for(facts, nodes, kernel, offers) if kernel else session.files.plan().hosts()
        found = Groups(skipped="switched off (friday_rehearsal: skip)")
        if session.problems:
            found = Groups(skipped="the run's other problems must be fixed first")
        elif session.policy.rehearsal != "skip":
            groups = decide.groups(hosts, facts, _states(hosts, task_vars), _agents(seen), offers)
            found = Groups(groups, "" if groups else _why_none(hosts, kernel))
            if kernel == decide.NEWEST:
                unread = {host: _reason(task_vars, host, KERNELS_RESULT) for host in facts if host not in offers}
                found = replace(found, unread=unread)
            found = replace(found, newest=kernel == decide.NEWEST or "," in kernel)
        session.files.save(found, GROUPS_FILE)
        wanted: dict[KernelSource, str] = {}
        for group in found.groups:
            # Without anything to rehearse there are still the candidate's modules and options.
            for source in (group.running, group.candidate) if group.state.objects else (group.candidate,):
                if decide.volatile(source) or store.image(source) is None:
                    wanted.setdefault(source, group.host)
        kernels = [{"host": host, "name": source.name, "source": to_data(source)} for source, host in wanted.items()]
        return {"changed": False, "kernels": kernels, "trials": any(group.state.objects for group in found.groups)}


def _why_none(hosts: Sequence[PlannedHost], kernel: str) -> str:
    if kernel == decide.NEWEST:
        return "the package sources have no kernel newer than the running ones"
    return "no host gets another kernel" if hosts else "nothing is planned"


def _offers(hosts: Iterable[str], task_vars: Mapping[str, Any]) -> dict[str, tuple[OfferedKernel, ...]]:
    """By host, the kernels that its package sources have."""
    results = {host: to_data(task_vars["hostvars"][host].get(KERNELS_RESULT) or {}) for host in hosts}
    return {
        host: tuple(
            OfferedKernel(each["release"], tuple((one["name"], one["version"]) for one in each["packages"]))
            for each in result["kernels"]
        )
        for host, result in results.items()
        if "kernels" in result
    }


def _reason(task_vars: Mapping[str, Any], host: str, result: str) -> str:
    """Why a task of the survey has no answer of a host."""
    said = task_vars["hostvars"][host].get(result) or {}
    return str(said.get("msg") or "no answer").strip().splitlines()[-1][:300]


def _agents(seen: Observation | None) -> dict[str, str]:
    """The network's agent with its version, by node."""
    snapshot = seen.snapshot if seen else None
    return {each.node: f"{snapshot.cni} {each.version}" for each in snapshot.agents if each.version} if snapshot else {}


def _states(hosts: Sequence[PlannedHost], task_vars: Mapping[str, Any]) -> dict[str, BpfState]:
    """What was captured on the hosts; of one that did not answer, why."""
    states = {}
    for planned in hosts:
        result = to_data(task_vars["hostvars"][planned.host].get(BPF_RESULT) or {})
        if "objects" in result:
            states[planned.host] = from_data(BpfState, result)
        elif result:
            reason = _reason(task_vars, planned.host, BPF_RESULT)
            states[planned.host] = BpfState(unknown={"objects": reason, "live": reason})
    return states
