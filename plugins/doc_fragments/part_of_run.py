# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions have in common that work within a run."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc: ``extends_documentation_fragment: [friday.upgrade.part_of_run]``."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: A run in check mode ends after its plan, before this is reached.
notes:
  - Runs on the controller, as part of a run that M(friday.upgrade.guard) has opened.
"""
