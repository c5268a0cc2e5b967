# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines' Python keeps what it has compiled, in ``$FLEET_COMPILED``.

Ansible sends its modules as source in an archive, of which Python keeps no compiled form: half of what a module costs
here. Thousands of them run in a matrix.
"""

import hashlib
import marshal
import os
import zipimport


def _compile(path, source):
    content = path.rpartition(".zip/")[2].encode() + b"\0" + bytes(source)
    kept = os.path.join(os.environ["FLEET_COMPILED"], hashlib.blake2b(content, digest_size=16).hexdigest())
    try:
        with open(kept, "rb") as file:
            return marshal.loads(file.read())
    except OSError:
        pass
    code = _slowly(path, source)
    with open(f"{kept}.{os.getpid()}", "wb") as file:
        file.write(marshal.dumps(code))
    os.replace(file.name, kept)  # others read it at any time
    return code


if "FLEET_COMPILED" in os.environ:
    _slowly = zipimport._compile_source
    zipimport._compile_source = _compile
