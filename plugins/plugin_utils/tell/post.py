# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Post JSON to an address on the web, which is a secret: who has it can post too."""

from __future__ import annotations

import json
import re
import urllib.error
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible.module_utils.urls import open_url

from ansible_collections.friday.upgrade.plugins.plugin_utils.tell.text import one_line, shorten


def post(
    url: str,
    payload: Any,
    name: str,
    timeout: float = 10.0,
    opener: Callable[..., Any] = open_url,
) -> str | None:
    """Send ``payload``; None when it was taken (any 2xx), else what went wrong.

    Never raises: a message that could not be sent does not stop a Friday. The URL is a secret (who has it can post), so
    the text names its host and no more of it. Redirects are not followed, and no password file is consulted.

    Args:
        name: what is there, for a sentence: ``the chat``.
        timeout: seconds for each step of the exchange (connect, answer).
        opener: called as ``ansible.module_utils.urls.open_url``.
    """
    host = _host(url)
    if not host or not url.lower().startswith(("https://", "http://")):
        return f"the address of {name} does not begin with https:// or http://"
    where = f"{name} at {host}"
    try:
        answer = opener(
            url,
            data=json.dumps(payload).encode(),
            headers={"Content-Type": "application/json; charset=utf-8"},
            method="POST",
            timeout=timeout,
            follow_redirects="none",
            use_netrc=False,
            http_agent="friday",
        )
        answer.close()
    except urllib.error.HTTPError as error:
        return f"{where} answered {error.code}{_reason(error, url)}"
    except Exception as error:  # anything at all: see above
        return f"{where} could not be reached: {_describe(error, url)}"
    return None


def _reason(error: urllib.error.HTTPError, url: str) -> str:
    """Slack says why in the body, in one word (``invalid_blocks``, ``no_service``)."""
    try:
        body = one_line(error.read(2000).decode("utf-8", "replace"))
    except Exception:  # the connection is gone: the status has to do
        return ""
    return f": {shorten(_redact(body, url), 200)}" if body else ""


def _describe(error: BaseException, url: str) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{type(error).__name__}: {shorten(_redact(one_line(reason), url), 200)}"


def _redact(text: str, url: str) -> str:
    """``text`` without the URL or any part of it that may be its secret."""
    parts = {piece for part in (url, unquote(url)) for piece in (part, *re.split(r"[/:@?#&=\[\]]", part))}
    parts |= {"/" + url.split("://", 1)[-1].partition("/")[2]}
    for piece in sorted(parts - {_host(url), "http", "https"}, key=lambda p: (-len(p), p)):
        if len(piece) >= 4:
            text = text.replace(piece, "***")
    return text


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # no URL at all
        return ""
