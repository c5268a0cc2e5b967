# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is a host, and the cluster around it, as it was before?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.accept import accepted
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks import CHECKS
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.diagnose import diagnose
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Severity, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation


def compare(
    before: Observation,
    after: Observation,
    host: str,
    target_kernel: str,
    policy: Policy,
    *,
    node: str = "",
    reboot: bool | None = None,
    boot_id: str = "",
    checks: Iterable[Check] = CHECKS,
) -> Verdict:
    """Ask every check, and say what follows.

    Args:
        before, after: what was seen. Both hold the facts of ``host``; facts of another host are those of a peer that
            was asked to look at it. All are taken as seen at the time of the observation: leave out what is older.
        host: name in the inventory.
        target_kernel: release that the plan wants to run (the one of before, where the plan changes none).
        node: name of the host's node in the cluster; empty when it is the same as ``host``.
        reboot: whether a restart was planned between the two; None: when the kernel was to change, when the host asked
            for one, or when the policy always wants one.
        boot_id: of the boot that it led to, as far as that is known: the host must not have been restarted again.

    Returns:
        The verdict; its ``checks`` are those that could run and were asked, also and above all for a pass.
    """
    if reboot is None:
        reboot = _reboot_planned(before, host, target_kernel, policy)
    context = Context(host, node or host, policy, target_kernel, reboot, boot_id)
    findings: list[Finding] = []
    asked: list[str] = []
    for check in checks:
        if not check.compares:
            continue
        if not check.applies.holds((before, after), context):
            if check.applies.otherwise:
                message = f"{check.name} skipped: {check.applies.otherwise}"
                findings.append(check.finding(Severity.INFO, context.node, message))
        elif missing := check.missing(context, after, before):
            message = f"{check.name} on {context.node}: no data ({missing[0]})"
            findings.append(
                check.finding(Severity.UNKNOWN, context.node, message, after="unknown", evidence=tuple(missing))
            )
        else:
            asked.append(check.name)
            findings.extend(check.compare(before, after, context))
    return diagnose(accepted(findings, policy.accept), asked)


def _reboot_planned(before: Observation, host: str, target_kernel: str, policy: Policy) -> bool:
    facts = before.facts.get(host)
    if policy.reboot == "always" or facts is None:
        return True
    return facts.reboot_required or facts.kernel != target_kernel
