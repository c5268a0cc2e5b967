# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run keeps the last records, its own among them; plans and checks delete nothing."""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import HostRecord, RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.steps import HostState
from ansible_collections.friday.upgrade.plugins.plugin_utils.run import cluster_record
from tests.playbooks.runs import Hosts, Runner
from tests.playbooks.world import World
from tests.support.records import records

DIED, OLD, LAST = "20261101-161500-3f2a", "20261102-161500-3f2a", "20261103-161500-3f2a"


def test_old_records_go_when_a_run_begins(run: Runner, world: World, current: Hosts) -> None:
    namespace = "friday-retention"
    world.home(namespace)
    for name, finished, state in ((DIED, 0.0, "drained"), (OLD, 1.0, "done"), (LAST, 1.0, "done")):
        hosts = {"node1": HostRecord(HostState(state), 1.0)}
        cluster_record.write(world.api, namespace, RunRecord(name, 1.0, finished, seq=3, hosts=hosts))
    variables = {"friday_namespace": namespace, "friday_keep_runs": 2, "friday_packages": "kernel"}

    checked = run("friday.yml", "--check", hosts=current, variables=variables)
    assert checked.code == 0, checked.output
    assert len(records(world.api, namespace)) == 3

    done = run("friday.yml", hosts=current, variables=variables)
    assert done.code == 0, done.output
    assert done.folder
    assert {each.run for each in records(world.api, namespace)} == {DIED, LAST, done.folder.name}
    assert f"old records deleted (friday_keep_runs): {OLD}" in done.text
    assert [event.data["message"] for event in done.events() if event.kind == "note"]
