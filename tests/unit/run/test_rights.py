# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""manifests/rights.yaml grants what Friday checks for, and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.resources import RESOURCES
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import NEEDS
from tests.support.rights import MANIFEST, OPERATORS, documents
from tools import make_rights

REFERENCE = Path(__file__).resolve().parents[3] / "docs/reference/rights.md"
PLACES = {"": "the cluster", "cilium": "the cluster", "friday": "home", "dns": "kube-system", "agents": "agents"}
"""Where of a need -> namespace in the manifest that is made for ``home`` and ``agents``."""

Right = tuple[str, str, str, str, str]


def edited() -> list[dict[str, Any]]:
    return documents(namespace="home", agents="agents")


def granted() -> Counter[Right]:
    """Verb, group, resource, place and the object's name (empty: all objects) of every right in the manifest."""
    return Counter(
        (verb, group, resource, item["metadata"].get("namespace", "the cluster"), name)
        for item in edited()
        for rule in item.get("rules", ())
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    )


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    assert MANIFEST.read_text() == make_rights.manifest(NEEDS), "run `make reference`"
    assert REFERENCE.read_text() == make_rights.page(REFERENCE.read_text(), NEEDS), "run `make reference`"


def test_every_list_that_is_read_is_a_right_that_is_asked_for() -> None:
    assert {resource.need for resource in RESOURCES} <= set(NEEDS)
    deployments = next(resource for resource in RESOURCES if resource.path.endswith("/deployments"))
    assert (deployments.need.verb, deployments.need.group, deployments.need.resource) == ("list", "apps", "deployments")


def test_it_grants_what_is_checked_for_and_nothing_else() -> None:
    wanted = [(n.verb, n.group, n.resource, PLACES[n.where], n.name) for n in NEEDS if n.where != "missing"]
    assert granted() == Counter(wanted), "each right once"


def test_the_rule_to_add_is_no_wider_than_what_is_missing() -> None:
    (named,) = (need.rule() for need in NEEDS if need.name)
    assert named["resourceNames"] == [lease.NAME]
    assert not any("resourceNames" in need.rule() for need in NEEDS if not need.name)


def test_what_it_does_not_grant_it_makes_superfluous() -> None:
    lacking = [(need.verb, need.resource) for need in NEEDS if need.where == "missing"]
    assert lacking == [("create", "namespaces")]
    assert "home" in {item["metadata"]["name"] for item in edited() if item["kind"] == "Namespace"}


def test_rules_have_no_other_keys() -> None:
    """A wildcard or a URL would grant more than a comparison by name sees."""
    rules = [rule for item in edited() for rule in item.get("rules", ())]
    assert all(rule.keys() - {"resourceNames"} == {"apiGroups", "resources", "verbs"} for rule in rules)
    assert not any("*" in entry for rule in rules for part in rule.values() for entry in part)


def test_every_role_is_bound_to_the_same_subjects() -> None:
    items = edited()
    roles = [(i["kind"], i["metadata"].get("namespace"), i["metadata"]["name"]) for i in items if "rules" in i]
    bindings = [item for item in items if "roleRef" in item]
    bound = [(b["roleRef"]["kind"], b["metadata"].get("namespace"), b["roleRef"]["name"]) for b in bindings]
    assert bound == roles
    account = next(item for item in items if item["kind"] == "ServiceAccount")["metadata"]
    group = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": OPERATORS}
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", **account}, group]


def test_as_it_is_shipped_it_is_for_the_defaults() -> None:
    options = yaml.safe_load((MANIFEST.parents[1] / "roles/guard/meta/argument_specs.yml").read_text())
    default = options["argument_specs"]["main"]["options"]["friday_namespace"]["default"]
    assert list(yaml.safe_load_all(MANIFEST.read_text())) == documents(namespace=default, agents="kube-system")


def test_the_reference_has_each_with_its_purpose() -> None:
    shown = {"cluster": {"", "cilium", "missing"}, "Friday's namespace": {"friday"}, "`kube-system`": {"dns"}}
    shown["the agents' namespace"] = {"agents"}
    wanted = {(n.verb, f"{n.resource}.{n.group}".strip("."), n.where, n.name): n.why for n in NEEDS}
    told: set[tuple[str, str, str, str]] = set()
    for line in re.findall(r"^\| (?!verb )(\w.*) \|$", REFERENCE.read_text(), re.MULTILINE):
        verbs, resources, place, purpose = line.split(" | ")
        for verb in verbs.split(", "):
            for resource in resources.split(", "):
                resource, _, name = resource.partition(" named ")
                keys = [(verb, resource, where, name.strip("`")) for where in shown[place.partition(";")[0]]]
                (known,) = [key for key in keys if key in wanted]
                assert purpose.startswith(wanted[known]), line
                told.add(known)
    assert told == wanted.keys()
