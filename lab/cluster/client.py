# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client that asks the web Service all the time, to count what a Friday costs those who use the cluster."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from lab.artifacts import apps
from lab.cluster.lifecycle import Lab
from lab.process import Daemon

INTERVAL, TIMEOUT = "1s", "10s"
"""An answer that takes longer counts as failed. Under emulation two requests a second take a tenth of what the
machine can do, and all that is measured takes longer for it."""

_PACE = (f"-interval={INTERVAL}", f"-timeout={TIMEOUT}")


def start(lab: Lab) -> None:
    """Start asking, from an empty log. Does nothing while it runs."""
    daemon = _daemon(lab)
    if daemon.pid() is None:
        daemon.log.unlink(missing_ok=True)
        address = lab.kubectl.get("service", "web", "--namespace=shop")["spec"]["clusterIP"]
        egress = f"127.0.0.1:{lab.ports.egress}"
        daemon.start([apps.binary(), "client", f"-url=http://{address}/", f"-via={egress}", *_PACE])


def stop(lab: Lab) -> dict[str, Any]:
    """Stop asking; write the summary to ``client.json`` in the lab's folder and return it.

    Raises ``RuntimeError`` when there is none: the client was not started, or was killed.
    """
    daemon = _daemon(lab)
    daemon.stop(signal.SIGTERM, patience=20)
    summary = read_summary(daemon.log)
    result_file(lab).write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def result_file(lab: Lab) -> Path:
    return lab.folder / "client.json"


def read_summary(log: Path) -> dict[str, Any]:
    """The summary among the JSON lines that the client wrote (its last one)."""
    lines = log.read_text().splitlines() if log.exists() else []
    for line in reversed(lines):
        if line.startswith('{"summary"'):
            return dict(json.loads(line)["summary"])
    raise RuntimeError(f"the client wrote no summary to {log}; was it started?")


def _daemon(lab: Lab) -> Daemon:
    return Daemon("client", lab.folder)
