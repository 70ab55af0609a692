"""An orchestrator that gives short programs to a pool, in a process of its own: `python -m tests.chaos drive ORDER`.

The order is a JSON file; what came of it is one JSON line at the end.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.closet.pool import open_pool
from harness.domain import Device, DeviceKind, Priority
from harness.shelf import Shelf
from tests.chaos.works import Works

_NONE_THERE_S = 2.0


@dataclass(frozen=True, slots=True)
class Order:
    """`count` works of `program`, given again and again until `seconds` are over (once, when that is 0)."""

    run: str
    folder: Path
    shelf: Path
    devices: tuple[Device, ...]
    program: str
    count: int
    seconds: float = 0.0

    def write(self, path: Path) -> None:
        """As a file for another process."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), default=str))


def load_order(path: Path) -> Order:
    """What `write` wrote."""
    told = json.loads(path.read_text())
    devices = tuple(
        Device(**{**device, "kind": DeviceKind(device["kind"]), "tags": tuple(device["tags"])})
        for device in told["devices"]
    )
    return Order(**{**told, "folder": Path(told["folder"]), "shelf": Path(told["shelf"]), "devices": devices})


def drive(order: Order) -> dict[str, Any]:
    """Carry an order out: how many ended well, how many otherwise and why, the longest wait for an end, the memory."""
    works = Works(order.folder / "blobs")
    began_s = ended_s = time.monotonic()
    well, devices, errors = 0, set[str](), dict[str, int]()
    longest_s, batch = 0.0, 0
    with (
        Shelf(order.shelf) as shelf,
        open_pool(
            order.devices,
            shelf=shelf,
            run=order.run,
            priority=Priority.PROMPT,
            blob_path=works.blob_path,
            destination=order.folder / "results",
            on_event=lambda _: None,
            stop=threading.Event(),
        ) as pool,
    ):
        while batch == 0 or time.monotonic() - began_s < order.seconds:
            names = [f"{order.run} {batch} {number}" for number in range(order.count)]
            pool.submit([works.work(name, order.program) for name in names])
            batch += 1
            well_before = well
            for outcome in pool.outcomes():
                now_s = time.monotonic()
                if well:  # the first has to wait until devices are connected
                    longest_s = max(longest_s, now_s - ended_s)
                ended_s = now_s
                if outcome.error is None:
                    well += 1
                    devices.add(outcome.attempts[-1].device)
                else:
                    told = f"{outcome.error.kind}: {outcome.error.problem}"
                    errors[told] = errors.get(told, 0) + 1
            if well == well_before:  # no device is there: what is asked at once again would end at once again
                time.sleep(_NONE_THERE_S)
    return {
        "well": well,
        "asked": batch * order.count,
        "errors": errors,
        "devices": len(devices),
        "longest_s": longest_s,
        "seconds": time.monotonic() - began_s,
        "peak_rss_mb": peak_rss_mb(),
    }


def peak_rss_mb() -> float:
    """The most memory this process ever had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main(path: str) -> None:
    """The command line."""
    sys.stdout.write(json.dumps(drive(load_order(Path(path)))) + "\n")
