# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to keep a number of members: etcd, the API servers, and whatever ``friday_quorums`` names.

A node that is Ready says nothing of the member on it. Where etcd runs as static pods, these are its members; k3s and
RKE2 write the condition EtcdIsVoter on their nodes. Only where nothing of either is seen are nodes counted by their
roles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import NamedQuorum
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Pod, Snapshot

ETCD, API_SERVER = "etcd", "kube-apiserver"
_ROLE = "node-role.kubernetes.io/etcd"


@dataclass(frozen=True)
class Member:
    """One member: its node, whether it is up, and what says so."""

    node: str
    ready: bool
    name: str


@dataclass(frozen=True)
class Quorum:
    """Members, and how many of them have to be up. ``seen``: they were seen, and not inferred from roles."""

    name: str
    members: tuple[Member, ...]
    minimum: int
    seen: bool = True

    def keeps(self, leaving: Collection[str]) -> int:
        """How many are up without those on the ``leaving`` nodes."""
        return sum(member.ready and member.node not in leaving for member in self.members)

    def broken(self, leaving: Collection[str]) -> str:
        """What is wrong with taking these nodes away; empty when they have no member, or enough of them stay."""
        if not any(member.node in leaving for member in self.members) or self.keeps(leaving) >= self.minimum:
            return ""
        return (
            f"{self.name} would keep only {self.keeps(leaving)} of {len(self.members)} members, {self.minimum} required"
        )


def static_pods(snapshot: Snapshot, component: str) -> list[Pod]:
    """The static pods of a part of the control plane, by its label."""
    return [
        pod
        for pod in snapshot.pods
        if pod.namespace == "kube-system" and pod.owner_kind == "Node" and pod.labels.get("component") == component
    ]


def etcd_of(snapshot: Snapshot) -> Quorum:
    """The members of etcd, as well as they can be told."""
    nodes = {node.name: node for node in snapshot.nodes}
    up = {name for name, node in nodes.items() if node.ready is True}
    if pods := static_pods(snapshot, ETCD):
        members = [
            Member(p.node, p.ready and not p.terminating and p.node in up, f"{p.namespace}/{p.name}") for p in pods
        ]
        seen = True
    elif any(node.voter is not None or _ROLE in node.labels for node in nodes.values()):
        # An agent of k3s may have the label of a server that it no longer is; a learner says so in its condition.
        voters = [node for node in nodes.values() if node.voter is not None or _ROLE in node.labels]
        members = [Member(n.name, n.voter is not False and n.name in up, f"etcd on {n.name}") for n in voters]
        seen = True
    else:
        members = [Member(node.name, node.name in up, node.name) for node in nodes.values() if node.etcd]
        seen = False
    members.sort(key=lambda member: natural_key(member.node))
    return Quorum(ETCD, tuple(members), len(members) // 2 + 1, seen)


def quorums(snapshot: Snapshot, named: Sequence[NamedQuorum] = ()) -> list[Quorum]:
    """All that has to be kept. One or two members of etcd can never keep a majority, nor one API server itself."""
    found = [etcd_of(snapshot)] if len(etcd_of(snapshot).members) > 2 else []
    servers = static_pods(snapshot, API_SERVER)
    if len(servers) > 1:
        found.append(Quorum(API_SERVER, tuple(Member(p.node, p.ready, p.name) for p in servers), 1))
    for each in named:
        pods = [pod for pod in snapshot.pods if pod.namespace == each.namespace and each.selects(pod.labels)]
        pods = [pod for pod in pods if pod.phase == "Running"]
        members = tuple(Member(p.node, p.ready and not p.terminating, p.name) for p in pods)
        found.append(Quorum(each.name, members, each.minimum))
    return found


def broken(snapshot: Snapshot, named: Sequence[NamedQuorum], leaving: Collection[str]) -> Iterator[Problem]:
    """The quorums that would not be kept while these nodes are away together."""
    for quorum in quorums(snapshot, named):
        if message := quorum.broken(leaving):
            theirs = {member.node for member in quorum.members if member.node in leaving}
            fix = "fix the other members first"
            if quorum.name not in (ETCD, API_SERVER):
                fix += f", or lower the minimum of {quorum.name} in friday_quorums"
            yield Problem(", ".join(sorted(theirs, key=natural_key)), message, fix)
