# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For all unit tests: a busy machine makes them slower, and fails none of them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("friday", deadline=None)
settings.load_profile("friday")
