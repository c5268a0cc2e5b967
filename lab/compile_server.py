# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compiles Cilium's BPF programs for the lab's nodes, natively and with the very clang of their image.

For the lab's speed only: in an emulated node a program takes a minute, here a second or two. ``labapp clang``, which
stands in the image where clang is looked for, sends its command line and the sources; what the compiler says goes back
as it is. Listens on the loopback address, which the nodes reach through QEMU's user network.

``POST /compile`` takes a tar: the member ``argv`` (arguments of clang, each ended by a NUL) and C files under their
absolute paths. It answers with a tar of ``exit`` (a decimal), ``stdout`` and ``stderr``, or with status 400 and the
reason when the command line is not one that the agent writes; the node then compiles by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import os
import re
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from lab.artifacts import images

_MAX_REQUEST_BYTES = 64 << 20
_TIMEOUT_SECONDS = 110.0

# What the agent's command lines consist of. Everything else is refused: a compiler can be told to write files, to load
# plugins and to read any path, and the request comes from a machine that is not this one.
_FLAG = re.compile(
    r"-(?:O[0-3s]|g|E|c|v|nostdinc|std=[\w+]+|-target=bpf|mcpu=v\d|ftrap-function=\w+|W[\w=-]+|D\w+(?:=[^\n]*)?)"
)


class Refused(Exception):
    """The request is not one that this server compiles; the message says why."""


@dataclass(frozen=True)
class Result:
    """What a run of the compiler left: its exit code, its output (the object) and its messages."""

    code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Compiler:
    """Runs ``command`` (clang) for requests and keeps the results of good runs in the folder ``cache``."""

    command: Sequence[str]
    cache: Path
    slots: threading.Semaphore

    def compile(self, arguments: Sequence[str], sources: Mapping[PurePosixPath, bytes]) -> Result:
        """Compile ``sources`` (by absolute path) as ``arguments`` say. Raises :class:`Refused`."""
        with self.slots, tempfile.TemporaryDirectory(prefix="friday-compile-") as folder:
            root = Path(folder)
            for path, content in sources.items():
                place = root / path.relative_to("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            local = localize(arguments, root)
            # The object holds the paths of its sources; they are to be those of the node, where the agent runs in /.
            local += [f"-ffile-prefix-map={root}=", "-fdebug-compilation-dir=/"]
            key = self._key(arguments, local, root)
            kept = self.cache / f"{key}.o"
            if key and kept.exists():
                return Result(0, kept.read_bytes(), b"")
            result = self._run(local, root)
            if key and result.code == 0 and not result.stderr:
                partial = kept.with_suffix(f".{threading.get_ident()}")
                partial.write_bytes(result.stdout)
                partial.replace(kept)
            return result

    def _key(self, arguments: Sequence[str], local: Sequence[str], root: Path) -> str:
        """What the object depends on: the command line and the preprocessed source. Empty if that cannot be made.

        The agent's headers differ in a comment at every start, so their plain content would never repeat.
        """
        preprocessed = self._run([*local, "-E"], root)
        if preprocessed.code != 0:
            return ""
        total = hashlib.sha256("\0".join([*self.command, *arguments, ""]).encode())
        total.update(preprocessed.stdout)
        return total.hexdigest()

    def _run(self, arguments: Sequence[str], root: Path) -> Result:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C"},
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        # The folder that it happens to run in is not the node's business, nor the cache's.
        here = str(root).encode()
        stdout = done.stdout.replace(here, b"") if "-E" in arguments else done.stdout
        return Result(done.returncode, stdout, done.stderr.replace(here, b""))


def localize(arguments: Sequence[str], root: Path) -> list[str]:
    """``arguments`` with every absolute path moved below ``root``. Raises :class:`Refused` for what is not expected."""
    local: list[str] = []
    expected = iter(arguments)
    for argument in expected:
        if argument == "-o":
            if next(expected, None) != "-":
                raise Refused("output to anything but standard output")
            local += ["-o", "-"]
        elif argument.startswith("-I"):
            local.append(f"-I{_below(root, argument[2:])}")
        elif argument.startswith("/") and argument.endswith(".c"):
            local.append(str(_below(root, argument)))
        elif _FLAG.fullmatch(argument):
            local.append(argument)
        else:
            raise Refused(f"argument {argument!r}")
    return local


def _below(root: Path, text: str) -> Path:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts:
        raise Refused(f"path {text!r}")
    return root / path.relative_to("/")


def read_request(body: bytes) -> tuple[list[str], dict[PurePosixPath, bytes]]:
    """The arguments and the sources of a request's tar. Raises :class:`Refused`."""
    arguments: list[str] | None = None
    sources: dict[PurePosixPath, bytes] = {}
    try:
        with tarfile.open(fileobj=BytesIO(body), mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is None:
                    raise Refused(f"member {member.name!r} is not a file")
                if member.name == "argv":
                    arguments = file.read().decode().split("\0")[:-1]
                else:
                    path = PurePosixPath("/", member.name)
                    if ".." in path.parts:
                        raise Refused(f"path {member.name!r}")
                    sources[path] = file.read()
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise Refused(f"the request is not a tar archive: {error}") from error
    if arguments is None:
        raise Refused("no argv in the request")
    return arguments, sources


def write_answer(result: Result) -> bytes:
    """The tar of an answer."""
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        parts = {"exit": str(result.code).encode(), "stdout": result.stdout, "stderr": result.stderr}
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return body.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """The HTTP server with its compiler."""

    daemon_threads = True

    def __init__(self, port: int, compiler: Compiler) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.compiler = compiler


class Handler(http.server.BaseHTTPRequestHandler):
    """``POST /compile`` as the module says; ``GET /healthz`` answers 200."""

    server: Server
    timeout = 60

    def do_GET(self) -> None:
        """Answer the probe."""
        found = self.path == "/healthz"
        self._answer(200 if found else 404, b"ok\n" if found else b"only POST /compile is served here\n")

    def do_POST(self) -> None:
        """Compile."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/compile" or not 0 < length <= _MAX_REQUEST_BYTES:
            self._answer(400, b"only POST /compile with a Content-Length is served here\n")
            return
        try:
            arguments, sources = read_request(self.rfile.read(length))
            answer = write_answer(self.server.compiler.compile(arguments, sources))
        except Refused as error:
            self._answer(400, f"refused: {error}\n".encode())
        except (OSError, subprocess.SubprocessError) as error:
            self._answer(500, f"{error}\n".encode())
        else:
            self._answer(200, answer, "application/x-tar")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is told to end."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.compile_server", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="port on the loopback address")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps compiled objects")
    parser.add_argument("--clang-root", type=Path, required=True, help="unpacked root of the image that holds clang")
    chosen = parser.parse_args(arguments)
    chosen.cache.mkdir(parents=True, exist_ok=True)
    command = images.clang_command(chosen.clang_root.resolve())
    compiler = Compiler(command, chosen.cache, threading.Semaphore(os.cpu_count() or 1))
    Server(chosen.port, compiler).serve_forever()


if __name__ == "__main__":
    main()
