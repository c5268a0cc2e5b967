# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images are reproducible docker-archive files whose shared layers are stored once."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path

from lab.artifacts import images


def tree(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "tool").write_text("tool")
    (folder / "bin" / "tool").chmod(0o755)
    (folder / "note").write_text("note")
    (folder / "link").symlink_to("bin/tool")
    return folder


def test_a_layer_depends_on_its_files_alone(tmp_path: Path) -> None:
    first = images._layer(tmp_path, "first", {"usr/lib": tree(tmp_path / "a")})
    other = tree(tmp_path / "b")
    os.utime(other / "note", (1, 1))
    (other / "note").chmod(0o600)  # as another umask would have it
    assert images._layer(tmp_path, "second", {"usr/lib": other}).read_bytes() == first.read_bytes()
    with tarfile.open(first) as tar:
        members = {member.name: member for member in tar}
    assert list(members) == ["usr", "usr/lib", "usr/lib/bin", "usr/lib/link", "usr/lib/note", "usr/lib/bin/tool"]
    assert {member.uid for member in members.values()} == {0}
    assert members["usr/lib/bin/tool"].mode == 0o755
    assert members["usr/lib/note"].mode == 0o644
    assert members["usr/lib/link"].linkname == "bin/tool"


def test_an_archive_names_its_images_and_stores_a_shared_layer_once(tmp_path: Path) -> None:
    base = images._layer(tmp_path, "base", {"": tree(tmp_path / "base-tree")})
    top = images._layer(tmp_path, "top", {"etc/note": tmp_path / "base-tree" / "note"})
    archive = tmp_path / "out" / "images.tar"
    images._write_archive(
        archive,
        [
            images.Image("registry.lab/a:1", [base], ["/bin/tool"]),
            images.Image("registry.lab/a:2", [base, top], command=["run"], environment={"PATH": "/bin"}),
        ],
    )
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        content = {name: tar.extractfile(name).read() for name in names}
    manifest = json.loads(content["manifest.json"])
    assert [image["RepoTags"] for image in manifest] == [["registry.lab/a:1"], ["registry.lab/a:2"]]
    assert len(names) == len(set(names)) == 5
    for image in manifest:
        config = json.loads(content[image["Config"]])
        digests = [hashlib.sha256(content[layer]).hexdigest() for layer in image["Layers"]]
        assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in digests]
    assert config["config"]["Cmd"] == ["run"]
    assert config["config"]["Env"] == ["PATH=/bin"]
