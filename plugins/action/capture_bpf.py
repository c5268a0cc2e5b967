# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Capture a node's BPF objects: see the documentation of the module friday.upgrade.capture_bpf."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import Store

MODULE = "friday.upgrade.bpf_objects"


class ActionModule(FridayAction):
    """Read the node, and bring the objects that the controller does not have yet."""

    _requires_connection = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "paths": {"type": "list", "elements": "str", "default": []},
        "cache": {"type": "path", "default": ""},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the module says, without the contents: these are in the cache then."""
        store, paths = Store(arguments["cache"]), arguments["paths"]
        result: dict[str, Any] = self._execute_module(MODULE, {"paths": paths}, task_vars=task_vars)
        if result.get("failed"):
            return result
        wanted = [each["sha256"] for each in result["objects"] if not store.object(each["sha256"]).exists()]
        if wanted:
            again = self._execute_module(MODULE, {"paths": paths, "content": sorted(set(wanted))}, task_vars=task_vars)
            for sha256, packed in again.get("data", {}).items():
                try:
                    store.keep(store.object(sha256), zlib.decompress(base64.b64decode(packed)), sha256)
                except (ValueError, binascii.Error, zlib.error) as error:
                    result["unknown"][sha256] = str(error)
        for each in result["objects"]:  # it changed, or went, while it was read
            if not store.object(each["sha256"]).exists():
                result["unknown"][each["path"]] = "its content could not be read"
        result["objects"] = [each for each in result["objects"] if store.object(each["sha256"]).exists()]
        return result
