# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell where things stand: see the documentation of the module friday.upgrade.status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.connect import connect
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import status as decide
from ansible_collections.friday.upgrade.plugins.plugin_utils.lock import lease
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import fold
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Node
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.status import Status
from ansible_collections.friday.upgrade.plugins.plugin_utils.observe.cluster import read_nodes
from ansible_collections.friday.upgrade.plugins.plugin_utils.play import declared
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record, journal
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.clock import now
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell import console
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.standing import status_text


class ActionModule(FridayAction):
    """Read the lock, the records, the journal and the nodes; change nothing."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "kubeconfig": {"type": "str", "default": ""},
        "context": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": "friday"},
        "state_dir": {"type": "str", "default": ""},
        "run": {"type": "str", "default": ""},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return everything as data, in the form of ``model.status.Status``; print it for people."""
        namespace, wanted = arguments["namespace"], arguments["run"]
        if problems := declared.unknown(task_vars):
            self.show([console.problems_list(problems)])
            return {"failed": True, "changed": False, "msg": "; ".join(problem.line() for problem in problems)}
        api = connect(arguments["kubeconfig"], arguments["context"])
        held = lease.current(api, namespace)
        stored = cluster_record.read_stored(api, namespace)
        recorded = {each.run: each for each in stored.records}
        last, notes = decide.last_run(stored.runs, stored.records, held.lock() if held else None, now())
        run, notes = (wanted, ()) if wanted else (last, notes)
        seen = _journal(arguments["state_dir"], run)
        if wanted and run not in recorded and run not in stored.unreadable and not (seen and seen.record):
            raise LookupError(f"friday_run: run {run} does not exist; {_known(recorded)}")
        nodes, unread = _nodes(api)
        names, unnamed = _node_names(task_vars)
        status = decide.assess(
            Status(
                time=now(),
                server=api.server,
                namespace=namespace,
                lock=held.lock() if held else None,
                notes=(*notes, *([stored.unreadable[run]] if run in stored.unreadable else ()), *unnamed),
                earlier=decide.earlier(stored.runs, stored.records, stored.unreadable, run),
                unread=unread,
            ),
            recorded.get(run),
            seen,
            nodes,
            names,
        )
        self.show([status_text(status)])
        return {"changed": False, **to_data(status)}


def _journal(state_dir: str, run: str) -> decide.Journal | None:
    """The journal of the run on this controller; None when it has none."""
    folder = journal.folder_of(journal.state_folder(state_dir), run)
    if folder is None:
        return None
    path = str(folder / journal.FILE_NAME)
    try:
        events = journal.read(folder)
    except (journal.JournalError, OSError) as error:
        return decide.Journal(None, path, str(error))
    return decide.Journal(fold(events) if events else None, path, events.torn)


def _nodes(api: Api) -> tuple[tuple[Node, ...] | None, str]:
    """The nodes, or None and why they could not be read."""
    try:
        return read_nodes(api), ""
    except KubeError as error:
        return None, error.problem.line()


def _node_names(task_vars: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Host -> its node's name where it has another, and a note for each that cannot be had."""
    names, notes = {}, []
    for host in map(str, task_vars["groups"]["all"]):
        names[host], problems = declared.name_of(host, task_vars["hostvars"][host], "friday_node_name")
        notes += [f"{problem.subject}: {problem.message}; using {host} as its node" for problem in problems]
    return names, notes


def _known(runs: Iterable[str]) -> str:
    return f"the cluster has records of {', '.join(list(runs)[:5]) or 'none'}"
