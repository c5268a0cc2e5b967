# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write ``manifests/rights.yaml``, and the table in ``docs/reference/rights.md``, from the rights that the code names.

Usage: ``PYTHONPATH=collections:. python -m tools.make_rights`` (tests/unit/run/test_rights.py compares).
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.rights import Need
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import NEEDS

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "manifests" / "rights.yaml"
PAGE = ROOT / "docs" / "reference" / "rights.md"
BEGIN, END = "<!-- made by `make reference`, until the end mark -->\n", "<!-- end -->\n"

VERBS = ("get", "list", "create", "update", "patch", "delete")
PLACES = {
    "": "cluster",
    "cilium": "cluster; only with Cilium",
    "friday": "Friday's namespace",
    "dns": "`kube-system`",
    "agents": "the agents' namespace; only with Cilium",
    "missing": "cluster; only while Friday's is missing",
}
"""Where a right is needed -> how the page says it."""

HEAD = """\
---
# The least rights that Friday needs: kubectl apply --filename manifests/rights.yaml
# Made by `make reference` from the rights that the code names. What each is for: docs/reference/rights.md. Before it
# starts, Friday checks every one of them, and reports those that are missing.
#
# Change before you apply it, where needed:
# - `subjects` of the four bindings name who gets the rights: the service account `friday`, and everybody in the group
#   `friday:operators` (of a client certificate, O=friday:operators, or of an identity provider). Put your own user,
#   group or service account there, and remove what you don't use;
# - lines marked `friday_namespace`: Friday's own namespace, when that variable is not `friday`;
# - lines marked `agents`: where Cilium's agents run, when that is not kube-system. Without Cilium, remove the Role
#   `friday-agents` and its binding.
apiVersion: v1
kind: Namespace
metadata:
  name: friday # friday_namespace
  labels:
    app.kubernetes.io/managed-by: friday
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: friday
  namespace: friday # friday_namespace
automountServiceAccountToken: false
"""

SUBJECTS = """\
subjects:
  - kind: ServiceAccount
    name: friday
    namespace: friday # friday_namespace
  - kind: Group
    apiGroup: rbac.authorization.k8s.io
    name: friday:operators
"""

ROLES = (
    ("friday", "", ("", "cilium"), "See the state of the cluster; cordon and drain."),
    ("friday", "friday # friday_namespace", ("friday",), "Hold the lock, keep the records of the runs."),
    ("friday-dns", "kube-system", ("dns",), "Find the DNS service."),
    (
        "friday-agents",
        "kube-system # agents",
        ("agents",),
        "Ask Cilium's agents. A strong right: they are privileged. Friday runs `cilium-dbg status` and\n"
        "# `cilium-dbg endpoint list` there, and nothing else.",
    ),
)
"""Name, namespace (empty: a ClusterRole), where its rights are needed, comment."""


def manifest(needs: Collection[Need]) -> str:
    """The manifest: a role and its binding for each of :data:`ROLES`."""
    documents = [HEAD]
    for name, namespace, places, comment in ROLES:
        kind = "Role" if namespace else "ClusterRole"
        metadata = f"metadata:\n  name: {name}\n" + (f"  namespace: {namespace}\n" if namespace else "")
        rules = "".join(_rules([need for need in needs if need.where in places]))
        version = "apiVersion: rbac.authorization.k8s.io/v1\n"
        documents.append(f"# {comment}\n{version}kind: {kind}\n{metadata}rules:\n{rules}")
        reference = f"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\n"
        documents.append(f"{version}kind: {kind}Binding\n{metadata}{reference}{SUBJECTS}")
    return "---\n".join(documents)


def _rules(needs: Iterable[Need]) -> Iterator[str]:
    """Rules of a role: a resource with all its verbs once, resources with the same verbs and purpose together."""
    verbs: dict[tuple[str, str, str], set[str]] = {}
    purposes: dict[tuple[str, str, str], dict[str, None]] = {}
    for need in needs:
        key = (need.group, need.name, need.resource)
        verbs.setdefault(key, set()).add(need.verb)
        purposes.setdefault(key, {}).setdefault(_purpose(need))
    rules: dict[tuple[str, str, str, str], list[str]] = {}
    for (group, name, resource), allowed in verbs.items():
        purpose = "; ".join(purposes[group, name, resource])
        rules.setdefault((group, name, _listed(allowed), purpose), []).append(resource)
    for (group, name, allowed_verbs, purpose), resources in rules.items():
        empty = '""'
        yield f"  # {purpose}\n  - apiGroups: [{group or empty}]\n    resources: [{', '.join(resources)}]\n"
        yield f"    resourceNames: [{name}]\n" if name else ""
        yield f"    verbs: [{allowed_verbs}]\n"


def table(needs: Iterable[Need]) -> str:
    """The page's table: a row for what is needed in one place for one purpose."""
    verbs: dict[tuple[str, str, str, str], set[str]] = {}
    for need in needs:
        resource = f"{need.resource}.{need.group}".strip(".") + (f" named `{need.name}`" if need.name else "")
        verbs.setdefault((need.group, resource, PLACES[need.where], _purpose(need)), set()).add(need.verb)
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for (group, resource, place, purpose), allowed in verbs.items():
        rows.setdefault((group, _listed(allowed), place, purpose), []).append(resource)
    lines = ["| verb | resource | where | what Friday does with it |", "|---|---|---|---|"]
    for (_, allowed_verbs, place, purpose), resources in rows.items():
        lines.append(f"| {allowed_verbs} | {', '.join(resources)} | {place} | {purpose} |")
    return "\n".join(lines) + "\n"


def page(text: str, needs: Iterable[Need]) -> str:
    """The page with its table made anew; the rest of ``text`` stays."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table(needs)}\n{END}{rest.split(END)[1]}"


def _purpose(need: Need) -> str:
    return need.why + (f" ({need.note})" if need.note else "")


def _listed(verbs: Collection[str]) -> str:
    return ", ".join(sorted(verbs, key=VERBS.index))


def main() -> int:
    """Write both."""
    MANIFEST.write_text(manifest(NEEDS), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), NEEDS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
