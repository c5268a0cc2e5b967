# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option that says where the controller keeps what it can fetch or build again."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc: ``extends_documentation_fragment: [friday.upgrade.cache]``."""

    DOCUMENTATION = r"""
options:
  cache:
    type: path
    description: Folder on the controller for objects, kernels and answers of rehearsals. Everything in it can be
      fetched or made again. Empty means C(friday) under E(XDG_CACHE_HOME) or C(~/.cache).
    default: ""
"""
