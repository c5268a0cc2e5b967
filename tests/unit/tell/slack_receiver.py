# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for Slack's incoming webhooks: an HTTP server on loopback that holds messages to Slack's documented rules.

It is not Slack. It knows the blocks that Friday sends (header, section, divider, context) and their limits, the markup
rules, and the answers that Slack documents for incoming webhooks; a message that breaks a rule is answered with 400
and ``invalid_payload``, ``invalid_blocks`` or ``no_text``, and the reasons are kept in ``rejected``.

As a program: ``python3 slack_receiver.py [PORT] [FILE]`` prints its URL, and appends what it takes to FILE
as JSON lines.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET_PATH = "/services/T0LAB0000/B0LAB0000/c3RhbmQtaW4tc2VjcmV0"
# Slack, Block Kit reference; the last one is measured (slackapi/bolt-js#2509, #2867), and the only one undocumented.
MAX_BLOCKS, MAX_HEADER, MAX_SECTION, MAX_FIELD, MAX_FIELDS = 50, 150, 3000, 2000, 10
MAX_CONTEXT_ELEMENTS, MAX_TEXT, MAX_ALL_BLOCKS = 10, 40_000, 12_000
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
_LINK = re.compile(r"<(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>|]+)?>")
_CALLS = re.compile(r"<(?:[!@#][^<>]*)>")


def faults(payload: Any) -> list[str]:
    """Every rule that ``payload`` breaks; the first word of each is Slack's error."""
    if not isinstance(payload, dict):
        return ["invalid_payload: not an object"]
    found = _text_faults("text", payload.get("text"), MAX_TEXT, "no_text") if "text" in payload else []
    blocks = payload.get("blocks", [])
    if not blocks and not payload.get("text"):
        found.append("no_text: neither text nor blocks")
    if not isinstance(blocks, list):
        return [*found, "invalid_blocks: not a list"]
    if len(blocks) > MAX_BLOCKS:
        found.append(f"invalid_blocks: {len(blocks)} blocks")
    for number, block in enumerate(blocks):
        found += [f"invalid_blocks: block {number}: {fault}" for fault in _block_faults(block)]
    if len(json.dumps(blocks, ensure_ascii=False)) > MAX_ALL_BLOCKS:
        found.append("invalid_blocks: msg_blocks_too_long")
    return found


def _block_faults(block: Any) -> list[str]:
    if not isinstance(block, dict):
        return ["not an object"]
    kind = block.get("type")
    if kind == "divider":
        return []
    if kind == "header":
        text = block.get("text", {})
        wrong = [] if text.get("type") == "plain_text" else ["a header takes plain_text only"]
        return wrong + _text_faults("header", text.get("text"), MAX_HEADER)
    if kind == "section":
        fields = block.get("fields", [])
        wrong = [] if fields or "text" in block else ["neither text nor fields"]
        wrong += [f"{len(fields)} fields"] if len(fields) > MAX_FIELDS else []
        if "text" in block:
            wrong += _object_faults(block["text"], MAX_SECTION)
        return wrong + [fault for field in fields for fault in _object_faults(field, MAX_FIELD)]
    if kind == "context":
        elements = block.get("elements", [])
        wrong = [] if 1 <= len(elements) <= MAX_CONTEXT_ELEMENTS else [f"{len(elements)} elements"]
        return wrong + [fault for element in elements for fault in _object_faults(element, MAX_SECTION)]
    return [f"type {kind!r} is not known here"]


def _object_faults(text: Any, limit: int) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in ("mrkdwn", "plain_text"):
        return ["a text object is mrkdwn or plain_text"]
    return _text_faults("text", text.get("text"), limit)


def _text_faults(name: str, text: Any, limit: int, error: str = "") -> list[str]:
    prefix = f"{error}: " if error else ""
    if not isinstance(text, str) or not text:
        return [f"{prefix}{name} is empty or no string"]
    wrong = [f"{prefix}{name} has {len(text)} of {limit} characters"] if len(text) > limit else []
    if _CALLS.search(text):
        wrong.append(f"{prefix}{name} calls people: {_CALLS.search(text)!r}")
    rest = _LINK.sub("", text)
    if "<" in rest or ">" in rest or _ENTITY.search(rest):
        wrong.append(f"{prefix}{name} holds &, < or > that is not escaped: {rest[:200]!r}")
    return wrong


class SlackReceiver:
    """The server; a context manager. ``messages`` holds what was taken, ``rejected`` the faults of what was not.

    ``answer`` (status, body, headers) replaces the answer to all that comes, ``delay`` (seconds) lets it wait.
    """

    def __init__(self, port: int = 0, record: Path | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.rejected: list[list[str]] = []
        self.requests: list[tuple[str, str]] = []
        self.answer: tuple[int, str, dict[str, str]] | None = None
        self.delay = threading.Event()
        self.delay_seconds = 0.0
        self.record = record
        receiver = self

        class Handler(_Handler):
            owner = receiver

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The webhook's URL, with a path that is as secret as a real one."""
        return f"http://127.0.0.1:{self.server.server_address[1]}{SECRET_PATH}"

    def __enter__(self) -> SlackReceiver:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.delay.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def take(self, path: str, content_type: str, body: bytes) -> tuple[int, str]:
        """Slack's answer to one message: status and body."""
        if path != SECRET_PATH:
            return 404, "no_service"
        if not content_type.startswith("application/json"):
            return 400, "invalid_payload"
        try:
            payload = json.loads(body)
        except ValueError:
            return 400, "invalid_payload"
        wrong = faults(payload)
        if wrong:
            self.rejected.append(wrong)
            return 400, wrong[0].split(":")[0]
        self.messages.append(payload)
        if self.record:
            with self.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(payload) + "\n")
        return 200, "ok"


class _Handler(BaseHTTPRequestHandler):
    owner: SlackReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.owner.requests.append((self.command, self.path))
        if self.owner.delay_seconds:
            self.owner.delay.wait(self.owner.delay_seconds)
        headers: dict[str, str] = {}
        if self.owner.answer:
            status, text, headers = self.owner.answer
        else:
            status, text = self.owner.take(self.path, self.headers.get("Content-Type", ""), body)
        self._reply(status, text, headers)

    def do_GET(self) -> None:
        self.owner.requests.append((self.command, self.path))
        self._reply(405, "method not allowed", {})

    def _reply(self, status: int, text: str, headers: dict[str, str]) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """The tests and the lab read ``messages``, not a log."""


def main(arguments: list[str]) -> None:
    """Serve until interrupted."""
    port = int(arguments[0]) if arguments else 0
    record = Path(arguments[1]) if len(arguments) > 1 else None
    with SlackReceiver(port, record) as receiver:
        print(receiver.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            receiver.thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
