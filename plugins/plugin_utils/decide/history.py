# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record and journal of one run: which of the two knows more?

The journal is written first, and the record follows it. But a disk that is full takes no more events while the cluster
still does, a power cut may take the journal's end, and another controller has no journal at all.
"""

from __future__ import annotations

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.run import RunRecord


def knows_more(recorded: RunRecord | None, journaled: RunRecord | None) -> RunRecord | None:
    """The one of the two that has more events; the journal's fold where both have as many. None: there is neither."""
    if recorded is None or journaled is None:
        return recorded or journaled
    return recorded if recorded.seq > journaled.seq else journaled


def is_behind(recorded: RunRecord, journaled: RunRecord) -> bool:
    """Whether the record must be brought up to the journal of a run that has ended.

    With as many events they may still differ in how the run ended: somebody closed it who could not see the journal.
    """
    if knows_more(recorded, journaled) is recorded:
        return False
    return journaled.seq > recorded.seq or journaled.outcome != recorded.outcome
