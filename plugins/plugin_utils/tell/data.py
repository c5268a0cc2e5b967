# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report, a message and the console's verdict are made from: the same data for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import Rehearsal
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import Event, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Snapshot


@dataclass(frozen=True)
class ClusterSummary:
    """A snapshot in a few figures; ``unknown`` maps what could not be read to the reason."""

    server: str = ""
    version: str = ""
    cni: str = ""
    nodes: int = 0
    nodes_ready: int = 0
    pods: int = 0
    pods_ready: int = 0
    workloads: int = 0
    workloads_available: int = 0
    budgets: int = 0
    webhooks: int = 0
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportData:
    """Everything that is told about a run. All of it is plain data, and the same data gives the same report.

    Attributes:
        record: the fold of the run's events; ``outcome`` and ``message`` in it are the headline.
        plan: None when the run ended before there was one.
        policy: what the run was held to.
        events: the journal, in order.
        verdicts: the last verdict on each host that was compared, by name in the inventory.
        baseline: was the cluster healthy enough to start; ``cluster`` is what was seen then.
        verdict: the final comparison of the whole cluster; None when the run did not come that far.
        problems: reasons not to start, or not to go on.
        rehearsal: what candidate kernels said to the nodes' BPF programs; None when the run did not come that far.
        advice: what to do next, one step each; `` `code` `` marks what is to be typed.
        check_layers: name of each known check -> its layer's number (``Layer``). A verdict only names the checks that
            ran; this says which layers they stand for.
        versions: program -> version (friday, ansible-core, python, kubernetes).
        check: nothing was meant to be changed (``--check``, plan.yml).
        utc_offset: seconds east of UTC of the times that are shown.
        journal: where the journal is, and ``journal_note`` what is wrong with it (a torn last line).
    """

    record: RunRecord
    plan: Plan | None = None
    policy: Policy = field(default_factory=Policy)
    events: tuple[Event, ...] = ()
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    baseline: Verdict | None = None
    cluster: ClusterSummary = field(default_factory=ClusterSummary)
    verdict: Verdict | None = None
    problems: tuple[Problem, ...] = ()
    rehearsal: Rehearsal | None = None
    advice: tuple[str, ...] = ()
    check_layers: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    check: bool = False
    utc_offset: int = 0
    journal: str = ""
    journal_note: str = ""


def summarize(snapshot: Snapshot) -> ClusterSummary:
    """The figures of ``snapshot``. A finished pod is not counted: it is neither ready nor meant to be."""
    pods = [pod for pod in snapshot.pods if pod.phase not in ("Succeeded", "Failed")]
    return ClusterSummary(
        server=snapshot.server,
        version=snapshot.version,
        cni=snapshot.cni,
        nodes=len(snapshot.nodes),
        nodes_ready=sum(node.ready is True for node in snapshot.nodes),
        pods=len(pods),
        pods_ready=sum(pod.ready for pod in pods),
        workloads=len(snapshot.workloads),
        workloads_available=sum(load.available >= load.wanted for load in snapshot.workloads),
        budgets=len(snapshot.budgets),
        webhooks=len(snapshot.webhooks),
        unknown=dict(snapshot.unknown),
    )
