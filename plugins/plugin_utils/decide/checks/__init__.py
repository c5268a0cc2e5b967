# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks, one file for each layer.

A new one is a class in its layer's file and a line here. They are named and not searched for: a check that silently is
not loaded would be a silent pass.
"""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.agent import (
    AgentControllers,
    AgentDatapath,
    AgentReady,
    AgentRestarts,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.bpf import (
    HostAttachments,
    PodAttachments,
    VerifierLog,
    VerifierRefusals,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.cni import (
    Cordons,
    NodeReady,
    PodSandboxes,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.dns import Dns
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.endpoints import (
    AgentEndpoints,
    CiliumEndpoints,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.host import Competing, HostAnswers
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.kernel import (
    FailedUnits,
    KernelBoot,
    KernelBtf,
    KernelLog,
    KernelRaid,
    KernelRelease,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.network import NodeNetwork, Peer
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.storage import CsiDrivers, VolumesAttached
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.webhooks import ApiServices, WebhookEndpoints
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.workloads import (
    ControlPlane,
    CrashLoops,
    NodePods,
    Workloads,
)

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    HostAnswers(),
    Competing(),
    KernelRelease(),
    KernelBoot(),
    KernelLog(),
    KernelBtf(),
    KernelRaid(),
    FailedUnits(),
    VerifierRefusals(),
    VerifierLog(),
    HostAttachments(),
    PodAttachments(),
    AgentReady(),
    AgentControllers(),
    AgentRestarts(),
    AgentDatapath(),
    AgentEndpoints(),
    CiliumEndpoints(),
    NodeReady(),
    Cordons(),
    ControlPlane(),
    PodSandboxes(),
    NodeNetwork(),
    Peer(),
    Dns(),
    WebhookEndpoints(),
    ApiServices(),
    CsiDrivers(),
    VolumesAttached(),
    Workloads(),
    CrashLoops(),
    NodePods(),
)
