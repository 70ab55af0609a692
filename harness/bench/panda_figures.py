"""Figures of the car-side safety kernel."""

from __future__ import annotations

import numpy as np

from harness.bench.clock import best_cpu_s
from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.recording.log import Log, parse_log
from harness.recording.log_writer import encode_event
from harness.replay.panda.kernel import provide_kernel
from harness.replay.panda.library import SafetySetup, run_kernel
from harness.replay.panda.replay import read_traffic
from harness.replay.panda.spec import SPEC_NAME, find_kernel

_RATE_HZ = 100
_FRAMES_A_MESSAGE = 22  # with the command sent beside them a minute has about as many frames as comma2k19's, 135 468
_TOYOTA, _EPS_FACTOR = 2, 73
# What a Toyota's kernel listens to, among addresses it does not know.
_HEARD = (0xAA, 0x260, 0x1D2, 0x226, 0x176)
_STEERING_COMMAND = 0x2E4


def _can_minute(bench: Workbench) -> Log:
    """A log of a minute's CAN, shorter when the bench is small."""

    def make() -> Log:
        seconds = min(60, bench.scale.log_messages * 60 // 100_000)
        bench.tell(f"making {seconds} s of CAN")
        rng = np.random.default_rng(1)
        addresses = [*_HEARD, *range(0x300, 0x300 + _FRAMES_A_MESSAGE - len(_HEARD))]
        events = []
        for number in range(seconds * _RATE_HZ):
            t_ns = 1_000_000_000 + number * 1_000_000_000 // _RATE_HZ
            data = rng.bytes(8 * len(addresses))
            frames = [
                {"address": address, "src": i % 3 if i >= len(_HEARD) else 0, "dat": data[8 * i : 8 * i + 8]}
                for i, address in enumerate(addresses)
            ]
            events.append(encode_event("can", t_ns, frames))
            command = [{"address": _STEERING_COMMAND, "src": 0, "dat": bytes(5)}]
            events.append(encode_event("sendcan", t_ns + 1_000_000, command))
        return parse_log(b"".join(events), where="bench")

    return bench.once("can minute", make)


def kernel_speed(bench: Workbench) -> float:
    """Seconds of CAN that pass through the kernel in a second, from the indexed log to the kernel's answers."""
    log = _can_minute(bench)
    folder = bench.folder / "kernel"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC_NAME).write_text("format: 1\nopendbc: installed\n")
    kernel = provide_kernel(dict(find_kernel(folder)), folder)
    setup = SafetySetup(_TOYOTA, _EPS_FACTOR, 0, seeds=True, echoes_sent=False)

    taken = best_cpu_s(lambda: run_kernel(kernel, setup, read_traffic(log)), bench.scale.repeats)
    recorded_s = log.counts()["can"] / _RATE_HZ
    bench.tell(f"{recorded_s:.0f} s of CAN through the safety kernel in {taken * 1e3:.1f} ms of processor time")
    return recorded_s / taken


FIGURES = (Figure("panda_safety replay", "× real time", 1000.0, Better.HIGHER, kernel_speed),)
