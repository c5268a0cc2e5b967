# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which rehearsals a plan needs, and what their answers mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ansible_collections.friday.upgrade.plugins.module_utils.kernel_release import parse
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import candidate as beside
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.targets import natural_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.host import HostFacts, Kernel, Remedies
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.plan import PlannedHost
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import (
    BpfObject,
    BpfState,
    Group,
    GroupVerdict,
    Image,
    KernelSource,
    LiveProgram,
    LoadOutcome,
    Newest,
    OfferedKernel,
    ProgramResult,
    ProgramVerdict,
    Rehearsal,
    Trial,
    Word,
)

NEWEST = "newest"
"""What to ask for instead of a release."""

INSTALLED = "installed"
"""The build of a kernel that is there already, and that no package brings: only its image tells it from others."""

ANY = "whatever the sources have"
"""The build of a kernel that was asked for by its release."""

SHORT_NAME = 15
"""Characters that the kernel keeps of a program's name (BPF_OBJ_NAME_LEN - 1), unless it has BTF."""

_FEW = 10_000
"""Instructions below which growth is no news: a hundredth of the limit (BPF_COMPLEXITY_LIMIT_INSNS, 1,000,000)."""

SLOW_SHARE = 10
"""A load that is ended for its time is no word on the candidate where the control took a tenth of that or more."""

_BAD = (Word.FAIL, Word.SPLAT)

_LIVE_TYPES = {"SchedCLS": "sched_cls", "XDP": "xdp"}
"""What bpftool calls the types that the loader assumes."""

_WORST = list(Word)

Answers = tuple[Trial, Trial]
"""Of one object: what the running kernel has said, and the candidate."""


Offers = Mapping[str, Sequence[OfferedKernel]]
"""By host, what its package sources have."""


def asked_for(
    facts: Mapping[str, HostFacts], nodes: Mapping[str, str], wanted: str, offers: Offers
) -> tuple[PlannedHost, ...]:
    """Every host as if it were to boot the kernels that were asked for, where nothing is planned.

    Args:
        facts: by host.
        nodes: names of the hosts' nodes.
        wanted: releases, separated by commas; or ``newest``: all that are offered and newer than the one that runs.
    """
    hosts = []
    for host in sorted(facts, key=natural_key):
        kernel = facts[host].kernel
        releases = [name.strip() for name in wanted.split(",") if name.strip()]
        if wanted == NEWEST:
            releases = [each.release for each in offers.get(host, ()) if parse(each.release).key > parse(kernel).key]
        hosts += [
            PlannedHost(host, nodes.get(host, host), "", "", kernel, release, reboot=True) for release in releases
        ]
    return tuple(hosts)


def newest(verdicts: Sequence[GroupVerdict]) -> tuple[Newest, ...]:
    """The newest candidate that passes, by hosts; one that is worth a warning passes."""
    tried: dict[str, dict[str, GroupVerdict]] = {}
    for verdict in verdicts:
        for host in verdict.hosts:
            tried.setdefault(host, {})[verdict.candidate] = verdict
    found: dict[Newest, list[str]] = {}
    for host in sorted(tried, key=natural_key):
        passing = [each for each in tried[host].values() if each.word in (Word.PASS, Word.WARN)]
        best = max(passing, key=lambda each: parse(each.candidate).key, default=None)
        of_host = Newest((), "", len(tried[host]), remedies=next(iter(tried[host].values())).remedies)
        if best:
            of_host = replace(of_host, release=best.candidate, package=best.package)
        found.setdefault(of_host, []).append(host)
    return tuple(replace(newest, hosts=tuple(hosts)) for newest, hosts in found.items())


def groups(
    planned: Sequence[PlannedHost],
    facts: Mapping[str, HostFacts],
    states: Mapping[str, BpfState],
    agents: Mapping[str, str],
    offers: Offers,
) -> tuple[Group, ...]:
    """The hosts that get another kernel, by what has to be rehearsed for them.

    Args:
        planned: hosts of the plan, in order.
        facts: by host.
        states: by host; a host without one is in a group of its own, whose verdict will say so.
        agents: the network's agent with its version, by node.
        offers: kernels that could be had, where others than the upgrade's were asked for.
    """
    found: dict[str, Group] = {}
    for host in planned:
        release = host.target_kernel
        if host.host not in facts or not release or release == host.kernel:
            continue
        running, candidate = kernels(facts[host.host], release, offers.get(host.host, ()))
        state = states.get(host.host, BpfState(unknown={"objects": "the host did not answer"}))
        agent, distribution = agents.get(host.node, ""), facts[host.host].distribution
        headers, remedies = _with_headers(facts[host.host], candidate), facts[host.host].remedies
        key = _digest(running, candidate, agent, distribution, headers, remedies, _state_key(state))
        known = found.get(key, Group((), running, candidate, state, agent, distribution, headers, remedies))
        found[key] = replace(known, hosts=(*known.hosts, host.host))
    return tuple(found.values())


def kernels(facts: HostFacts, release: str, offered: Sequence[OfferedKernel] = ()) -> tuple[KernelSource, KernelSource]:
    """The running kernel and the candidate of a host: what the upgrade brings, or another that its sources have."""
    running = KernelSource(facts.kernel, facts.kernel_version, facts.architecture)
    for each in offered:
        if each.release == release:
            return running, KernelSource(release, each.packages[0][1], facts.architecture, each.packages)
    known = _kernel(facts, release)
    if known and known.packages:
        return running, KernelSource(release, known.packages[0][1], facts.architecture, known.packages)
    # Without packages the host takes it from /boot, or else finds those that its sources have.
    return running, KernelSource(release, INSTALLED if known else ANY, facts.architecture)


def _with_headers(facts: HostFacts, candidate: KernelSource) -> bool | None:
    known = _kernel(facts, candidate.release)
    return known.headers if known and known.packages == candidate.packages else None


def _kernel(facts: HostFacts, release: str) -> Kernel | None:
    return next((each for each in facts.kernels if each.release == release), None)


def volatile(source: KernelSource) -> bool:
    """Whether another image may be meant by the same words next time, so that it has to be asked for."""
    return source.build in (INSTALLED, ANY)


def worst(verdicts: Sequence[GroupVerdict]) -> GroupVerdict:
    """The first of the worst ones."""
    return min(verdicts, key=lambda verdict: _WORST.index(verdict.word))


def trial_key(image: Image, each: BpfObject, sysctls: Mapping[str, str], loader: str, company: str = "") -> str:
    """What an answer is kept under: the same question has the same answer.

    ``loader`` is the loader's hash, ``company`` that of all objects where the answer depends on the others.
    """
    configuration = (sorted(each.contents.items()), sorted(sysctls.items()))
    return _digest(image.sha256, image.config, each.sha256, configuration, loader, company)


def _state_key(state: BpfState) -> str:
    """The same for states for which one rehearsal is enough, wherever their objects lie."""
    objects = sorted((each.sha256, sorted(each.contents.items())) for each in state.objects)
    live = None if state.live is None else sorted({(each.name, each.type, each.tag) for each in state.live})
    return _digest(objects, live, sorted(state.sysctls.items()), state.modules, sorted(state.unknown.items()))


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=repr, sort_keys=True).encode()).hexdigest()


def weigh(
    group: Group, answers: Mapping[str, Answers], running: Image | None, candidate: Image | None, policy: Policy
) -> GroupVerdict:
    """The verdict on a group of hosts.

    Args:
        answers: by object's name; one that there could not be has the reason in its ``error``.
        running, candidate: what is known of the kernels' images.
        policy: from which share of the limit, and from which growth on, a program is worth a warning.
    """
    state = group.state
    notes = [f"{what}: {why}" for what, why in state.unknown.items() if what != "live"]
    notes += beside.notes(group, running, candidate)
    verdicts: list[ProgramVerdict] = []
    reasons: list[tuple[Word, str]] = list(beside.reasons(group, running, candidate, policy.known_bad_accept))
    if not state.objects and state.live == ():
        notes.append("no BPF program is live on the nodes: there was nothing to rehearse")
    elif not state.objects:
        reasons.append((Word.INCONCLUSIVE, _without_objects(state)))
    else:
        verdicts = list(_programs(state, answers, policy))
        notes += _unread(answers) + _other_code(state, answers)
        reasons += [(each.word, each.message) for each in verdicts if each.live and each.word is not Word.PASS]
        reasons += _of_kernels(answers)
        if all(trial.release for pair in answers.values() for trial in pair):
            reasons += _not_from_objects(state, verdicts)
    reasons.sort(key=lambda reason: _WORST.index(reason[0]))
    return GroupVerdict(
        hosts=group.hosts,
        running=group.running.release,
        candidate=group.candidate.release,
        word=reasons[0][0] if reasons else Word.PASS,
        reasons=tuple(dict.fromkeys(text for _, text in reasons)),
        programs=tuple(sorted(verdicts, key=_order)),
        notes=tuple(notes),
        machine=group.running.machine,
        package=group.candidate.packages[0][0] if group.candidate.packages else "",
        remedies=group.remedies,
    )


def _order(verdict: ProgramVerdict) -> tuple[int, bool, int, str, str]:
    last = verdict.candidate or verdict.running
    count = last.stats.get("insns", 0) if last else 0
    return _WORST.index(verdict.word), not verdict.live, -count, verdict.program, verdict.object


def _without_objects(state: BpfState) -> str:
    if state.live is None:
        return f"the live BPF programs could not be read ({state.unknown.get('live', 'no answer')})"
    names = _listed(each.name for each in state.live)
    return f"BPF programs are live ({names}), but no object file of theirs was found: name it in friday_bpf_objects"


def _of_kernels(answers: Mapping[str, Answers]) -> Iterator[tuple[Word, str]]:
    """What the guests have to say beyond the programs. An answer that is missing for many objects is told once."""
    for control, trial in answers.values():
        broken = [line for line in trial.splats if line not in control.splats]
        if broken:
            yield Word.SPLAT, f"the candidate kernel logged an error while loading the programs: {broken[0]}"
        if control.splats:
            yield Word.WARN, f"the running kernel logged an error in its rehearsal: {control.splats[0]}"
        if control.complete and trial.complete and control.btf and not trial.btf:
            yield Word.WARN, "the candidate has no BTF (/sys/kernel/btf/vmlinux), unlike the running kernel"
        for name, each in (("running kernel", control), ("candidate", trial)):
            told = not each.error and any(one.outcome is LoadOutcome.ENDED for one in each.programs)
            if not each.complete and not told and not (each is trial and broken):
                slow = f"took too long: {each.error}" if each.error else "took too long"
                how = slow if each.expired else each.error or "ended early"
                yield Word.INCONCLUSIVE, f"the rehearsal of the {name} {how}"


def _programs(state: BpfState, answers: Mapping[str, Answers], policy: Policy) -> Iterator[ProgramVerdict]:
    """A verdict on each program of the objects."""
    controls = [each for control, _ in answers.values() for each in control.programs if each.loaded]
    loading, same = {each.program for each in controls}, _same_code(controls, state.live)
    carried = {each.name for each in state.objects if each.carried}
    for name, (control, trial) in answers.items():
        before = {each.program: each for each in control.programs}
        after = {each.program: each for each in trial.programs}
        if not control.release or not trial.release:
            continue  # there was no guest, which is said once
        for program in dict.fromkeys([*before, *after]):
            # Of a name that is in several objects, the one with the live one's code is it; or else one that loads.
            known = before.get(program)
            elsewhere = program in loading and not (known and known.loaded)
            if program in same:
                elsewhere = not known or known.tag not in same[program]
            live = is_live(program, state.live) and not elsewhere
            word, message = _program(before.get(program), after.get(program), trial, policy)
            other = _other_type(known, state.live) if known else ""
            if other:
                word, message = Word.INCONCLUSIVE, other
            if word is Word.INCONCLUSIVE and name in carried and known and (other or not (known.loaded or _cut(known))):
                word = Word.WARN  # nobody has said that this is all that its process loads it with
            message = f"{program}: {message}" if message else ""
            yield ProgramVerdict(name, program, word, message, live, before.get(program), after.get(program))


def _other_type(rehearsed: ProgramResult, live: Sequence[LiveProgram] | None) -> str:
    """That a program was rehearsed as another type than it is live as, where its object does not say which it is."""
    types = {each.type for each in live or () if each.type and is_live(rehearsed.program, (each,))}
    guess = _LIVE_TYPES.get(rehearsed.type, rehearsed.type)
    if not rehearsed.assumed or not types or guess in types:
        return ""
    return f"is live as {', '.join(sorted(types))}; its object does not say so, and it was rehearsed as {guess}"


def _same_code(controls: Iterable[ProgramResult], live: Sequence[LiveProgram] | None) -> dict[str, set[str]]:
    """Programs by name whose code is live just as the control has loaded it, with the tags that say so."""
    found: dict[str, set[str]] = {}
    for each in controls:
        if each.tag and any(each.tag == one.tag and is_live(each.program, (one,)) for one in live or ()):
            found.setdefault(each.program, set()).add(each.tag)
    return found


def _other_code(state: BpfState, answers: Mapping[str, Answers]) -> list[str]:
    """Live programs that no control has loaded with the same code: the verdict is on their objects."""
    controls = [each for control, _ in answers.values() for each in control.programs if each.loaded and each.tag]
    same = _same_code(controls, state.live)
    live = [each for each in state.live or () if each.tag]
    names = [each.program for each in controls if each.program not in same and is_live(each.program, live)]
    text = (
        "rehearsed as they are in the object, which differs from what is live (an agent may change them while loading)"
    )
    return [f"{text}: {_listed(dict.fromkeys(names))}"] if names else []


def is_live(program: str, live: Sequence[LiveProgram] | None) -> bool:
    """Whether a program of an object is loaded on the nodes. When that is not known, each one is taken to be."""
    if live is None:
        return True
    return any(
        each.name == program or (len(each.name) == SHORT_NAME and program.startswith(each.name)) for each in live
    )


def _program(
    before: ProgramResult | None, after: ProgramResult | None, trial: Trial, policy: Policy
) -> tuple[Word, str]:
    if before is None:
        return Word.INCONCLUSIVE, "the rehearsal of the running kernel ended before it was tried"
    if before.outcome is LoadOutcome.UNSUPPORTED:
        return Word.INCONCLUSIVE, f"was not rehearsed: {before.error}"
    if _cut(before):
        return Word.INCONCLUSIVE, f"has no control: in the rehearsal of the running kernel, {reason(before)}"
    if not before.loaded:
        return Word.INCONCLUSIVE, f"does not load in the rehearsal of the running kernel either: {reason(before)}"
    if after is None and trial.splats:
        return Word.SPLAT, f"the candidate kernel crashed: {trial.splats[0]}"
    if after is None:
        return Word.INCONCLUSIVE, "the candidate's rehearsal ended before it was tried"
    if after.outcome is LoadOutcome.ENDED:
        if trial.splats:
            return Word.SPLAT, f"the candidate kernel crashed: {trial.splats[0]}"
        return Word.INCONCLUSIVE, f"was not rehearsed to its end: on the candidate, {reason(after)}"
    if after.late and not trial.splats and before.seconds * SLOW_SHARE >= after.seconds:
        slow = f"took {before.seconds:.0f} s on the running kernel: the host that rehearses may be too slow"
        return Word.INCONCLUSIVE, f"{reason(after)} on the candidate, and {slow} (friday_rehearsal_timeout)"
    if after.outcome is LoadOutcome.CRASH:
        return Word.SPLAT if trial.splats else Word.FAIL, f"could not be loaded on the candidate: {after.error}"
    if not after.loaded:
        return Word.FAIL, f"loads on the running kernel, but the candidate refuses it: {reason(after)}"
    return _headroom(before, after, policy)


def _cut(result: ProgramResult) -> bool:
    """Whether the load was cut short, so that the kernel has said nothing."""
    return result.late or result.outcome is LoadOutcome.ENDED


def _headroom(before: ProgramResult, after: ProgramResult, policy: Policy) -> tuple[Word, str]:
    now, was = after.stats.get("insns", 0), before.stats.get("insns", 0)
    limit = after.stats.get("limit", 0)
    if limit and now * 100 >= limit * policy.rehearsal_warn_share:
        return Word.WARN, f"takes {now:,} of {limit:,} instructions ({now * 100 // limit}%), was {was:,}"
    if now >= max(was * policy.rehearsal_warn_growth, _FEW) and was:
        return Word.WARN, f"takes {now / was:.1f} times the instructions: {now:,}, was {was:,}"
    return Word.PASS, ""


def reason(result: ProgramResult) -> str:
    """The line of the verifier's log that says why, or else the error; and that there was more of the log."""
    counts = ("processed ", "verification time ", "stack depth ", "mark_read")
    lines = [line.strip() for line in result.log if line.strip() and not line.strip().startswith(counts)]
    errno = f" (errno {result.errno})" if result.errno else ""
    truncated = " (the verifier's log is truncated)" if result.truncated else ""
    return f"{lines[-1] if lines else result.error}{errno}{truncated}"


def _unread(answers: Mapping[str, Answers]) -> list[str]:
    return [
        f"{name} could not be read: {control.error}" for name, (control, _) in answers.items() if _is_unread(control)
    ]


def _is_unread(control: Trial) -> bool:
    return bool(control.complete and control.error)


def _not_from_objects(state: BpfState, verdicts: Sequence[ProgramVerdict]) -> Iterator[tuple[Word, str]]:
    """Live programs that are in none of the objects, by name. If all are, nothing is proven."""
    tried = {each.program for each in verdicts}
    names = [each.name for each in state.live or () if not any(is_live(name, (each,)) for name in tried)]
    if names:
        word = Word.WARN if len(names) < len(state.live or ()) else Word.INCONCLUSIVE
        yield word, f"live, but in none of the objects, so not rehearsed: {_listed(dict.fromkeys(names))}"


def merged(verdicts: Sequence[GroupVerdict]) -> tuple[GroupVerdict, ...]:
    """Verdicts with the same words on the same programs as one.

    Hosts whose objects differ (in the addresses that Cilium writes into them, say) are rehearsed each for itself, and
    mostly with the same result, which nobody wants to read more than once.
    """
    found: dict[str, GroupVerdict] = {}
    for each in verdicts:
        told = sorted({(one.program, one.word, one.message, one.live) for one in each.programs})
        # In whatever order: that of a node's objects is its own.
        sources = each.running, each.candidate, each.machine, each.package, each.remedies
        key = _digest(sources, each.word, sorted(each.reasons), sorted(each.notes), told)
        known = found.get(key)
        found[key] = replace(each, hosts=(*known.hosts, *each.hosts)) if known else each
    return tuple(found.values())


def without_candidate(found: Sequence[Newest], unread: Mapping[str, str]) -> tuple[Problem, ...]:
    """Where the newest that passes was asked for, and there is none; ``unread``: or can't be told, with the reason."""
    silent = [
        Problem(host, f"which kernels its package sources have could not be read: {why}", "fix this first")
        for host, why in unread.items()
    ]
    return (*silent, *(_none_passes(each) for each in found if not each.release))


def _none_passes(each: Newest) -> Problem:
    return Problem(
        ", ".join(each.hosts),
        f"none of the {each.tried} kernels tried passes the rehearsal",
        f"stay on the running kernel: {_stay(each.remedies)}",
    )


def problems(verdicts: Sequence[GroupVerdict], policy: Policy) -> tuple[Problem, ...]:
    """What keeps the Friday from starting: one problem for all groups that are refused with the same words."""
    found: dict[tuple[object, ...], list[str]] = {}
    words: dict[tuple[object, ...], tuple[str, str]] = {}
    for verdict in verdicts:
        more = f"; and {len(verdict.reasons) - 3} more" if verdict.reasons[3:] else ""
        told = "; ".join(verdict.reasons[:3]) + more
        if verdict.word in _BAD:
            seen = verdict.word is Word.SPLAT or any(each.live and each.word in _BAD for each in verdict.programs)
            message = f"{verdict.candidate} would break it{' (rehearsal failed)' if seen else ''}: {told}"
            fix = f"upgrade what loads these programs first, or stay on the running kernel: {_stay(verdict.remedies)}"
        elif verdict.word is Word.INCONCLUSIVE and policy.rehearsal != "accept":
            message = f"the rehearsal of {verdict.candidate} was inconclusive: {told}"
            fix = "fix that, or set friday_rehearsal: accept to continue without it"
        else:
            continue
        # The programs of equal nodes come in another order where another count of instructions was live.
        key = (message.replace(told, ""), tuple(sorted(verdict.reasons)), fix)
        words.setdefault(key, (message, fix))
        found.setdefault(key, []).extend(verdict.hosts)
    return tuple(Problem(", ".join(sorted(hosts, key=natural_key)), *words[key]) for key, hosts in found.items())


def advice(rehearsal: Rehearsal) -> tuple[str, ...]:
    """What to do about candidates that are refused, one step each; `` `code` `` marks what is to be typed."""
    steps = [
        f"For {each.release} on {', '.join(each.hosts)}: {_install(each)}, and {_hold(each.remedies)} the kernel's "
        f"metapackage, which would bring the newest."
        for each in rehearsal.newest
        if each.release
    ]
    equal: dict[tuple[str, str, str, str], list[str]] = {}
    for verdict in () if rehearsal.newest else rehearsal.groups:
        if verdict.word in _BAD:
            bad = sorted({each.program for each in verdict.programs if each.live and each.word in _BAD})
            names = _listed(bad) or "the BPF programs"
            key = (names, verdict.candidate, verdict.running, _stay(verdict.remedies))
            equal.setdefault(key, []).extend(verdict.hosts)
    for (names, candidate, running, stay), hosts in equal.items():
        where = ", ".join(sorted(hosts, key=natural_key))
        steps += [
            f"Update what has loaded {names} on {where} (usually the network agent) to a version that loads on "
            f"kernel {candidate}.",
            f"Or stay on kernel {running}: {stay}.",
            "Or find out which other kernels would pass: `ansible-playbook friday.upgrade.rehearse` with "
            "`-e friday_candidate_kernel=newest`.",
        ]
    return tuple(dict.fromkeys(steps))


def _install(newest: Newest) -> str:
    command = newest.remedies.install
    return f"`{command} {newest.package}`" if command and newest.package else "install that kernel"


def _hold(remedies: Remedies) -> str:
    return f"`{remedies.hold}` for" if remedies.hold else "hold"


def _stay(remedies: Remedies) -> str:
    command = f"`{remedies.hold}`, " if remedies.hold else ""
    return f"hold its metapackage there ({command}with friday_packages: all)"


def _listed(names: Iterable[str], most: int = 8) -> str:
    given = list(names)
    return ", ".join(given[:most]) + (f" and {len(given) - most} more" if given[most:] else "")
