# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of all runs, where a test expects that each can be read."""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.cluster_record import read_stored


def records(api: Api, namespace: str) -> tuple[RunRecord, ...]:
    """The newest first. Fails the test when one cannot be read."""
    stored = read_stored(api, namespace)
    assert not stored.unreadable, stored.unreadable
    return stored.records
