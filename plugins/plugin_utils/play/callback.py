# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Friday's callback listens to this run. Ansible loads it only where it is enabled, and no task can do that.

There is no public way to add a callback to a run that has begun (its list is private to the task queue manager, and
another one in ansible-core 2.21 than in 2.16), and actions run in processes forked from the one that has it.
"""

from __future__ import annotations

import os

from ansible import constants

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

NAME = "friday.upgrade.journal"
_SETTING = "ANSIBLE_CALLBACKS_ENABLED"
_MARK = "FRIDAY_CALLBACK_OF"


def listens() -> None:
    """Leave word for this process's workers. Called by the callback, in ansible-playbook itself."""
    os.environ[_MARK] = str(os.getpid())


def missing() -> Problem | None:
    """The problem of a run without the callback; None when it listens. Called in a worker."""
    if os.environ.get(_MARK) == str(os.getppid()):  # an ansible-playbook within another one inherits the other's mark
        return None
    enabled = [str(name) for name in constants.CALLBACKS_ENABLED or ()]
    if NAME in enabled:
        return Problem(NAME, "this callback is enabled, but was not loaded", "see Ansible's warning above")
    # Without blanks, so that no console breaks the line that is to be copied.
    value = ",".join([*enabled, NAME])
    message = (
        "Friday needs this callback, but it is not enabled: Ctrl-C and SIGTERM would stop hosts in the middle of a "
        "step, and a run that ends early would leave no report"
    )
    if os.environ.get(_SETTING):  # it outranks ansible.cfg
        return Problem(NAME, message, f"add it to what is enabled already: `export {_SETTING}={value}`")
    where = constants.CONFIG_FILE or "./ansible.cfg, which is not there yet"
    line = f"add `callbacks_enabled={value}` under [defaults] in {where}"
    return Problem(NAME, message, f"{line}; or set it for your shell: `export {_SETTING}={value}`")
