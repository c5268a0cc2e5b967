# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables that an operator writes, checked and turned into a :class:`Policy`."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import known_bad
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rounds import MAX_ROUNDS
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import NamedQuorum, Policy

T = TypeVar("T")

DEFAULTS = Policy()
WEEK = 7 * 24 * 3600  # nothing that a Friday waits for takes longer than until the next one
MIB = 1024**2
MAX_RUNS = 1000  # records that are kept; each is a ConfigMap or more
MIN_LEASE, MAX_LEASE = 15, 3600
"""Seconds. A third of it is the time for a renewal, which a slow API server needs; a dead run's is waited for."""

# What Ansible's own boolean filter takes, so that `-e friday_evict_unmanaged=yes` means what it says.
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0"), False),
}
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SIZE = re.compile(r"([1-9][0-9]{0,5})(%?)")


class _Wrong(Exception):
    """A value that its variable can't have: what it has to be, and what to write instead."""

    def __init__(self, message: str, example: str):
        super().__init__(message)
        self.message, self.example = message, example


def parse_policy(variables: Mapping[str, Any]) -> tuple[Policy, tuple[Problem, ...]]:
    """Check the ``friday_*`` variables that decisions depend on.

    Args:
        variables: raw values by full name. Extra variables of the command line arrive as strings, so "900" is as good
            as 900, "yes" as true, and "node1,node2" as a list. None and absent mean the default. Names of other parts
            are left alone.

    Returns:
        The policy, and every problem at once; a variable that has a problem holds its default in the policy.
    """
    reader = _Reader(variables)
    soak = reader.read("friday_soak", _seconds(0, 900), DEFAULTS.soak)
    interval = reader.read("friday_soak_interval", _seconds(1, 60), DEFAULTS.soak_interval)
    if interval == DEFAULTS.soak_interval:
        interval = min(interval, soak or interval)  # a short soak alone contradicts nothing that somebody wrote
    policy = Policy(
        canary=reader.read("friday_canary", _name, DEFAULTS.canary),
        only=reader.read("friday_only", _names, DEFAULTS.only),
        wave_sizes=reader.read("friday_wave_sizes", _sizes, DEFAULTS.wave_sizes),
        max_unavailable=reader.read("friday_max_unavailable", _most, DEFAULTS.max_unavailable),
        max_unavailable_per_zone=reader.read(
            "friday_max_unavailable_per_zone", _most, DEFAULTS.max_unavailable_per_zone
        ),
        quorums=reader.read("friday_quorums", _quorums, DEFAULTS.quorums),
        accept_outage=reader.read("friday_accept_outage", _nodes, DEFAULTS.accept_outage),
        accept_budgets=reader.read("friday_accept_budgets", _budgets, DEFAULTS.accept_budgets),
        packages=reader.read("friday_packages", _choice("all", "kernel"), DEFAULTS.packages),
        reboot=reader.read("friday_reboot", _choice("needed", "always"), DEFAULTS.reboot),
        soak=soak,
        soak_interval=interval,
        drain_timeout=reader.read("friday_drain_timeout", _seconds(1, 1800), DEFAULTS.drain_timeout),
        package_lock_timeout=reader.read(
            "friday_package_lock_timeout", _seconds(0, 300), DEFAULTS.package_lock_timeout
        ),
        upgrade_timeout=reader.read("friday_upgrade_timeout", _seconds(1, 3600), DEFAULTS.upgrade_timeout),
        reboot_timeout=reader.read("friday_reboot_timeout", _seconds(1, 1800), DEFAULTS.reboot_timeout),
        verify_timeout=reader.read("friday_verify_timeout", _seconds(1, 900), DEFAULTS.verify_timeout),
        check_timeout=reader.read("friday_check_timeout", _seconds(1, 300), DEFAULTS.check_timeout),
        check_interval=reader.read("friday_check_interval", _seconds(1, 10), DEFAULTS.check_interval),
        ignore_workloads=reader.read("friday_ignore_workloads", _workloads, DEFAULTS.ignore_workloads),
        accept=reader.read("friday_accept", _checks, DEFAULTS.accept),
        delete_emptydir_data=reader.read("friday_delete_emptydir_data", _boolean, DEFAULTS.delete_emptydir_data),
        evict_unmanaged=reader.read("friday_evict_unmanaged", _boolean, DEFAULTS.evict_unmanaged),
        accept_kernels=reader.read("friday_accept_kernels", _listed("releases of kernels"), DEFAULTS.accept_kernels),
        accept_removals=reader.read("friday_accept_removals", _listed("names of packages"), DEFAULTS.accept_removals),
        accept_downgrades=reader.read(
            "friday_accept_downgrades", _listed("names of packages"), DEFAULTS.accept_downgrades
        ),
        accept_skew=reader.read("friday_accept_skew", _boolean, DEFAULTS.accept_skew),
        min_free_root=reader.read("friday_min_free_root_mib", _mebibytes(2048), DEFAULTS.min_free_root),
        min_free_boot=reader.read("friday_min_free_boot_mib", _mebibytes(256), DEFAULTS.min_free_boot),
        cluster_domain=reader.read("friday_cluster_domain", _domain, DEFAULTS.cluster_domain),
        keep_runs=reader.read("friday_keep_runs", _number("runs", 1, MAX_RUNS, 20), DEFAULTS.keep_runs),
        replan=reader.read("friday_replan", _boolean, DEFAULTS.replan),
        rehearsal=reader.read("friday_rehearsal", _choice("require", "accept", "skip"), DEFAULTS.rehearsal),
        rehearsal_warn_share=reader.read(
            "friday_rehearsal_warn_share", _number("percent", 1, 100, 70), DEFAULTS.rehearsal_warn_share
        ),
        rehearsal_warn_growth=reader.read(
            "friday_rehearsal_warn_growth", _number("times", 2, 1000, 2), DEFAULTS.rehearsal_warn_growth
        ),
        rehearsal_timeout=reader.read("friday_rehearsal_timeout", _seconds(1, 180), DEFAULTS.rehearsal_timeout),
        rehearsal_parallel=reader.read(
            "friday_rehearsal_parallel", _number("guests", 0, 64, 2), DEFAULTS.rehearsal_parallel
        ),
        known_bad_accept=reader.read("friday_known_bad_accept", _references, DEFAULTS.known_bad_accept),
        lease_ttl=reader.read("friday_lease_ttl", _number("seconds", MIN_LEASE, MAX_LEASE, 120), DEFAULTS.lease_ttl),
    )
    return policy, (*reader.problems, *_relations(policy))


def unknown_names(names: Iterable[str], known: Iterable[str]) -> tuple[Problem, ...]:
    """Find variables that look like ours and are not: ``friday_sock`` would be ignored in silence otherwise.

    Args:
        names: names of all variables that somebody set.
        known: names that Friday reads (or sets) itself.
    """
    known = sorted(set(known))
    problems = []
    for name in sorted(set(names)):
        normal = name.lower().replace("-", "_")
        if not normal.startswith("friday_") or name in known:
            continue
        close = difflib.get_close_matches(normal, known, n=1, cutoff=0.75)
        fix = f"did you mean {close[0]}?" if close else "remove it, or give a variable of your own another prefix"
        problems.append(Problem(name, "there is no such variable", fix))
    return tuple(problems)


def misplaced(
    names: Iterable[str], run: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]
) -> tuple[Problem, ...]:
    """Find variables of the run that are set for some hosts, where nobody reads them.

    Args:
        names: the variables that are for the whole run.
        run: raw values by name, as the run reads them.
        hosts: the same of each host of the inventory.
    """
    problems = []
    for name in sorted(names):
        where = [host for host, own in hosts.items() if name in own and str(own[name]) != str(run.get(name))]
        if where:
            shown = ", ".join(where[:3]) + (" and others" if where[3:] else "")
            fix = "it is for the whole run: set it in group_vars/all.yml or with --extra-vars"
            problems.append(Problem(name, f"is set for {shown}, where it has no effect", fix))
    return tuple(problems)


def _relations(policy: Policy) -> list[Problem]:
    problems = []
    if policy.canary and policy.only and policy.canary not in policy.only:
        only = ", ".join(policy.only)
        problems.append(
            Problem("friday_canary", f"{policy.canary} is not in friday_only ({only})", "name one of them, or add it")
        )
    if 0 < policy.soak < policy.soak_interval:
        problems.append(
            Problem(
                "friday_soak_interval",
                f"{policy.soak_interval} s is longer than the soak itself (friday_soak: {policy.soak})",
                f"set friday_soak_interval: {policy.soak} or less",
            )
        )
    if policy.soak_interval and policy.soak / policy.soak_interval > MAX_ROUNDS:
        least = -(-policy.soak // MAX_ROUNDS)
        problems.append(
            Problem(
                "friday_soak_interval",
                f"{policy.soak_interval} s makes more than {MAX_ROUNDS} rounds of checks in a soak of {policy.soak} s",
                f"set friday_soak_interval: {least} or more",
            )
        )
    return problems


class _Reader:
    """Reads variables one by one and collects what is wrong with them."""

    def __init__(self, variables: Mapping[str, Any]):
        self._variables = variables
        self.problems: list[Problem] = []

    def read(self, name: str, parse: Callable[[Any], T], default: T) -> T:
        value = self._variables.get(name)
        if value is None:
            return default
        try:
            return parse(value)
        except _Wrong as wrong:
            message = f"{wrong.message}; it is {_shown(value)}"
            self.problems.append(Problem(name, message, f"for example {name}: {wrong.example}"))
            return default


def _shown(value: Any) -> str:
    # Ansible's tagged strings and numbers print their plain value; anything long is cut: it goes on one line.
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,15}\s*", value):
        return int(value)
    return None


def _number(unit: str, low: int, high: int, example: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        number = _whole(value)
        if number is None or not low <= number <= high:
            raise _Wrong(f"must be a whole number of {unit} from {low} to {high}", str(example))
        return number

    return parse


def _seconds(low: int, example: int) -> Callable[[Any], int]:
    return _number("seconds", low, WEEK, example)


def _mebibytes(example: int) -> Callable[[Any], int]:
    parse = _number("MiB", 0, 1024**2, example)
    return lambda value: parse(value) * MIB


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value).strip().lower()) if isinstance(value, (str, int)) else None
    if known is None:
        raise _Wrong("must be true or false", "true")
    return known


def _choice(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        text = str(value).strip()
        if not isinstance(value, str) or text not in choices:
            raise _Wrong(f"must be {' or '.join(choices)}", choices[0])
        return text

    return parse


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("must be the name of one host of the inventory", "node1")
    return str(value).strip()


def _domain(value: Any) -> str:
    text = str(value).strip().rstrip(".")
    if not isinstance(value, str) or len(text) > 200 or not _DOMAIN.fullmatch(text):
        raise _Wrong("must be a domain name in lower case", DEFAULTS.cluster_domain)
    return text


def _texts(value: Any) -> list[str] | None:
    """A list, a string with commas or a lone number as stripped texts; None when it is none of these."""
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(item, bool) or not isinstance(item, (str, int)) for item in items):
        return None
    return [text for text in (str(item).strip() for item in items) if text]


def _names(value: Any) -> tuple[str, ...]:
    names = _texts(value)
    if names is None:
        raise _Wrong("must be a list of names of hosts of the inventory", "[node1, node2]")
    return tuple(dict.fromkeys(names))


def _listed(things: str) -> Callable[[Any], tuple[str, ...]]:
    example = "[6.1.0-50-amd64]" if "kernels" in things else "[package1, package2]"

    def parse(value: Any) -> tuple[str, ...]:
        given = _texts(value)
        if given is None or any(not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+~:_-]*", text) for text in given):
            raise _Wrong(f"must be a list of {things}", example)
        return tuple(dict.fromkeys(given))

    return parse


def _references(value: Any) -> tuple[str, ...]:
    given, known = _texts(value), {row.reference for row in known_bad.ROWS}
    if given is None or not known.issuperset(given):
        raise _Wrong("must be a list of references of known-bad combinations", f'["{min(known)}"]')
    return tuple(dict.fromkeys(given))


def _checks(value: Any) -> tuple[str, ...]:
    given, known = _texts(value), sorted(check.name for check in CHECKS)
    strange = [name for name in given or () if name not in known]
    if given is None or strange:
        close = [match for name in strange for match in difflib.get_close_matches(name, known, n=1)]
        what = f"{', '.join(strange)}: there is no such check" if strange else "must be a list of names of checks"
        raise _Wrong(f"{what}; known are {', '.join(known)}", f"[{close[0] if close else 'dns'}]")
    return tuple(dict.fromkeys(given))


def _workloads(value: Any) -> tuple[str, ...]:
    globs = _texts(value)
    if globs is None or any(not re.fullmatch(r"[^/\s]+/[^/\s]+", glob) for glob in globs):
        raise _Wrong("must be a list of namespace/name, with wildcards in both if needed", '["games/minecraft*"]')
    return tuple(dict.fromkeys(globs))


def _nodes(value: Any) -> tuple[str, ...]:
    names = _texts(value)
    if names is None:
        raise _Wrong("must be a list of names of nodes", "[node1]")
    return tuple(dict.fromkeys(names))


def _budgets(value: Any) -> tuple[str, ...]:
    names = _texts(value)
    if names is None or any(not re.fullmatch(r"[^/\s]+/[^/\s]+", name) for name in names):
        raise _Wrong("must be a list of PodDisruptionBudgets as namespace/name", "[shop/web]")
    return tuple(dict.fromkeys(names))


def _most(value: Any) -> str:
    sizes = _texts(value) or []
    match = _SIZE.fullmatch(sizes[0]) if len(sizes) == 1 else None
    if match is None or (match[2] and int(match[1]) > 100):
        raise _Wrong('must be a number of nodes (1 or more) or a percentage ("1%" to "100%")', '"50%"')
    return sizes[0]


def _quorums(value: Any) -> tuple[NamedQuorum, ...]:
    wrong = _Wrong(
        "must be a list of quorums, each with name, namespace, selector (labels) and minimum (1 or more)",
        "[{name: garage, namespace: garage, selector: {app: garage}, minimum: 2}]",
    )
    if not isinstance(value, (list, tuple)):
        raise wrong
    found = []
    for item in value:
        if not isinstance(item, Mapping) or set(item) != {"name", "namespace", "selector", "minimum"}:
            raise wrong
        selector, minimum = item["selector"], _whole(item["minimum"])
        labels = [f"{k}={v}" for k, v in selector.items()] if isinstance(selector, Mapping) else _texts(selector)
        named = all(isinstance(item[key], str) and item[key] for key in ("name", "namespace"))
        if not named or not labels or any("=" not in label for label in labels) or not minimum or minimum < 1:
            raise wrong
        found.append(NamedQuorum(str(item["name"]), str(item["namespace"]), tuple(sorted(map(str, labels))), minimum))
    return tuple(found)


def _sizes(value: Any) -> tuple[str, ...]:
    example = '[1, 2, 4, "25%"]'
    sizes = _texts(value)
    parsed = [_SIZE.fullmatch(size) for size in sizes or ()]
    if not parsed or any(match is None or (match[2] and int(match[1]) > 100) for match in parsed):
        raise _Wrong('must be a list of numbers of hosts (1 or more) or percentages ("1%" to "100%")', example)
    # Only sizes of a kind can be compared before the fleet is known.
    pairs = [(match[2], int(match[1])) for match in parsed if match]
    if any(a[0] == b[0] and a[1] > b[1] for a, b in itertools.pairwise(pairs)):
        raise _Wrong("must grow: no wave may be smaller than the one before", example)
    return tuple(sizes or ())
