# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a host from the cluster: see the documentation of the module friday.upgrade.observe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import final, probes
from ansible_collections.friday.upgrade.plugins.plugin_utils.model import steps
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import with_agents
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.looks import keep_seen, look, unanswered


class ActionModule(FridayAction):
    """Take a snapshot, with the network agent of the host's node, and name the probes and the peer for this round."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "phase": {"type": "str", "choices": [step.name for step in steps.PHASES], "default": steps.VERIFY.name}
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``wanted``, ``peer`` (empty: none), and the probes of node_facts: ``from_host`` and ``from_peer``."""
        session, host = self.session(task_vars), str(task_vars["inventory_hostname"])
        if arguments["phase"] == steps.LAST.name and not final.wanted(session.recorder.record()):
            return {"changed": False, "wanted": False, "peer": "", "from_host": [], "from_peer": []}
        node = session.files.planned(host).node
        try:
            seen = look(session.files, session.api(), host)
        except KubeError as error:
            snapshot = unanswered(error)
            keep_seen(session.files, host, snapshot, answered=False)
        else:
            snapshot = with_agents(session.api(), seen, (node,))
            keep_seen(session.files, host, snapshot)
        wave = next(wave for wave in session.files.outline().waves if host in {h.host for h in wave.hosts})
        hosts, nodes = {h.host for h in wave.hosts}, {h.node for h in wave.hosts}
        known = session.files.all_targets()
        peer = probes.peer(snapshot, known.targets, node, avoid=hosts | set(known.silent))
        return {
            "changed": False,
            "wanted": True,
            "peer": peer.host if peer else "",
            "from_host": to_data(probes.from_host(snapshot, node, session.policy.cluster_domain, nodes)),
            "from_peer": to_data(probes.from_peer(snapshot, node)) if peer else [],
        }
