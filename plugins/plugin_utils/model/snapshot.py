# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster as it was seen at one time. Observed, never judged."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts

CORDONED_BY = "friday.upgrade/cordoned-by"
"""The annotation of a node that Friday has cordoned: its value is the run."""


@dataclass(frozen=True)
class Requirement:
    """One requirement of a selector.

    ``operator`` is In, NotIn, Exists or DoesNotExist; Gt and Lt too in a node's affinity.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taint:
    """A taint of a node: ``effect`` is NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str = ""
    effect: str = ""


@dataclass(frozen=True)
class Toleration:
    """What a pod tolerates; an empty key or effect stands for every one."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


@dataclass(frozen=True)
class Spread:
    """A topology spread constraint that forbids (DoNotSchedule): domains by the label ``key``."""

    key: str
    max_skew: int = 1
    selector: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class Node:
    """A Kubernetes node. ``ready`` is the Ready condition: true, false, or None for Unknown."""

    name: str
    uid: str = ""
    zone: str = ""
    roles: tuple[str, ...] = ()
    ready: bool | None = None
    unschedulable: bool = False
    cordoned_by: str = ""  # value of the annotation CORDONED_BY: the run that cordoned it
    kernel: str = ""
    boot_id: str = ""
    internal_ip: str = ""
    etcd: bool = False  # runs a member of etcd (role label or static pod)
    voter: bool | None = None  # condition EtcdIsVoter, which k3s and RKE2 write; None: there is none
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    allocatable: dict[str, int] = field(default_factory=dict)  # cpu in thousandths, memory in bytes; empty: not known
    cordoned_at: float = 0.0  # seconds since the epoch; 0: not known


@dataclass(frozen=True)
class Apart:
    """A required anti-affinity to pods: none that ``selector`` matches in the same domain of the label ``key``."""

    key: str
    selector: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class Pod:
    """A pod, with what a drain and a comparison need to know of it."""

    namespace: str
    name: str
    uid: str = ""
    node: str = ""
    phase: str = ""
    ready: bool = False
    restarts: int = 0
    waiting: str = ""  # reason of the first waiting container: CrashLoopBackOff, ImagePullBackOff, ...
    owner_kind: str = ""  # controller: ReplicaSet, StatefulSet, DaemonSet, Job, Node (static pod); empty: none
    owner_name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    host_network: bool = False
    pod_ip: str = ""
    local_storage: bool = False  # has an emptyDir volume
    terminating: bool = False
    tolerates_cordon: bool = False  # may be scheduled to a cordoned node
    requests: dict[str, int] = field(default_factory=dict)  # units as in Node.allocatable; "host port 80/TCP": 1
    selector: tuple[tuple[str, str], ...] = ()  # nodeSelector
    affinity: tuple[tuple[Requirement, ...], ...] = ()  # required of the node: one of these terms
    tolerations: tuple[Toleration, ...] = ()
    apart: tuple[Apart, ...] = ()
    spread: tuple[Spread, ...] = ()
    grace: int = 30  # seconds that it gets to end
    created: float = 0.0  # seconds since the epoch, like those below; 0: not known
    ends_by: float = 0.0  # when a terminating pod should have ended
    finalizers: tuple[str, ...] = ()
    image: str = ""  # of its first container; kept of static pods only


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet: replicas wanted and available."""

    kind: str
    namespace: str
    name: str
    wanted: int
    available: int


@dataclass(frozen=True)
class DisruptionBudget:
    """A PodDisruptionBudget with its status. An empty selector selects every pod of the namespace."""

    namespace: str
    name: str
    selector: tuple[Requirement, ...] = ()
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    always_allow: bool = False  # unhealthyPodEvictionPolicy: pods that are not ready may always go
    owner_kind: str = ""  # its controller's, where an operator made it
    error: str = ""  # why the controller could not compute it


@dataclass(frozen=True)
class NetworkEndpoint:
    """A CiliumEndpoint: ``state`` as the agent says it (ready, not-ready, regenerating, waiting-to-regenerate, ...)."""

    namespace: str
    name: str
    node: str
    state: str


@dataclass(frozen=True)
class AgentEndpoint:
    """An endpoint as the agent on its node knows it.

    ``pod`` is ``namespace/name``, empty for the host's own endpoint. ``device`` is its network device on the host.
    """

    id: int
    pod: str = ""
    state: str = ""
    health: str = ""
    message: str = ""  # last failure of its log
    device: str = ""


@dataclass(frozen=True)
class AgentStatus:
    """The network agent of one node, asked itself.

    ``error`` is not empty when it could not be asked, and says why; then nothing else here means anything.
    ``refusals`` are the verifier's words, as they are found in the agent's log.
    """

    node: str
    pod: str = ""
    error: str = ""
    version: str = ""
    ready: bool = False
    restarts: int = 0
    state: str = ""
    routing: str = ""
    kube_proxy_replacement: str = ""
    failing_controllers: dict[str, str] = field(default_factory=dict)  # name -> last failure
    endpoints: tuple[AgentEndpoint, ...] = ()
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Webhook:
    """An admission webhook. ``ready_endpoints`` is None when it is called by URL or its service could not be read."""

    kind: str  # ValidatingWebhookConfiguration or MutatingWebhookConfiguration
    configuration: str
    name: str
    failure_policy: str
    service: str = ""  # namespace/name
    ready_endpoints: int | None = None
    endpoint_nodes: tuple[str, ...] = ()  # of the ready ones, each once


@dataclass(frozen=True)
class ApiService:
    """An aggregated API and whether it is Available."""

    name: str
    available: bool
    message: str = ""


@dataclass(frozen=True)
class CsiNode:
    """The CSI drivers that are registered on a node, as its kubelet reports them."""

    node: str
    drivers: tuple[str, ...] = ()


@dataclass(frozen=True)
class VolumeAttachment:
    """A volume that is or will be attached to a node. ``error`` is that of the last attempt to attach or detach it."""

    name: str
    node: str
    volume: str = ""  # the PersistentVolume
    attached: bool = False
    detaching: bool = False  # it is being deleted
    error: str = ""


@dataclass(frozen=True)
class Snapshot:
    """What was seen of the cluster, when (seconds since the epoch), from where, and what could not be read.

    ``unknown`` maps a resource (``pods``, ``agents``, ...) to the reason why it could not be read; the list of such a
    resource is empty and means nothing. ``cni`` is ``cilium`` or empty.
    """

    time: float
    server: str
    version: str = ""
    cni: str = ""
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    budgets: tuple[DisruptionBudget, ...] = ()
    endpoints: tuple[NetworkEndpoint, ...] = ()
    agents: tuple[AgentStatus, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    api_services: tuple[ApiService, ...] = ()
    csi_nodes: tuple[CsiNode, ...] = ()
    volume_attachments: tuple[VolumeAttachment, ...] = ()
    not_ready: str = ""  # what the API server's own /readyz complains of; empty where it says ok, or is not to be read
    dns_service: str = ""  # cluster IP of the DNS service
    unknown: dict[str, str] = field(default_factory=dict)

    @cached_property
    def agent_of_node(self) -> dict[str, AgentStatus]:
        """The agents that were asked, by the name of their node."""
        return {agent.node: agent for agent in self.agents}


LISTS = tuple(each.name for each in fields(Snapshot) if each.default == ())
"""The fields of a snapshot that may be unknown as a whole."""


def unreadable(time: float, reason: str) -> Snapshot:
    """The snapshot of a cluster that did not answer at all."""
    return Snapshot(time=time, server="", unknown=dict.fromkeys(("version", "cni", "dns_service", *LISTS), reason))


@dataclass(frozen=True)
class Observation:
    """What a comparison compares: the cluster, and the hosts that were read with it, by name in the inventory."""

    snapshot: Snapshot
    facts: dict[str, HostFacts] = field(default_factory=dict)
