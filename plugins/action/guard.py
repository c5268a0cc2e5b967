# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open a run: see the documentation of the module friday.upgrade.guard."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.collection import version
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.policy import misplaced, parse_policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import keeper, lease, process
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.policy import Policy
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import EventKind
from ansible_collections.friday.upgrade.plugins.plugin_utils.play import callback, declared, invocation
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.channels import of_task
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.close_dead_runs import close_dead
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rights import check_rights
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.channels import parse

_REFERENCE = "see `ansible-doc -t role friday.upgrade.guard`"
_HOSTS = "friday_hosts"
_UNVERIFIED = Problem(
    "friday_kubeconfig",
    "it has insecure-skip-tls-verify: the API server's certificate is not checked, and whoever is between "
    "here and there can read and change everything, credentials included",
    "put the cluster's CA into it (certificate-authority-data) and remove insecure-skip-tls-verify",
)


class ActionModule(FridayAction):
    """Check the call, the variables, the cluster and the rights; take the lock; open the journal and the record."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the session as ``session``; what is wrong so far is in its problems, for the plan to tell."""
        refused = invocation.refused()
        if refused:
            self.show([console.problems_list(refused)])
            return {"failed": True, "msg": "; ".join(problem.line() for problem in refused)}
        given, unreadable = self._given(task_vars)
        policy, wrong = parse_policy(given)
        variables, misfits = _fitted(given, told={problem.subject for problem in wrong})
        problems = [*unreadable, *wrong, *misfits]
        problems += declared.unknown(task_vars)
        own = {str(host): task_vars["hostvars"].raw_get(host) for host in task_vars["groups"]["all"]}
        problems += misplaced(declared.of_the_run().keys() - {_HOSTS}, task_vars, own)
        problems += _unread(own)
        plan_only = variables["friday_plan_only"] or self._task.check_mode
        problems += _of_the_call(variables, policy, plan_only)
        run = journal.new_run_id(now())
        session = Session(
            run=run,
            folder=str(journal.state_folder(variables["friday_state_dir"]) / run),
            policy=policy,
            kubeconfig=variables["friday_kubeconfig"],
            context=variables["friday_context"],
            namespace=variables["friday_namespace"],
            plan_only=plan_only,
            tells_events=any(channel.events == "all" for channel in parse(variables["friday_notify"])[0]),
            holder=f"{getpass.getuser()}@{socket.gethostname()}:{os.getppid()}",
        )
        unfit, notes = _of_the_cluster(session)
        problems += [*_folder_problems(session.folder), *unfit]
        if unheard := callback.missing():
            (notes if plan_only else problems).append(unheard)
        if not Path(session.folder).is_dir():  # then nothing of the run could be kept, and nothing is begun
            self.show([console.problems_list(problems)])
            return {"failed": True, "msg": "; ".join(problem.line() for problem in problems)}
        session = self._begun(session.changed(problems=tuple(problems)))
        self._note(session, notes)
        if session.recorded:
            self.show(close_dead(session.notifying(lambda: of_task(self._templar, task_vars))))
        return {
            "changed": session.recorded,
            "session": session.data(),
            "run": run,
            "policy": to_data(policy),
            "unreadable": [problem.subject for problem in unreadable],
        }

    def _given(self, task_vars: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """The run-wide variables that somebody set, evaluated, and those that cannot be. Null is as good as not set."""
        given, problems = {}, []
        for name in sorted(declared.of_the_run().keys() & task_vars.keys()):
            try:
                given[name] = to_data(self._templar.template(task_vars[name]))
            except (AnsibleError, TypeError) as error:
                # The message may quote the value.
                reason = (
                    "the reason is not shown, since it would reveal a secret"
                    if declared.of_the_run()[name].get("no_log")
                    else error
                )
                problems.append(Problem(name, f"cannot be evaluated: {reason}", _REFERENCE))
        return {name: value for name, value in given.items() if value is not None}, problems

    def _begun(self, session: Session) -> Session:
        """Take the lock if it is a run that may change anything, and journal that it has begun."""
        locked = session
        try:
            if not session.problems and not session.plan_only:
                locked = self._lock(session)
            locked.keep()
            locked.recorder.tell(
                EventKind.RUN_STARTED, holder=session.holder, version=version(), check=session.plan_only
            )
        except (KubeError, journal.JournalError, OSError):
            if locked.recorded:
                with contextlib.suppress(KubeError):  # what the journal had no room for is there
                    cluster_record.prune(session.api(), session.namespace, [session.run])
                keeper.stop(Path(session.folder), locked.keeper)
            shutil.rmtree(session.folder, ignore_errors=True)  # nothing has begun that could be told of
            raise
        return locked

    def _note(self, session: Session, notes: Iterable[Problem]) -> None:
        """Show and journal what stands in nobody's way."""
        for each in notes:
            with contextlib.suppress(journal.JournalError):
                data = {"message": f"{each.subject}: {each.message}"}
                journal.Journal(session.folder).append(session.run, EventKind.NOTE, host="", data=data)
        self.show(map(console.note, notes))

    def _lock(self, session: Session) -> Session:
        """Take the Lease, and start the companion that renews it for as long as ansible-playbook (our parent) lives."""
        run = os.getppid()
        ttl = session.policy.lease_ttl
        held = lease.take(
            session.api(),
            session.namespace,
            session.holder,
            session.run,
            ttl=ttl,
            process=process.identity(run),
            tell=lambda line: self.show([line]),
        )
        try:
            lease.check_alone(session.api(), held)
            companion = keeper.start(
                Path(session.folder),
                held,
                run,
                session.kubeconfig,
                session.context,
                # As long as everything else waits for a cluster that is not well.
                patience=session.policy.verify_timeout,
            )
        except (KubeError, OSError):
            lease.release(session.api(), held)
            raise
        return session.changed(recorded=True, keeper=companion)


def _fitted(given: Mapping[str, Any], told: Collection[str]) -> tuple[dict[str, Any], list[Problem]]:
    """The run-wide variables by type and choice, each for itself: a wrong one holds its default and spoils no other.

    ``told`` are those of which something better is said already.
    """
    values, problems = {}, []
    for name, option in declared.of_the_run().items():
        validator = ArgumentSpecValidator({name: option})
        checked = validator.validate({name: given[name]} if name in given else {})
        if checked.error_messages:
            problems += [Problem(name, text, _REFERENCE) for text in checked.error_messages if name not in told]
            checked = validator.validate({})
        values[name] = checked.validated_parameters[name]
    return values, problems


def _of_the_call(variables: Mapping[str, Any], policy: Policy, plan_only: bool) -> Iterator[Problem]:
    """What is right by itself, and has no effect as this run was called."""
    if variables["friday_candidate_kernel"] and not plan_only:
        yield Problem(
            "friday_candidate_kernel",
            "is only for rehearsals: an upgrade brings its own kernel",
            "run friday.upgrade.rehearse",
        )
    if variables["friday_candidate_kernel"] and policy.rehearsal == "skip":
        message = "requires a rehearsal, but friday_rehearsal: skip switches it off"
        yield Problem("friday_candidate_kernel", message, "add -e friday_rehearsal=require")
    yield from parse(variables["friday_notify"])[1]


def _unread(own: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """The one variable that Ansible reads before it has read the hosts' own. ``own``: by host, extra variables too."""
    found = next((variables[_HOSTS] for variables in own.values() if _HOSTS in variables), None)
    if found is not None and not invocation.by_extra_vars(_HOSTS):
        message = "is set in the inventory, where Ansible reads it too late, so it has no effect"
        yield Problem(_HOSTS, message, f"give it on the command line: -e {_HOSTS}={found}")


def _folder_problems(folder: str) -> list[Problem]:
    """Make the run's folder; what keeps it from being made is a problem."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [
            Problem("friday_state_dir", f"{folder} cannot be created: {error.strerror}", "name a folder of your own")
        ]
    return []


def _of_the_cluster(session: Session) -> tuple[list[Problem], list[Problem]]:
    """Problems of the way to the cluster and of the rights in it; and what is to be known of them besides."""
    try:
        api = session.api()
        problems = list(check_rights(api, session.namespace))
    except KubeError as error:
        return [error.problem], []
    return problems, [_UNVERIFIED] if api.unverified else []
