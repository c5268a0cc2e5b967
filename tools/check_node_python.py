# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check that what runs on nodes (plugins/modules, plugins/module_utils) runs on the oldest Python they may have.

vermin tells which Python a file's syntax and library calls need; where that Python is installed, it compiles them too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OLDEST = "3.9"
"""As ansible-core 2.21 asks of a managed node."""

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("plugins/modules", "plugins/module_utils")


def main() -> int:
    """0 when every file runs there; a check of no files at all is a failure."""
    files = [str(path.relative_to(ROOT)) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    if not files:
        print(f"no Python file in {' and '.join(FOLDERS)}")
        return 1
    # Annotations are never evaluated (from __future__ import annotations), so their syntax doesn't count.
    code = subprocess.run(
        ["vermin", "--no-tips", "--quiet", "--violations", f"-t={OLDEST}-", *files], cwd=ROOT
    ).returncode
    if _runs(f"python{OLDEST}"):
        compile_all = "import sys; [compile(open(name, 'rb').read(), name, 'exec') for name in sys.argv[1:]]"
        code |= subprocess.run([f"python{OLDEST}", "-c", compile_all, *files], cwd=ROOT).returncode
    return int(code != 0)


def _runs(program: str) -> bool:
    """Whether ``program`` is a Python that starts (a pyenv shim may be there and refuse)."""
    try:
        return subprocess.run([program, "-c", ""], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
