# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a host has proven itself: verdicts of repeated looks, and whether to look again.

One look proves little. Straight after a boot nearly everything fails for a while, and an agent's own "OK" comes too
early; later a single failing look may be a hiccup. So both ways need confirmation.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Severity, Verdict
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import BEFORE, LAST, SOAK, VERIFY, Step

MAX_ROUNDS = 200  # at most in a phase, about: Ansible nests the looks of a phase, and its depth has an end
CONFIRM_FAILURE = 2  # looks in a row that have to show a failure before it ends a phase ahead of its time
# Looks in a row that have to pass. Nothing has changed before the first step, so there one is enough.
CONFIRM_PASS = {BEFORE: 1, VERIFY: 2, LAST: 1}


@dataclass(frozen=True)
class Progress:
    """What the rounds of one phase on one host need to remember.

    Attributes:
        started: when the phase began, in seconds on a clock that is never set.
        looked: when the last look was.
        passes: looks in a row, up to the last one, that passed.
        failures: looks in a row, up to the last one, that count towards ending the phase with a failure.
    """

    started: float
    looked: float = 0.0
    passes: int = 0
    failures: int = 0


@dataclass(frozen=True)
class Round:
    """What follows from a look.

    Attributes:
        action: ``again``, ``pass`` or ``fail``; after ``fail`` the outcome tells failed from inconclusive.
        reason: one sentence for a person.
        outcome: of the phase so far; its final one unless ``again``.
        wait: seconds until the next look; 0 unless ``again``.
    """

    action: str
    reason: str
    outcome: Outcome
    wait: float = 0.0


def next_round(progress: Progress, verdict: Verdict, phase: Step, now: float, policy: Policy) -> tuple[Progress, Round]:
    """Decide after a look.

    Args:
        progress: as the round before returned it; ``Progress(started=now)`` at first.
        verdict: of this look.
        phase: ``before``, ``verify`` and ``last`` wait for a pass until ``friday_verify_timeout``; a lasting failure
            that is seen in two looks in a row ends them at once. ``soak`` lasts ``friday_soak`` seconds and must end
            with a pass; what does not pass is looked at again soon (even when the time is over), and twice in a row it
            ends it.
        now: time of this look, on the clock of ``progress``.

    Raises:
        ValueError: there is no such phase.
    """
    progress = dataclasses.replace(progress, looked=now)
    if phase is SOAK:
        return _soak(progress, verdict, progress.started + policy.soak - now, policy)
    if phase not in CONFIRM_PASS:
        raise ValueError(f"{phase.name} is not a phase: it has no checks")
    left = progress.started + policy.verify_timeout - now
    return _verify(progress, verdict, left, policy, CONFIRM_PASS[phase])


def _verify(progress: Progress, verdict: Verdict, left: float, policy: Policy, confirm: int) -> tuple[Progress, Round]:
    timeout, interval = policy.verify_timeout, policy.check_interval
    if verdict.outcome is Outcome.PASS:
        progress = _passed(progress)
        if progress.passes >= confirm:
            return progress, Round("pass", f"passed {_times(progress.passes)} in a row", Outcome.PASS)
        if left <= 0:
            reason = f"passed only {_times(progress.passes)} within {timeout} s, {_times(confirm)} in a row required"
            return progress, Round("fail", reason, Outcome.INCONCLUSIVE)
        return progress, _again(f"passed, {progress.passes} of {confirm}", Outcome.PASS, interval, left)
    # Only what waiting does not fix counts here: a host that has just booted fails for good reasons.
    lasting = verdict.outcome is Outcome.FAIL and _lasting(verdict)
    progress = dataclasses.replace(progress, passes=0, failures=progress.failures + 1 if lasting else 0)
    if progress.failures >= CONFIRM_FAILURE:
        reason = f"{_words(verdict)} (seen {_times(progress.failures)}; not transient)"
        return progress, Round("fail", reason, Outcome.FAIL)
    if left <= 0:
        return progress, Round("fail", f"{_words(verdict)} (still so after {timeout} s)", verdict.outcome)
    return progress, _again(_words(verdict), verdict.outcome, max(interval, timeout / MAX_ROUNDS), left)


def _soak(progress: Progress, verdict: Verdict, left: float, policy: Policy) -> tuple[Progress, Round]:
    if verdict.outcome is Outcome.PASS:
        progress = _passed(progress)
        if left <= 0:
            return progress, Round("pass", f"soaked for {policy.soak} s", Outcome.PASS)
        return progress, _again(f"passed, {left:.0f} s of soak left", Outcome.PASS, policy.soak_interval, left)
    # Inconclusive looks count like failing ones: missing evidence holds.
    progress = dataclasses.replace(progress, passes=0, failures=progress.failures + 1)
    if progress.failures >= CONFIRM_FAILURE:
        reason = f"{_words(verdict)} (seen {_times(progress.failures)} in a row)"
        return progress, Round("fail", reason, verdict.outcome)
    soon = min(policy.check_interval, policy.soak_interval)
    return progress, Round("again", f"{_words(verdict)} (not confirmed yet)", verdict.outcome, soon)


def _passed(progress: Progress) -> Progress:
    return dataclasses.replace(progress, passes=progress.passes + 1, failures=0)


def _again(reason: str, outcome: Outcome, interval: float, left: float) -> Round:
    # The last look is made when the time is over, not an interval later.
    return Round("again", reason, outcome, max(0.0, min(interval, left)))


def _lasting(verdict: Verdict) -> bool:
    findings = (verdict.cause, *verdict.consequences)
    return any(finding and finding.lasting and finding.severity is Severity.FAIL for finding in findings)


def _words(verdict: Verdict) -> str:
    if verdict.cause is None:
        return "failed" if verdict.outcome is Outcome.FAIL else "inconclusive"
    return f"{verdict.cause.layer.label}: {verdict.cause.message}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
