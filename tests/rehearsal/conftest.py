# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control plane, the world and the runner of the tier ``playbooks``, for plays with real guests."""

from __future__ import annotations

from tests.playbooks.conftest import cluster, run, world

__all__ = ["cluster", "run", "world"]
