"""How much CPU time planning takes: python3 tests/unit/decide/scale.py [hosts] [pods per host]."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.preflight import preflight  # noqa: E402
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import resolve_targets  # noqa: E402
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.waves import make_plan  # noqa: E402
from tests.unit.decide.fleets import large_fleet  # noqa: E402


def main() -> None:
    """Measure each decision that is made before a run."""
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    policy, targets, snapshot, facts = large_fleet(hosts, pods_per_host=pods).arguments()
    print(f"{hosts} hosts, {len(snapshot.pods)} pods, {len(snapshot.budgets)} budgets")
    started = time.process_time()
    targets, problems = resolve_targets(targets, snapshot, policy)
    resolved = time.process_time()
    problems += preflight(policy, targets, snapshot, facts)
    checked = time.process_time()
    plan = make_plan(policy, targets, snapshot, facts)
    planned = time.process_time()
    for name, seconds in (
        ("targets", resolved - started),
        ("preflight", checked - resolved),
        ("plan", planned - checked),
    ):
        print(f"{name:9} {seconds:.2f} s")
    print(f"{len(plan.waves)} waves, {len(problems)} problems, digest {plan.digest[:12]}")


if __name__ == "__main__":
    main()
