# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where fleets are set up, one after the other: a control plane, and the packages of the upgrade."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.fleet.aborts import NAMESPACE
from tests.fleet.controller import Controller
from tests.fleet.machines import repository
from tests.fleet.world import ZONES, Way, World
from tests.support.control_plane import Cluster


class Stage:
    """A control plane for one fleet at a time; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster = Cluster(folder / "cluster")
        self._numbers = itertools.count()
        self._others: list[Controller] = []

    def __enter__(self) -> Stage:
        (self._folder / "cluster").mkdir(parents=True, exist_ok=True)
        try:
            self._cluster.start()
        except BaseException:
            self._cluster.stop()
            raise
        self._kubeconfig = self._cluster.kubeconfig()  # the fleet's own; Friday has its least rights
        self._friday = self._cluster.friday()
        self._packages = repository(self._folder / "packages")
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.stop()

    @contextlib.contextmanager
    def fleet(
        self,
        zones: Mapping[str, str] = ZONES,
        core: Sequence[str] = (),
        disk_kib: int = 0,
        make: Callable[..., Controller] = Controller,
    ) -> Iterator[tuple[World, Controller]]:
        """A fleet of new machines, and a controller for it. At the end, no secret of its runs may be seen anywhere.

        ``make``: another controller than one of this checkout.
        """
        base = self._folder / f"fleet-{next(self._numbers)}"
        way = Way(self._cluster.port)
        way.start()
        self._cluster.grant(NAMESPACE)
        world = World(base / "machines", self._kubeconfig, self._packages, zones)
        controller = make(base / "controller", world, self._friday, way, core, disk_kib)
        try:
            yield world, controller
            leaks = [text for each in (controller, *self._others) for text in each.leaks()]
            assert not leaks, "; ".join(leaks)
        finally:
            for each in (controller, *self._others):
                each.end()
            self._others = []
            way.end()
            world.end()
            self._forget(world)

    def another(self, world: World, controller: Controller, name: str) -> Controller:
        """Another controller of the same fleet, with an empty disk."""
        folder = controller.folder.with_name(name)
        self._others.append(Controller(folder, world, self._friday, controller.way, controller.core))
        return self._others[-1]

    def grant(self, namespace: str) -> None:
        """Friday's least rights, in another namespace too."""
        self._cluster.grant(namespace)

    def _forget(self, world: World) -> None:
        """Take away what Friday has kept in the cluster: the next fleet has had no runs."""
        for group, kind in (("api/v1", "configmaps"), ("apis/coordination.k8s.io/v1", "leases")):
            world.api.request("DELETE", f"/{group}/namespaces/{NAMESPACE}/{kind}")
