# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Base of Friday's action plugins: arguments by their spec, known errors as results instead of tracebacks."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.channels import of_task
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.journal import JournalError
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.pause import Halted
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.session import Session
from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.console import chunks


class FridayAction(ActionBase):
    """An action on the controller. Subclasses give ``ARGUMENTS`` (an argument spec) and :meth:`act`."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Validate the arguments, act, and turn what is known to go wrong into a failed result with its message."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        try:
            result.update(self.act(arguments, task_vars or {}))
        except KubeError as error:
            result.update(failed=True, msg=error.problem.line())
        except Halted as error:
            result.update(failed=True, msg=str(error), halted=True)
        except (JournalError, LookupError) as error:
            result.update(failed=True, msg=str(error))
        except json.JSONDecodeError as error:
            result.update(failed=True, msg=f"a file of the run is damaged: {error}")
        except OSError as error:  # of a file of the run: no room, no rights
            result.update(failed=True, msg=f"{error.filename or 'a file of the run'}: {error.strerror}")
        return result

    @abstractmethod
    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do the work and return the result. Called with validated arguments."""

    def session(self, task_vars: Mapping[str, Any]) -> Session:
        """The run that this action is part of."""
        return Session.take_up(task_vars).notifying(lambda: of_task(self._templar, task_vars))

    @staticmethod
    def show(lines: Iterable[str]) -> None:
        """Print texts to the console and to Ansible's log, in pieces that AWX shows whole."""
        for text in lines:
            for piece in chunks(text):
                Display().display(piece)
