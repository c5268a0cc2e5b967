# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubernetes itself: one static program that is etcd, the control plane, kubelet, kube-proxy and kubectl."""

from __future__ import annotations

from pathlib import Path

from lab.artifact import build
from lab.artifacts import go

VERSION = "v1.36.3"
"""As required in ``lab/go/kubernetes/go.mod``; the components report it."""

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
"""The names that the program answers to (its ``argv[0]``, so link or copy it under them)."""


def binary() -> Path:
    """The program ``kube`` (about 7 minutes the first time on two cores; its build cache takes 3 GB)."""
    source = go.SOURCES / "kubernetes"
    major, minor, _ = VERSION.removeprefix("v").split(".")
    values = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    ldflags = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())

    def make(target: Path) -> None:
        go.compile_program(source, target / "kube", ldflags=ldflags)

    return build("kubernetes", [source, ldflags, go.toolchain().parents[2].name], make, 430) / "kube"
