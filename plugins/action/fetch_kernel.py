# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a kernel's image to the controller: see the documentation of the module friday.upgrade.fetch_kernel."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide import candidate
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import from_data, to_data
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import Image, KernelSource
from ansible_collections.friday.upgrade.plugins.plugin_utils.play.action import FridayAction
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import Store


class ActionModule(FridayAction):
    """Ask the node for the image, keep it in the cache, and return what is known of it."""

    _requires_connection = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "source": {"type": "dict", "required": True},
        "cache": {"type": "path", "default": ""},
        "lock_timeout": {"type": "int", "default": 300},
        "timeout": {"type": "int", "default": 600},
    }

    def act(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``image``, or fail with the node's reason."""
        store, source = Store(arguments["cache"]), from_data(KernelSource, to_data(arguments["source"]))
        self.session(task_vars).pause.refuse_if_halted(f"the download of kernel {source.name}")
        result: dict[str, Any] = self._execute_module(
            "friday.upgrade.kernel_image",
            {
                "release": source.release,
                "packages": [{"name": name, "version": version} for name, version in source.packages],
                "content": True,
                "lock_timeout": arguments["lock_timeout"],
                "timeout": arguments["timeout"],
            },
            task_vars=task_vars,
        )
        if result.get("failed"):
            return result
        image = from_data(Image, {key: result[key] for key in ("release", "sha256", "modules", "config")})
        try:
            store.keep(store.kernel(image), base64.b64decode(result.pop("data")), image.sha256)
            if config := store.config(image):
                data = zlib.decompress(base64.b64decode(result.pop("config_data")))
                store.keep(config, data, image.config)
                image = replace(image, options=candidate.options(data.decode(errors="replace")))
        except (ValueError, zlib.error) as error:
            return {"failed": True, "msg": str(error)}
        store.keep_image(source, image)
        return {"changed": False, "release": image.release, "sha256": image.sha256, "size": result["size"]}
