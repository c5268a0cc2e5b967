# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rehearsal takes, as ratios in one run: ``python -m tests.rehearsal.bench`` (a part of ``make bench``)."""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.friday.upgrade.plugins.module_utils.rehearsal import guest
from ansible_collections.friday.upgrade.plugins.plugin_utils.act import loader
from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.rehearsal import trial_key
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.rehearsal import BpfObject, Image, Trial
from ansible_collections.friday.upgrade.plugins.plugin_utils.run.rehearsal_cache import Store
from lab.artifacts import kernels as lab_kernels
from tests.rehearsal import kernels, real
from tests.rehearsal.matrix import Stage

_HEAVY = ("checks_", "too_", "loop_callback", "freplace")  # the verifier's own time, which is the same whoever asks


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    result = action()
    return time.monotonic() - began, result


def main() -> int:
    """Measure, and print a table."""
    stage, pair = Stage(), kernels.pair()
    five = kernels.every()[:5]
    samples = [each for each in stage.samples if not each.name.startswith(_HEAVY)]
    one, answer = timed(lambda: stage.rehearse(pair[1], samples))
    programs = sum(len(each["programs"]) for each in answer["objects"].values())
    alone = [timed(lambda kernel=kernel: stage.rehearse(kernel, samples))[0] for kernel in five]
    with ThreadPoolExecutor(guest.at_once()) as pool:
        many, _ = timed(lambda: list(pool.map(lambda kernel: stage.rehearse(kernel, samples), five)))
    empty, _ = timed(lambda: stage.rehearse(pair[1], []))
    known = cached(stage, answer)
    hand, _ = timed(lambda: real.load(pair[1], samples, stage.processor))
    host, refused = timed(lambda: real.veristat(samples))
    unpacked, _ = timed(lambda: kernels.unpack(lab_kernels.pair().candidate))
    print(f"{len(samples)} objects, {programs} programs, {pair[1].release}, {' '.join(stage.processor[:2])}\n")
    rows: Sequence[tuple[str, float, str]] = (
        ("unpacking a kernel's package, once", unpacked, ""),
        ("one kernel", one, "at most 10 s for 30 programs"),
        ("  of it: making the initramfs", answer["timings"]["initramfs"], ""),
        ("  of it: kernel and loader, up and down again", empty, ""),
        ("  of it: the programs", one - empty, ""),
        ("the same known from before", known, "at most 0.5 s"),
        (f"{len(five)} kernels, one after the other", sum(alone), ""),
        (
            f"{len(five)} kernels, {guest.at_once()} at a time",
            many,
            f"{many / statistics.mean(alone):.2f} times one of them (less than 2.5)",
        ),
        ("the same load by bpftool in a small system", hand, f"{hand / one:.2f} times one"),
        (
            f"the same load by veristat on this host, {platform.release()}",
            host,
            refused or f"{host / one:.2f} times one",
        ),
    )
    for what, seconds, ratio in rows:
        print(f"{what:<62}{seconds:>7.2f} s   {ratio}".rstrip())
    return 0


def cached(stage: Stage, answer: dict[str, Any]) -> float:
    """Seconds that it takes to find that every answer is there, keys included."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        image = Image(answer["release"], "aa")
        objects = [BpfObject(sample.name, loader.digest(Path(sample.rehearsed))) for sample in stage.samples]
        sha256 = loader.digest(stage.loader)
        for each in objects:
            store.keep_trial(trial_key(image, each, {}, sha256), Trial(answer["release"], complete=True))
        seconds, found = timed(
            lambda: [
                store.trial(trial_key(image, each, {}, key))
                for key in (loader.digest(stage.loader),)
                for each in objects
            ]
        )
        assert all(found)
        return seconds


if __name__ == "__main__":
    sys.exit(main())
