# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer kernel: the planned one runs, was really booted, says nothing new and has what it had."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.lines import is_grave, is_verifier, new_lines
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.view import facts_of, listed
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import RaidArray
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation


class KernelRelease(Check):
    """The running kernel is the planned one."""

    layer = Layer.KERNEL
    name = "kernel-release"
    needs = ("facts.kernel",)
    acceptable = False

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare ``uname -r`` with the plan."""
        kernel = facts_of(after, context.host).kernel
        if kernel != context.target_kernel:
            yield self.finding(
                Severity.FAIL,
                context.host,
                f"{context.host} runs kernel {kernel} instead of the planned {context.target_kernel}",
                before=facts_of(before, context.host).kernel,
                after=kernel,
                lasting=True,
            )


class KernelBoot(Check):
    """The host was restarted if, and only if, that was planned."""

    layer = Layer.KERNEL
    name = "kernel-boot"
    needs = ("facts.boot_id",)
    acceptable = False

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the boot ids."""
        old, new = facts_of(before, context.host).boot_id, facts_of(after, context.host).boot_id
        if (old != new) != context.reboot:
            message = (
                f"{context.host} was not rebooted: its boot id is unchanged"
                if context.reboot
                else f"{context.host} was rebooted although no reboot was planned"
            )
        elif context.boot_id and new != context.boot_id:
            old, message = context.boot_id, f"{context.host} was rebooted once more, but not by Friday"
        else:
            return
        yield self.finding(Severity.FAIL, context.host, message, before=old, after=new, lasting=True)


class KernelLog(Check):
    """The kernel complains of nothing that it did not complain of before (the verifier's lines belong to BPF)."""

    layer = Layer.KERNEL
    name = "kernel-log"
    needs = ("facts.kernel_log",)

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Doubt a log that has suspicious lines already."""
        if lines := facts_of(now, context.host).kernel_log:
            message = f"the kernel log of {context.host} already has suspicious lines, the last: {lines[-1]}"
            yield self.doubt(context, message, *lines)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the suspicious lines by what they say, one finding for each."""
        known, now = facts_of(before, context.host).kernel_log, facts_of(after, context.host).kernel_log
        for lines in new_lines(known, (line for line in now if not is_verifier(line))).values():
            grave = is_grave(lines[0])
            yield self.finding(
                Severity.FAIL if grave else Severity.WARN,
                context.host,
                f"new in the kernel log of {context.host}: {lines[0]}",
                evidence=lines,
                lasting=grave,
            )


class KernelBtf(Check):
    """The kernel still has type information (/sys/kernel/btf/vmlinux) if it had: CO-RE programs don't load without."""

    layer = Layer.KERNEL
    name = "kernel-btf"
    needs = ("facts.btf",)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the presence of BTF."""
        old, new = facts_of(before, context.host), facts_of(after, context.host)
        if old.btf and not new.btf:
            yield self.finding(
                Severity.FAIL,
                context.host,
                f"kernel {new.kernel} has no BTF; {old.kernel} had it",
                before="BTF",
                after="no BTF",
                lasting=True,
            )


class KernelRaid(Check):
    """No array of /proc/mdstat is gone or stopped, or lacks members (in a comparison: more than before)."""

    layer = Layer.KERNEL
    name = "kernel-raid"
    needs = ("facts.raid",)

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find arrays that lack members or are stopped; a resync is a note."""
        host = context.host
        for array in facts_of(now, host).raid:
            if array.active < array.wanted or not array.state.startswith("active"):
                message = f"array {array.name} of {host} is degraded: {_members(array)}"
                yield self.finding(Severity.FAIL, host, message)
            elif array.syncing:
                yield self.finding(Severity.WARN, host, f"array {array.name} of {host} is resyncing")

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare array by array; a resync alone is a note."""
        now = {array.name: array for array in facts_of(after, context.host).raid}
        for old in facts_of(before, context.host).raid:
            new, subject = now.get(old.name), f"array {old.name}"
            if new is None:
                yield self.finding(Severity.FAIL, subject, f"{subject} is gone", before=_members(old))
            elif new.wanted - new.active > old.wanted - old.active or new.wanted < old.wanted or _stopped(old, new):
                message = f"{subject} is worse than before: {_members(new)} (before: {_members(old)})"
                yield self.finding(Severity.FAIL, subject, message, before=_members(old), after=_members(new))
            elif new.syncing and not old.syncing:
                yield self.finding(Severity.WARN, subject, f"{subject} has been resyncing since the upgrade")


class FailedUnits(Check):
    """Units of systemd that failed and did not before: worth a look, and seldom a reason to stop."""

    layer = Layer.KERNEL
    name = "failed-units"
    needs = ("facts",)  # it fails nothing, so that it need not be known either

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the lists of failed units."""
        old, new = facts_of(before, context.host), facts_of(after, context.host)
        if reason := old.unknown.get("failed_units") or new.unknown.get("failed_units"):
            yield self.finding(Severity.INFO, context.host, f"failed units were not compared: {reason}")
        elif failed := [unit for unit in new.failed_units if unit not in old.failed_units]:
            yield self.finding(Severity.WARN, context.host, f"units that failed since the upgrade: {listed(failed)}")


def _stopped(old: RaidArray, new: RaidArray) -> bool:
    return old.state.startswith("active") and not new.state.startswith("active")


def _members(array: RaidArray) -> str:
    return f"{array.active} of {array.wanted} members, {array.state}"
