# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option that says where this controller keeps the journals of its runs."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc: ``extends_documentation_fragment: [friday.upgrade.state_dir]``."""

    DOCUMENTATION = r"""
options:
  state_dir:
    type: str
    description: Folder of the journals on this controller. Empty means C(friday) under E(XDG_STATE_HOME) or
      C(~/.local/state).
    default: ""
"""
