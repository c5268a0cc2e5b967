# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run came to, in which states it leaves the hosts, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.accept import found_and_accepted, offer
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import (
    Finding,
    Layer,
    Outcome,
    Problem,
    Verdict,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import PackageKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import Plan, PlannedHost
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import CORDONED_BY
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState

PASS, FAIL, INCONCLUSIVE, NOTHING_TO_DO = "pass", "fail", "inconclusive", "nothing-to-do"
# Begun and not ended: the controller or the connection was lost in between. They are cordoned.


def outcome(
    plan: Plan,
    record: RunRecord,
    problems: Sequence[Problem] = (),
    final: Verdict | None = None,
    plan_only: bool = False,
    verdicts: Mapping[str, Verdict] | None = None,
) -> tuple[str, str]:
    """The outcome (pass, fail, inconclusive, nothing-to-do) and a sentence that says why.

    A pass needs every planned host done and, where the whole cluster was compared once more, that comparison passed.

    Args:
        problems: reasons that kept the run from starting.
        final: the last comparison of the whole cluster.
        plan_only: nothing was meant to be changed; a plan that could be made is then a pass.
        verdicts: the last one on each host. A run that stopped for missing evidence alone is inconclusive.
    """
    if problems:
        return FAIL, f"{_count(len(problems), 'problem')} to solve first; nothing was touched"
    states = states_of(plan, record)
    done = sum(state is HostState.DONE for state in states.values())
    stopped = [host for host, state in states.items() if state.stopped]
    if stopped:
        words = "; ".join(_stopped(host, record.hosts[host]) for host in stopped)
        return _worst(stopped, verdicts or {}), f"{words}; {_rest(states, done)}"
    if record.stop:
        return FAIL, f"stopped: {record.stop}; {_rest(states, done)}"
    if not states:
        return NOTHING_TO_DO, _why_skipped(plan)
    if plan_only:
        return PASS, f"{_count(len(states), 'host')} in {_count(len(plan.waves), 'wave')}; nothing was changed"
    if done < len(states):
        return INCONCLUSIVE, f"the run ended early; {_rest(states, done)}"
    if final is not None and final.outcome is not Outcome.PASS:
        cause = f": {final.cause.layer.label}: {final.cause.message}" if final.cause else ""
        word = "failed" if final.outcome is Outcome.FAIL else "was inconclusive"
        return final.outcome.value, f"all {_count(len(states), 'host')} done, but the last look {word}{cause}"
    known = found_and_accepted([*(verdicts or {}).values(), *([final] if final else [])])
    accepted = f"; accepted: {', '.join(known)}" if known else ""
    return PASS, f"{_count(len(states), 'host')} done, {len(plan.skipped)} skipped{accepted}"


def states_of(plan: Plan, record: RunRecord) -> dict[str, HostState]:
    """The state of every planned host (in order), and of any other that the record knows."""
    hosts = [planned.host for planned in plan.hosts()]
    hosts += sorted(record.hosts.keys() - set(hosts), key=natural_key)
    return {host: record.hosts[host].state if host in record.hosts else HostState.PLANNED for host in hosts}


def advice(
    plan: Plan, record: RunRecord, verdicts: Mapping[str, Verdict] | None = None, accept: Sequence[str] = ()
) -> tuple[str, ...]:
    """What to do next, one step each, in order; `` `code` `` marks what is to be typed. Empty when there is nothing.

    Args:
        verdicts: the last one on each host that was compared.
        accept: the checks that are accepted already (``friday_accept``).
    """
    states = states_of(plan, record)
    planned = {host.host: host for host in plan.hosts()}
    steps: list[str] = []
    for host, state in states.items():
        if state is HostState.FAILED:
            verdict = (verdicts or {}).get(host)
            steps += _after_failure(host, planned.get(host), record.hosts[host], verdict)
            steps += _accepting(verdict, accept)
        elif state is HostState.HELD:
            steps.append(_after_hold(host, record.hosts[host]))
            steps += _accepting((verdicts or {}).get(host), accept)
        elif state.under_way and (record.finished or record.stop):
            node = planned[host].node if host in planned else host
            steps.append(f"{host} was left cordoned ({state.value}): check that it answers, `kubectl get node {node}`.")
    left = [host for host, state in states.items() if state is not HostState.DONE]
    if left and (steps or record.stop):
        steps.append(_go_on(states, left))
    return tuple(dict.fromkeys(steps))


def _after_failure(host: str, planned: PlannedHost | None, known: HostRecord, verdict: Verdict | None) -> Iterator[str]:
    cause = verdict.cause if verdict and verdict.outcome is not Outcome.PASS else None
    if cause is None:
        step = f" in step {known.step}" if known.step else ""
        if known.halted:
            yield f"Nothing is known to be wrong with {host}, nothing to fix{step}: {known.message}."
            return
        yield f"Fix what stopped {host}{step}: {known.message or 'see its log'}"
    else:
        yield from _by_layer(cause, host, planned, known)
    node = planned.node if planned else host
    yield (
        f"Leave {host} cordoned until then: the next run verifies and uncordons it. To take it out of Friday's hands, "
        f"`kubectl uncordon {node}` and `kubectl annotate node {node} {CORDONED_BY}-`."
    )


def _by_layer(cause: Finding, host: str, planned: PlannedHost | None, known: HostRecord) -> Iterator[str]:
    kernel = known.kernel or (planned.target_kernel if planned else "")
    changed = planned is not None and planned.target_kernel != planned.kernel
    if cause.layer is Layer.HOST:
        yield f"Fix {cause.subject}: {cause.message}"
    elif cause.layer is Layer.KERNEL:
        yield f"Check the kernel log of {host}, `journalctl -k -b`: {cause.message}"
    elif cause.layer is Layer.BPF:
        yield f"Update the network agent to a version whose BPF programs load on kernel {kernel}, on all nodes."
    elif cause.layer in (Layer.AGENT, Layer.ENDPOINTS, Layer.CNI):
        yield f"Check the log of the network agent's pod on {host}: {cause.message}"
    else:
        yield f"Fix the layer {cause.layer.label}, nothing below it failed: {cause.message}"
    if planned is not None and changed and cause.layer <= Layer.NETWORK:
        yield _back(host, planned)


def _back(host: str, planned: PlannedHost) -> str:
    """How to stay on the old kernel. A new image that stays installed would be booted, and planned, again."""
    kernels = [change for change in planned.packages if change.kind is PackageKind.KERNEL]
    purge = [change.name for change in kernels if not change.installed]
    hold = [change.name for change in kernels if change.installed and change.candidate]
    steps = [f"Or stay on kernel {planned.kernel}: boot {host} into it from the boot loader's menu"]
    remove = (
        f"`{planned.remedies.remove} {' '.join(purge)}`" if planned.remedies.remove else f"remove {', '.join(purge)}"
    )
    keep = f"`{planned.remedies.hold} {' '.join(hold)}`" if planned.remedies.hold else f"hold {', '.join(hold)}"
    if purge:
        steps.append(f"{remove} there (its metapackage goes too: reinstall that later)")
    if hold:
        steps.append(f"{keep} on every host (and friday_packages: all)")
    return ", ".join(steps) + "."


def _after_hold(host: str, known: HostRecord) -> str:
    step = known.step or "the first step"
    held = f"Clear what blocked it in {step}: {known.message}"
    return f"Nothing was changed on {host}, and this run's cordon is not on it. {held}"


def _accepting(verdict: Verdict | None, accept: Sequence[str]) -> Iterator[str]:
    if verdict and (line := offer(verdict, accept)):
        yield f"If what was found is known and harmless, accept it: `{line}`. It is still checked, and reported."


def _go_on(states: Mapping[str, HostState], left: Sequence[str]) -> str:
    waiting = [host for host, state in states.items() if state.cordoned]
    first = f"resumes with {', '.join(waiting)}, then " if waiting else ""
    rest = len(left) - len(waiting)
    remaining = "host" if rest == 1 else f"{rest} hosts"
    then = f"continues with the remaining {remaining}" if rest else "ends"
    return f"Then rerun the same command: it {first}{then}."


def _worst(stopped: Sequence[str], verdicts: Mapping[str, Verdict]) -> str:
    known = [verdicts[host].outcome if host in verdicts else Outcome.FAIL for host in stopped]
    return INCONCLUSIVE if all(result is Outcome.INCONCLUSIVE for result in known) else FAIL


def _stopped(host: str, known: HostRecord) -> str:
    step = f" in step {known.step}" if known.step else ""
    return f"{host} {known.state.value}{step}" + (f": {known.message}" if known.message else "")


def _rest(states: Mapping[str, HostState], done: int) -> str:
    untouched = sum(state is HostState.PLANNED for state in states.values())
    return f"{done} of {_count(len(states), 'host')} done, {untouched} not touched"


def _why_skipped(plan: Plan) -> str:
    if not plan.skipped:
        return "there are no hosts"
    if all(host.reason.startswith("up to date") for host in plan.skipped):
        return f"{_count(len(plan.skipped), 'host')} up to date"
    reasons = sorted({host.reason for host in plan.skipped})
    return f"{_count(len(plan.skipped), 'host')} skipped ({'; '.join(reasons[:3])}{'; ...' if reasons[3:] else ''})"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
