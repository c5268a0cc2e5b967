# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option that says how long to wait for the lock of a node's package manager."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc: ``extends_documentation_fragment: [friday.upgrade.lock_timeout]``."""

    DOCUMENTATION = r"""
options:
  lock_timeout:
    type: int
    description: Seconds to wait while another process holds the lock of the node's package manager.
    default: 300
"""
