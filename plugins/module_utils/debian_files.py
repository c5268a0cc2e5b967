# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the sources have the files that they list.

By their addresses, with nothing downloaded: a file is looked for, a web server is asked for its head. Only a clear no
counts (not there, or of another size). What another method fetches (mirror, cdrom), and a server that does not answer
this question, is left to the download.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .system import System

_AT_ONCE = 8
_TIMEOUT = 10.0  # seconds
_GONE = (404, 410)
_PROXY = re.compile(r'^Acquire::(?P<kind>https?)::Proxy "(?P<address>[^"]*)";$', re.MULTILINE | re.IGNORECASE)


def missing(system: System, wanted: Sequence[tuple[str, str, int]]) -> list[str]:
    """Those of the files (name, address, size in bytes) that are not there, each with what was seen instead."""
    proxies = {match["kind"].lower(): match["address"] for match in _PROXY.finditer(_settings(system))}
    direct = {kind: address for kind, address in proxies.items() if address.upper() != "DIRECT"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(direct or None))

    def look(each: tuple[str, str, int]) -> str:
        name, address, size = each
        return _seen(system, opener, name, address, size)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sorted(filter(None, pool.map(look, wanted)))


def _settings(system: System) -> str:
    return system.run(["apt-config", "dump"]).out if system.find("apt-config") else ""


def _seen(system: System, opener: urllib.request.OpenerDirector, name: str, address: str, size: int) -> str:
    scheme, _, rest = address.partition(":")
    if scheme in ("file", "copy"):
        path = system.path(urllib.parse.unquote(re.sub("^//(?=/)", "", rest)))
        if not os.path.exists(path):
            return f"{name} (not at {address})"
        return "" if os.path.getsize(path) == size else f"{name} ({os.path.getsize(path)} bytes instead of {size})"
    if scheme in ("http", "https"):
        return _asked(opener, name, address, size)
    return ""


def _asked(opener: urllib.request.OpenerDirector, name: str, address: str, size: int) -> str:
    try:
        with opener.open(urllib.request.Request(address, method="HEAD"), timeout=_TIMEOUT) as answer:
            length = answer.headers.get("Content-Length", "")
    except urllib.error.HTTPError as error:
        return f"{name} (HTTP {error.code} at {address})" if error.code in _GONE else ""
    except (OSError, ValueError):
        return ""
    return f"{name} ({length} bytes instead of {size})" if length.isdigit() and int(length) != size else ""
