# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster in memory, and a Friday on it: every decision is Friday's own, everything that acts is made up here.

It has the three nodes of tests/unit/checks/three_nodes.py. No Ansible, no API server, and the clock is a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import final, judging, planning, rounds
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.drain import drain
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.gate import gate
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.give_up import after_failure
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.health import baseline
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.outcome import outcome
from ansible_collections.friday.upgrade.plugins.plugin_utils.model import steps
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, Reach
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost, Target
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, EventKind, RunRecord, fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import (
    NetworkEndpoint,
    Observation,
    Pod,
    Snapshot,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState, Step
from tests.unit.checks import three_nodes as lab
from tests.unit.decide import fleets

NODES = ("node1", "node2", "node3")


class Cluster:
    """Three nodes that can be cordoned, drained and rebooted. ``broken``: nodes that come back in the incident."""

    def __init__(self) -> None:
        self.observed = lab.healthy()
        self.broken: set[str] = set()
        self.booted: dict[str, int] = dict.fromkeys(NODES, 0)
        self.new: set[str] = set()  # on the new kernel
        self.made = 0

    def survey(self) -> dict[str, HostFacts]:
        """What each host says of itself before the upgrade."""
        ready = fleets.facts("", kernel=lab.OLD, candidate_kernel=lab.NEW)
        shared = {name: getattr(ready, name) for name in ("boot_loader", "package_manager", "file_systems")}
        found = {}
        for name in NODES:
            done = name in self.new
            todo = {
                "pending": () if done else ready.pending,
                "kernels": fleets.kernels(lab.NEW) if done else ready.kernels,
            }
            found[name] = replace(self._host(name), reach=(), **shared, **todo)
        return found

    def look(self, name: str) -> Observation:
        """One look at a host: the cluster, the host itself, and a peer towards it."""
        peer = next(other for other in NODES if other != name)
        return Observation(
            self.observed.snapshot,
            {name: replace(self._host(name), reach=self._outwards(name)), peer: HostFacts(peer, reach=self._at(name))},
        )

    def cordon(self, name: str, run: str) -> None:
        self._node(name, unschedulable=bool(run), cordoned_by=run)

    def evict(self, pods: tuple[Pod, ...]) -> None:
        """Each pod is replaced by one on another node."""
        for old in pods:
            place = next(n.name for n in self.observed.snapshot.nodes if not n.unschedulable and n.name != old.node)
            self.made += 1
            new = lab.pod(f"{old.owner_name}-{self.made:04}", place, old.owner_kind, old.owner_name, old.namespace)
            new = replace(new, labels=old.labels)
            self._pods(tuple(new if pod == old else pod for pod in self.observed.snapshot.pods))

    def reboot(self, name: str) -> str:
        """Into the new kernel; returns the boot id."""
        self.booted[name] += 1
        self.new.add(name)
        boot = f"boot-{name[-1]}-{self.booted[name]}"
        self._node(name, kernel=lab.NEW, boot_id=boot)
        pods = self.observed.snapshot.pods
        self._pods(tuple(replace(pod, restarts=pod.restarts + 1) if pod.node == name else pod for pod in pods))
        return boot

    def _node(self, name: str, **changes: Any) -> None:
        self.observed = lab.with_node(self.observed, name, **changes)

    def _pods(self, pods: tuple[Pod, ...]) -> None:
        self.observed = lab.with_snapshot(self.observed, pods=pods)
        self._agents()

    def _agents(self) -> None:
        """Agents and endpoints follow the pods; in the incident the agent can load nothing."""
        snapshot, agents = self.observed.snapshot, []
        for number, name in enumerate(NODES, start=1):
            agent = lab.agent_on(number, snapshot.pods)
            if name in self.broken and name in self.new:
                agent = replace(agent, refusals=(lab.REFUSED,))
            agents.append(replace(agent, restarts=self.booted[name]))
        endpoints = (NetworkEndpoint(p.namespace, p.name, p.node, "ready") for p in snapshot.pods if not p.host_network)
        self.observed = lab.with_snapshot(self.observed, agents=tuple(agents), endpoints=tuple(endpoints))

    def _host(self, name: str) -> HostFacts:
        node = next(node for node in self.observed.snapshot.nodes if node.name == name)
        pods = self.observed.snapshot.pods
        programs = () if name in self.broken and name in self.new else lab.programs_on(pods, name, node.boot_id[-1])
        return replace(lab.facts_on(name, pods, ()), kernel=node.kernel, boot_id=node.boot_id, bpf=programs)

    def _outwards(self, name: str) -> tuple[Reach, ...]:
        ok = not (name in self.broken and name in self.new)
        return (Reach("dns", "10.96.0.10", ok, "" if ok else "i/o timeout", name="DNS service"),)

    def _at(self, name: str) -> tuple[Reach, ...]:
        address = next(node.internal_ip for node in self.observed.snapshot.nodes if node.name == name)
        return (Reach("ping", address, True, name=f"node {name}"),)


@dataclass
class Friday:
    """One run on the cluster. ``told`` are its events, ``verdicts`` the last ones on each host."""

    cluster: Cluster
    run: str
    policy: Policy = field(default_factory=lambda: Policy(verify_timeout=100, soak=60, soak_interval=30))
    records: tuple[RunRecord, ...] = ()
    now: float = 0.0
    told: list[Event] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    before: dict[str, Observation] = field(default_factory=dict)
    earlier: dict[str, Observation] = field(default_factory=dict)
    made: planning.Planned | None = None
    found: Snapshot | None = None

    def play(self) -> tuple[str, str]:
        """From the survey to the outcome, as playbooks/friday.yml has it."""
        self.tell(EventKind.RUN_STARTED)
        inputs = self._inputs()
        self.made, self.found = planning.plan(inputs), inputs.snapshot
        plan = self.made.plan
        if self.made.problems:
            return outcome(plan, self.record(), self.made.problems)
        self.tell(EventKind.RUN_PLANNED, **self.made.event(self.policy))
        for wave in plan.waves:
            if closed := self._gate(plan, wave.number):
                self.tell(EventKind.STOP, reason=closed.line())
                break
            self.tell(EventKind.WAVE_STARTED, wave=wave.number)
            for host in wave.hosts:
                self._host(host)
        return outcome(plan, self.record(), (), self._last_look(plan), verdicts=self.verdicts)

    def record(self) -> RunRecord:
        return fold(self.told)

    def tell(self, kind: EventKind, host: str = "", **data: Any) -> None:
        self.told.append(Event(len(self.told) + 1, self.now, self.run, kind, host, to_data(data)))

    def _inputs(self) -> planning.Inputs:
        answers = [
            (Target(name, name), {"facts": to_data(facts)}) for name, facts in sorted(self.cluster.survey().items())
        ]
        snapshot = self.cluster.observed.snapshot
        marked = {node.cordoned_by for node in snapshot.nodes if node.cordoned_by}
        return planning.Inputs(
            policy=self.policy,
            inventory=NODES,
            survey=planning.read_survey(answers, self.policy.only),
            snapshot=snapshot,
            marked={record.run: record for record in self.records if record.run in marked},
            records=self.records,
        )

    def _gate(self, plan: Plan, wave: int) -> Problem | None:
        snapshot = self.cluster.observed.snapshot
        return gate(
            plan, self.record(), wave, snapshot, baseline(self.policy, Observation(snapshot), []), [], self.found
        )

    def _host(self, planned: PlannedHost) -> None:
        host = planned.host
        for step in steps.STEPS:
            self.tell(EventKind.STEP, host, step=step.name)
            if reason := self._do(step, planned):
                known = self.record().hosts[host]
                state = after_failure(known, bool(known.resumes))
                self.tell(EventKind.FAILURE, host, state=state, step=step.name, message=reason)
                self.tell(EventKind.STOP, reason=f"{host} is {state.value}")
                return

    def _do(self, step: Step, planned: PlannedHost) -> str:
        """Carry a step out; returns why it failed."""
        host, node, cluster = planned.host, planned.node, self.cluster
        data: dict[str, Any] = {}
        if step in steps.PHASES:
            if reason := self._look(step, planned):
                return reason
        elif step is steps.CORDON:
            cluster.cordon(node, self.run)
        elif step is steps.DRAIN:
            cluster.evict(drain(self.policy, cluster.observed.snapshot, node).evict)
        elif step is steps.REBOOT and planned.reboot:
            data = {"boot_id": cluster.reboot(node), "kernel": planned.target_kernel}
        elif step is steps.UNCORDON:
            cluster.cordon(node, "")
        if step is not steps.BEFORE and not (step is steps.REBOOT and not planned.reboot):
            self.tell(EventKind.STATE, host, state=step.reaches, **data)
        return ""

    def _look(self, phase: Step, planned: PlannedHost) -> str:
        """Look until the phase has ended; returns why it failed."""
        progress = rounds.Progress(started=self.now)
        while True:
            seen, known = self.cluster.look(planned.host), self._known(planned)
            if phase is steps.BEFORE:
                peer = next(name for name in seen.facts if name != planned.host)
                verdict = judging.judge_before(self.policy, seen, known, peer)
            else:
                verdict = judging.judge_after(self.policy, seen, known)
            self.verdicts[planned.host] = verdict
            progress, round_ = rounds.next_round(progress, verdict, phase, self.now, self.policy)
            if round_.action == "pass" and phase is steps.BEFORE:
                self.before[planned.host] = seen
            if round_.action != "again":
                return round_.reason if round_.action == "fail" else ""
            self.now += max(round_.wait, 1.0)

    def _known(self, planned: PlannedHost) -> judging.Known:
        return judging.Known(
            planned,
            Target(planned.host, planned.node, planned.zone),
            self.before.get(planned.host),
            self.earlier.get(planned.host),
            judging.boots_of(planned.host, self.told),
            self.record().hosts[planned.host].resumes,
        )

    def _last_look(self, plan: Plan) -> Verdict | None:
        if not final.wanted(self.record()):
            return None
        looks: dict[str, Verdict | None] = {}
        for planned in plan.hosts():
            seen = self.cluster.look(planned.host)
            looks[planned.host] = judging.judge_after(self.policy, seen, self._known(planned))
        return final.final(baseline(self.policy, Observation(self.cluster.observed.snapshot), []), looks)


def states(record: RunRecord) -> dict[str, HostState]:
    """Host -> state."""
    return {host: known.state for host, known in record.hosts.items()}
