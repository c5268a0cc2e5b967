# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubeconfigs: which files are meant, what is wrong with them, and the client's configuration that they give.

Nothing that a kubeconfig keeps secret leaves this module: not in a message, and not in a file that a killed process
leaves behind.
"""

from __future__ import annotations

import binascii
import contextlib
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import KubeError, without_logins
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

if TYPE_CHECKING:
    from kubernetes.client import Configuration

SUBJECT = "friday_kubeconfig"
_SHORTEST_SECRET = 6
_NO_SECRETS = frozenset(
    (
        *("apiVersion", "command", "interactiveMode", "installHint", "name", "username", "as"),
        *("client-certificate", "client-key", "tokenFile", "client-certificate-data"),
    )
)
"""Keys in a user of a kubeconfig whose values may be told."""


def kubeconfig_paths(kubeconfig: str = "") -> list[Path]:
    """The kubeconfigs that are meant by ``friday_kubeconfig``, or by the environment when it is empty.

    Raises:
        KubeError: none of them is there.
    """
    named = kubeconfig or os.environ.get("K8S_AUTH_KUBECONFIG") or os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    found = [path for path in paths if path.is_file()]
    if not found:
        what = "is a folder" if paths and paths[0].is_dir() else "no such file"
        raise KubeError(
            Problem(SUBJECT, f"{named}: {what}", "give the path of a kubeconfig (or set K8S_AUTH_KUBECONFIG)")
        )
    return found


def merged(paths: Sequence[Path], context: str) -> tuple[list[Path], str]:
    """The kubeconfigs as ``kubectl`` merges them, as far as that decides what is used.

    Of several entries of one name the first file's counts, and so does the first current-context. A file may have any
    part of the whole (a context switcher's has nothing but the current-context), or be empty.

    Returns:
        The files that have something in them, and the context that is meant.

    Raises:
        KubeError: what the client library has no clear words for: a file that is no kubeconfig, no cluster in any of
            them, a context that does not exist.
    """
    names: list[str] = []
    current, found, clusters = "", [], False
    for path in paths:
        data = _read(path)
        if not data:
            continue
        found.append(path)
        clusters = clusters or "clusters" in data
        names += [str(item.get("name")) for item in data.get("contexts") or () if isinstance(item, dict)]
        current = current or str(data.get("current-context") or "")
    if not clusters:
        listed = ", ".join(map(str, paths))
        verb = "are not kubeconfigs: none" if paths[1:] else "is not a kubeconfig: it"
        raise KubeError(Problem(SUBJECT, f"{listed} {verb} has clusters", "check the path"))
    whose = "the files have" if found[1:] else "the file has"
    known = f"{whose} {', '.join(dict.fromkeys(names)) or 'none'}"
    if context and context not in names:
        raise KubeError(Problem("friday_context", f"the context {context!r} does not exist", known))
    if not context and not current:
        raise KubeError(Problem("friday_context", "the kubeconfig has no current-context", f"name one: {known}"))
    if current not in names and not context:
        message = f"the current-context {current!r} of the kubeconfig does not exist"
        raise KubeError(Problem("friday_context", message, f"name another: {known}"))
    return found, context or current


def _read(path: Path) -> dict[str, Any]:
    """One file of them; empty for an empty one."""
    import yaml  # type: ignore[import-untyped]

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeError(Problem(SUBJECT, f"{path}: {error.strerror}", "make the file readable")) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise KubeError(Problem(SUBJECT, f"{path} is not YAML{where}", "check the file")) from error
    if data is None:
        return {}
    if not isinstance(data, dict) or data.get("kind", "Config") != "Config":
        raise KubeError(Problem(SUBJECT, f"{path} is not a kubeconfig", "check the path"))
    for part in ("clusters", "contexts", "users"):
        if not isinstance(data.get(part) or [], list):
            message = f"{path} is not a kubeconfig: its {part} are not a list"
            raise KubeError(Problem(SUBJECT, message, "check the file"))
    return data


def configuration_of(paths: Sequence[Path], context: str) -> Configuration:
    from kubernetes import client, config
    from urllib3 import Retry

    configuration = client.Configuration()
    # The library writes what a kubeconfig has inside (a private key, for one) to files, for OpenSSL to read.
    folder = tempfile.mkdtemp(prefix="friday-")
    # A forked worker of Ansible runs the finalizers of multiprocessing at its end, and none of atexit.
    remove = Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=0)
    complaints = _Complaints()
    try:
        with complaints:
            config.load_kube_config(
                config_file=os.pathsep.join(map(str, paths)),
                context=context or None,
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=folder,
            )
        _take_into_memory(configuration, folder)
    except (config.ConfigException, KeyError, TypeError, ValueError, binascii.Error, OSError) as error:
        remove()
        raise KubeError(Problem(SUBJECT, f"{paths[0]}: {masked(str(error), paths)}", "check the file")) from None
    if complaints.texts:
        remove()
        text = masked("; ".join(complaints.texts), paths)
        advice = "run the credential program that it names by hand"
        raise KubeError(Problem(SUBJECT, f"{paths[0]}: it provides no credentials: {text}", advice))
    # Only reads are tried again, and where the server asks for it (429, 503); all else is for the caller to decide.
    configuration.retries = Retry(
        total=3, connect=1, read=1, redirect=0, other=0, status=2, allowed_methods=["GET"], backoff_factor=0.2
    )
    return configuration


class _Complaints(logging.Filter):
    """What the library logs instead of raising it: that the program failed which a kubeconfig names for credentials.

    It is taken from the log, as the program's own words may have a secret in them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._handler = logging.NullHandler()  # without any, logging.error sets one up that writes to stderr

    def filter(self, record: logging.LogRecord) -> bool:
        if record.module != "kube_config":
            return True
        self.texts.append(record.getMessage())
        return False

    def __enter__(self) -> None:
        root = logging.getLogger()
        root.addHandler(self._handler)
        root.addFilter(self)

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeFilter(self)
        root.removeHandler(self._handler)


def _take_into_memory(configuration: Configuration, folder: str) -> None:
    """Move the files in ``folder`` that the connection needs into memory: there a killed process leaves no key behind.

    Where there is no memfd_create(2), as on macOS, they stay until the process ends.
    """
    if not hasattr(os, "memfd_create"):
        return
    kept: dict[str, str] = {}
    hook = configuration.refresh_api_key_hook

    def take(current: Configuration) -> None:
        for name in ("cert_file", "key_file", "ssl_ca_cert"):
            path = Path(getattr(current, name) or "/")
            if str(path.parent) != folder:
                continue
            if path.exists():
                descriptor = os.memfd_create(name)
                weakref.finalize(configuration, os.close, descriptor)
                os.write(descriptor, path.read_bytes())
                kept[name] = f"/proc/self/fd/{descriptor}"
            setattr(current, name, kept[name])
        shutil.rmtree(folder, ignore_errors=True)

    def refresh(current: Configuration) -> None:
        hook(current)  # with a token it is called for each request; it names the files again, and itself as the hook
        take(current)
        current.refresh_api_key_hook = refresh

    take(configuration)
    if hook:
        configuration.refresh_api_key_hook = refresh


def masked(text: str, paths: Iterable[Path]) -> str:
    """``text`` in one line, with nothing in it that is a secret in these kubeconfigs."""
    import yaml

    for path in paths:
        with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
            secrets = {secret for user in data.get("users") or () for secret in _strings(user.get("user"))}
            for secret in sorted(secrets, key=len, reverse=True):
                text = text.replace(secret, "***")
    return without_logins(" ".join(text.split()))


def _strings(value: Any) -> Iterator[str]:
    """All text in a kubeconfig's user that is long enough for a secret, but for names: of keys, files and programs."""
    if isinstance(value, str):
        # An option is told, its value is not: --password=...
        _, _, found = value.rpartition("=") if value.startswith("-") else ("", "", value)
        if len(found) >= _SHORTEST_SECRET:
            yield found
    for name, part in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        if name not in _NO_SECRETS:
            yield from _strings(part)
