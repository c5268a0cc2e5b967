# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host that has just come back says of itself."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.friday.upgrade.plugins.filter.running import running

BOOT = "0b1e5f3c-7d0a-4f7e-9a51-2f6f2a3c9d10"


@pytest.mark.parametrize("around", ["{}\r\n", "Welcome to node2\n{}\n", "{}"])
def test_it_is_found_in_whatever_a_login_shell_prints(around: str) -> None:
    answer = around.format(f"now runs 6.12.43+deb12-cloud-amd64 since boot {BOOT}")
    assert running(answer) == {"kernel": "6.12.43+deb12-cloud-amd64", "boot_id": BOOT}


@pytest.mark.parametrize("answer", ["", "now runs  since boot ", "This account is locked."])
def test_a_host_that_says_something_else_is_not_taken_at_its_word(answer: str) -> None:
    with pytest.raises(AnsibleFilterError, match="did not report its kernel and boot id"):
        running(answer)
