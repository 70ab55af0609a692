"""Figures of measuring segments: the driven path of a minute, and all metrics of a candidate and its baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.bench.clock import best_cpu_s
from harness.bench.drive_log import FIRST_T_NS, FRAME_NS, MESSAGES_PER_MINUTE, drive_log
from harness.bench.drives import segment_id
from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.compare.metrics import pair_metrics, segment_metrics
from harness.domain import Check, Tolerance
from harness.errors import ClosetError
from harness.pipeline.truth import processes
from harness.recording.log import parse_log
from harness.recording.log_writer import encode_event
from harness.replay.driven import driven_trace
from harness.trace import Channel, Trace

Floats = npt.NDArray[np.float32]

_MINUTE_S = 60.0
_CHECKS = (
    Check("plan", ("position.*", "velocity.*", "orientation.*"), Tolerance(0.01, 0.01)),
    Check("rest", ("*",), Tolerance(0.05)),
)
_FORESIGHT = {
    **dict.fromkeys(("gasDisengageProbs", "brakeDisengageProbs", "steerOverrideProbs"), 5),
    "brake3MetersPerSecondSquaredProbs": 5,
    **dict.fromkeys(("gasPressProbs", "brakePressProbs", "leftBlinkerProbs", "rightBlinkerProbs"), 6),
}


@dataclass(frozen=True, slots=True)
class _Costs:
    """Milliseconds of processor time, and how many values the measured metrics have."""

    truth_ms: float
    pair_ms: float
    answered: int


def truth_of_a_minute(bench: Workbench) -> float:
    """Milliseconds of processor time from a log in memory to the driven path with all that belongs to it."""
    return _costs(bench).truth_ms


def metrics_of_a_pair(bench: Workbench) -> float:
    """Milliseconds of processor time for every metric under every condition of two traces, and of their distance."""
    costs = _costs(bench)
    bench.tell(f"{costs.answered} values of a minute in {costs.pair_ms:.0f} ms")
    return costs.pair_ms


def _costs(bench: Workbench) -> _Costs:
    """Measured in a process like those that segments are measured in."""

    def make() -> _Costs:
        bench.tell("measuring a minute's drive")
        with processes(1) as pool:
            return pool.submit(_measure, bench.scale.repeats).result()

    return bench.once("metrics costs", make)


def _measure(repeats: int) -> _Costs:
    log = parse_log(drive_log(_MINUTE_S, MESSAGES_PER_MINUTE // 4, seed=1) + b"".join(_motion()), where="bench")
    segment = str(segment_id(0))
    truth = driven_trace(log, segment)
    baseline, candidate = (_plan(truth, seed) for seed in (1, 2))

    def measure() -> int:
        sides = [segment_metrics(trace, truth) for trace in (baseline, candidate)]
        pair = pair_metrics(baseline, candidate, truth, _CHECKS)
        return sum(int(np.isfinite(each.table[..., 0]).sum()) for each in (*sides, pair))

    answered = measure()
    if not answered:
        raise ClosetError("no metric has an answer", where="closet bench")
    return _Costs(
        best_cpu_s(lambda: driven_trace(log, segment), repeats) * 1e3, best_cpu_s(measure, repeats) * 1e3, answered
    )


def _motion() -> Iterator[bytes]:
    """The pose of a winding drive at 20 Hz, on a device that is calibrated."""
    calibration = {"rpyCalib": [0.0, 0.0, 0.0], "calStatus": "calibrated"}
    yield encode_event("extrinsicsCalibration", FIRST_T_NS, calibration)
    for number in range(round(_MINUTE_S * 1e9) // FRAME_NS + 2):
        t_ns = FIRST_T_NS + number * FRAME_NS
        at_s = number * FRAME_NS / 1e9
        told = {
            "velocityDevice": _vector(20.0 + 2.0 * np.sin(at_s / 9), 0.0, 0.0),
            "angularVelocityDevice": _vector(0.0, 0.0, 0.08 * np.sin(at_s / 5)),
            "inputsOK": True,
            "posenetOK": True,
            "sensorsOK": True,
            "timestamp": t_ns,
        }
        yield encode_event("deviceMotion", t_ns, told)


def _vector(x: float, y: float, z: float) -> dict[str, object]:
    return {"x": float(x), "y": y, "z": float(z), "xStd": 0.05, "yStd": 0.05, "zStd": 0.05, "valid": True}


def _plan(truth: Trace, seed: int) -> Trace:
    """A driving model's trace that follows the driven path with a little noise, with every head there is."""
    rng = np.random.default_rng(seed)
    n = len(truth.frame_ids)
    of = {name: channel.values for name, channel in truth.channels.items()}

    def near(values: npt.NDArray[Any], spread: float) -> Floats:
        shape = (n, *([1] * (values.ndim - 1)))
        return np.asarray(values + spread * rng.standard_normal(shape), np.float32)

    def chances(*shape: int) -> Floats:
        return rng.random((n, *shape), np.float32)

    lines = np.array([-5.4, -1.8, 1.8, 5.4], np.float32)[:, None] + np.zeros((n, 4, 33), np.float32)
    values: dict[str, npt.NDArray[Any]] = {
        "position.x": near(of["path.x"], 0.2),
        "position.y": near(of["path.y"], 0.1),
        "position.z": near(of["path.z"], 0.1),
        "orientation.z": near(of["path.heading"], 0.002),
        "velocity.x": near(of["path.speed"], 0.1),
        "action.desiredCurvature": near(of["curvature"], 1e-4),
        "action.desiredAcceleration": near(of["acceleration"], 0.1),
        "vEgo": of["vEgo"],
        "laneLines.y": near(lines, 0.05),
        "laneLineProbs": np.full((n, 4), 0.9, np.float32),
        "roadEdges.y": near(lines[:, ::3] * 1.5, 0.1),
        "roadEdgeStds": np.full((n, 2), 0.3, np.float32),
        "leadsV3.prob": chances(3),
        "leadsV3.x": chances(3, 6),
        "leadsV3.v": chances(3, 6),
        "meta.engagedProb": chances(),
        "meta.desireState": chances(8),
        "meta.desirePrediction": chances(4, 8),
        **{f"meta.disengagePredictions.{name}": chances(count) for name, count in _FORESIGHT.items()},
        "features": rng.standard_normal((n, 512), np.float32),
    }
    channels = {name: Channel(name, "", each) for name, each in values.items()}
    return Trace("driving_model", truth.segment, truth.frame_ids, truth.t_ns, channels, {})


FIGURES = (
    Figure("judgement: truth of a minute", "ms", 500.0, Better.LOWER, truth_of_a_minute),
    Figure("judgement: metrics of a segment pair", "ms", 150.0, Better.LOWER, metrics_of_a_pair),
)
