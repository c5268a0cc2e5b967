# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The compile server runs the compiler it was given on what was sent, and nothing else."""

from __future__ import annotations

import sys
import tarfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

import pytest

from lab import compile_server
from lab.compile_server import Compiler, Refused, Result, localize, read_request, write_answer

SOURCE = PurePosixPath("/var/lib/bpf/prog.c")
ARGUMENTS = ["-I/run/state", "-O2", "--target=bpf", "-D__NR_CPUS__=2", "-mcpu=v3", "-c", str(SOURCE), "-o", "-"]

# Stands for clang: "preprocesses" by dropping comment lines, "compiles" by saying what it read, counts its runs.
FAKE = """
import pathlib, sys
source = next(a for a in sys.argv if a.endswith(".c"))
text = pathlib.Path(source).read_text()
code = "".join(line for line in text.splitlines(True) if not line.startswith("//"))
if "-E" in sys.argv:
    sys.exit(sys.stdout.write("# " + source + chr(10) + code) and 0)
with open(sys.argv[1], "a") as runs:
    runs.write("run ")
if "error" in code:
    sys.exit(sys.stderr.write(source + ":1: error: no") and 3)
sys.stdout.write("object of " + code)
"""


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    (tmp_path / "fake.py").write_text(FAKE)
    (tmp_path / "cache").mkdir()
    command = [sys.executable, str(tmp_path / "fake.py"), str(tmp_path / "runs")]
    return Compiler(command, tmp_path / "cache", threading.Semaphore(2))


def runs(tmp_path: Path) -> int:
    return (tmp_path / "runs").read_text().count("run")


def test_compiles_and_keeps_the_object(compiler: Compiler, tmp_path: Path) -> None:
    sources = {SOURCE: b"// id 1\nint x;\n"}
    assert compiler.compile(ARGUMENTS, sources) == Result(0, b"object of int x;\n", b"")
    # Only a comment differs, as in the agent's headers from one start to the next.
    assert compiler.compile(ARGUMENTS, {SOURCE: b"// id 2\nint x;\n"}).stdout == b"object of int x;\n"
    assert runs(tmp_path) == 1
    compiler.compile([*ARGUMENTS[:1], "-O3", *ARGUMENTS[2:]], sources)
    compiler.compile(ARGUMENTS, {SOURCE: b"int y;\n"})
    assert runs(tmp_path) == 3


def test_errors_come_back_as_they_are_and_are_not_kept(compiler: Compiler, tmp_path: Path) -> None:
    for _ in range(2):
        result = compiler.compile(ARGUMENTS, {SOURCE: b"error\n"})
        assert result == Result(3, b"", b"/var/lib/bpf/prog.c:1: error: no")
    assert runs(tmp_path) == 2


def test_paths_are_moved_below_the_folder_of_the_request(tmp_path: Path) -> None:
    local = localize(ARGUMENTS, tmp_path)
    assert local[0] == f"-I{tmp_path}/run/state"
    assert f"{tmp_path}/var/lib/bpf/prog.c" in local
    assert local[-2:] == ["-o", "-"]


def test_what_the_agent_asks_for_is_taken(tmp_path: Path) -> None:
    """The flags of Cilium 1.19 (pkg/datapath/loader/compile.go)."""
    flags = ["-g", "-std=gnu99", "-nostdinc", "-ftrap-function=__undefined_trap", "-Wall", "-Wimplicit-int-conversion"]
    assert localize(flags, tmp_path) == flags


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", "/etc/passwd"],
        ["-o"],
        ["-fplugin=/tmp/x.so"],
        ["-ftrap-function=x,-load=/tmp/x.so"],
        ["-Xclang", "-load"],
        ["@/etc/passwd"],
        ["-I/var/../../etc"],
        ["-Irelative"],
        ["relative.c"],
        ["/etc/../x.c"],
        ["-include", "/etc/passwd"],
        ["-Wl,-x"],
        ["-D__X__=1\n-o/x"],
    ],
)
def test_other_arguments_are_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(Refused):
        localize(arguments, tmp_path)


def request_tar(members: dict[str, bytes]) -> bytes:
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return body.getvalue()


def test_requests_are_read() -> None:
    arguments, sources = read_request(request_tar({"argv": b"-c\0-D__A__=x y\0", "var/lib/bpf/prog.c": b"int x;"}))
    assert arguments == ["-c", "-D__A__=x y"]
    assert sources == {SOURCE: b"int x;"}


@pytest.mark.parametrize("members", [{"x.c": b""}, {"argv": b"", "../x.c": b""}, {"argv": b"\xff\0"}])
def test_malformed_requests_are_refused(members: dict[str, bytes]) -> None:
    with pytest.raises(Refused):
        read_request(request_tar(members))


def test_what_is_no_tar_is_refused() -> None:
    with pytest.raises(Refused, match="not a tar archive"):
        read_request(b"hello" * 200)


def test_answers_hold_what_the_compiler_said() -> None:
    with tarfile.open(fileobj=BytesIO(write_answer(Result(1, b"out", b"err")))) as tar:
        content = {name: tar.extractfile(name).read() for name in tar.getnames()}
    assert content == {"exit": b"1", "stdout": b"out", "stderr": b"err"}


@pytest.fixture
def server(compiler: Compiler) -> Iterator[str]:
    running = compile_server.Server(0, compiler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


def test_over_http(server: str) -> None:
    argv = "\0".join([*ARGUMENTS, ""]).encode()
    body = request_tar({"argv": argv, "var/lib/bpf/prog.c": b"int x;"})
    with urllib.request.urlopen(f"{server}/compile", body) as response:
        answer = BytesIO(response.read())
    with tarfile.open(fileobj=answer) as tar:
        assert tar.extractfile("stdout").read() == b"object of int x;"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server}/compile", request_tar({"argv": b"-fplugin=x\0"}))
    assert refused.value.code == 400
    assert "-fplugin=x" in refused.value.read().decode()
    with urllib.request.urlopen(f"{server}/healthz") as response:
        assert response.status == 200
