# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What developers run: set-up, the tiers of ``make test``, and the checks that no ready-made linter has."""
