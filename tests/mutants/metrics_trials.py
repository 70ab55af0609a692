"""Values that are known beforehand, which tell the metrics from ones that were tampered with.

Run as a program it prints each as JSON, by whichever `harness` is found first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from harness.compare.lane_changes import count_lane_changes
from harness.compare.metrics import execution_values, pair_metrics, segment_metrics
from harness.compare.metrics.horizon import PLAN_T_S
from harness.compare.metrics.tally import Forecasts, Series, calibrate, tabulate
from harness.domain import Check, DeviceKind, Tolerance
from harness.errors import ErrorDescription
from harness.replay.driven import driven_trace
from harness.trace import Channel, Trace
from harness.verdict import (
    CANDIDATE,
    Attempt,
    ExecutionTime,
    JobResult,
    Untimed,
    Verdict,
    execution_time,
    side_time,
)
from tests.compare.metrics.made import BEND, CRUISE, lanes, plan_of, truth
from tests.replay.driven_logs import circle, drive_log, sine, straight

Trial = tuple[str, float, float, float]  # name, known value, how near, what was found

N = 240
AT = np.arange(N) * 0.05
NEAR = (Check("plan", ("position.*",), Tolerance(absolute=0.1)), Check("all", ("*",), Tolerance(absolute=1.0)))
SAID = "meta__disengagePredictions__"
TOOK = ExecutionTime(20.0, 51.0, 1200)


def trials() -> Iterator[Trial]:
    """All of them; what an untampered harness finds is as near to the known value as is said."""
    yield from _path_trials()
    yield from _frame_trials()
    yield from _condition_trials()
    yield from _comfort_trials()
    yield from _action_trials()
    yield from _lane_trials()
    yield from _forecast_trials()
    yield from _lane_change_trials()
    yield from _pair_trials()
    yield from _driven_trials()


def told(trace: Trace, driven: Trace | None, metric: str, condition: str = "all", part: str = "value") -> float:
    value = segment_metrics(trace, driven).get(metric, condition)
    return math.nan if value is None else float(getattr(value, part))


def _path_trials() -> Iterator[Trial]:
    road, bend = truth(CRUISE), truth(BEND)
    aside = plan_of(road, position__y=0.3 * (-1.0) ** np.arange(N)[:, None] + 0.1 + np.zeros(33))
    yield "beside", 0.3, 1e-6, told(aside, road, "lateral_error_2s")
    yield "right", 0.1, 1e-6, told(aside, road, "lateral_bias_2s")
    ramp = plan_of(road, position__y=np.tile(0.1 * PLAN_T_S, (N, 1)))
    yield "mean of a ramp", 0.1, 1e-6, told(ramp, road, "ade_2s")
    yield "end of a ramp", 0.2, 1e-6, told(ramp, road, "fde_2s")
    late = plan_of(bend, **_later(bend, -0.5))
    yield "late in a bend, beside", 0.0, 3e-3, told(late, bend, "lateral_error_3s")
    yield "late in a bend, behind", -10.0, 0.02, told(late, bend, "longitudinal_bias_3s")
    bump = plan_of(road, position__y=np.tile(7.5 * np.exp(-(((PLAN_T_S - 2) / 0.3) ** 2)), (N, 1)))
    yield "a miss on the way", 1.0, 1e-9, told(bump, road, "miss_3s")
    far = plan_of(road, position__y=np.full((N, 33), 12.0))
    yield "a far plan misses near", 1.0, 1e-9, told(far, road, "miss_5s")
    yield "a far plan is near enough far ahead", 0.0, 1e-9, told(far, road, "miss_8s")
    around = truth(CRUISE, path__heading=np.full((N, 33), 3.1))
    yield (
        "nearly around",
        2 * math.pi - 6.2,
        1e-9,
        told(plan_of(around, orientation__z=np.full((N, 33), -3.1)), around, "heading_error_2s"),
    )


def _later(driven: Trace, seconds: float) -> dict[str, np.ndarray]:
    """The plan of a car on the same bend that is so much later; negative is late."""
    way = 20.0 * (PLAN_T_S + seconds)
    x, y = np.sin(0.004 * way) / 0.004, (1 - np.cos(0.004 * way)) / 0.004
    return {"position__x": np.tile(x, (N, 1)), "position__y": np.tile(y, (N, 1))}


def _frame_trials() -> Iterator[Trial]:
    valid = np.ones((N, 33), bool)
    valid[200:, 15:] = False  # from 1.9 s on: reading at 2 s needs the point at 2.2 s
    part = truth(CRUISE, valid=valid)
    yield "frames known at 2 s", 200, 0, told(plan_of(part), part, "ade_2s", part="frames")
    yield "frames known at 1 s", N, 0, told(plan_of(part), part, "ade_1s", part="frames")
    broken = part.channels["path.x"].values.copy()
    broken[:10, 4] = np.nan
    yield "frames that are numbers", 190, 0, told(plan_of(part, position__x=broken), part, "ade_2s", part="frames")
    moving = truth((20.0, 0.0, 1.0))
    shifted = truth((20.5, 0.0, 1.0), frames=np.arange(N) + 510)
    yield "frames by id", 0.0, 1e-6, told(plan_of(shifted), moving, "fde_2s")
    unanswered = Series("x", np.array([np.nan, 1.0]), excused=np.array([True, True]))
    yield "excused and answered", 1, 0, float(tabulate([unanswered], np.ones((1, 2), bool))[0, 0, 3])
    said = np.tile([[0.25], [0.75]], (500, 1))
    came = np.concatenate([np.ones((2, 1)), np.zeros((498, 1)), np.ones((498, 1)), np.zeros((2, 1))]).astype(bool)
    everything = np.ones((1, 1000), bool)
    yield "calibration", 0.246, 0.01, calibrate([Forecasts("x", np.sort(said, axis=0), came)], everything)[0, 0, 0]


def _condition_trials() -> Iterator[Trial]:
    turn = np.where(AT < 6, 0, 1).astype(np.int8)
    bend, gentle = truth(BEND, blinker=turn), truth((20.0, 0.0005, 0.0))
    yield "frames in a curve", 120, 0, told(plan_of(bend), bend, "ade_1s", "curve", "frames")
    yield "frames of a gentle road", N, 0, told(plan_of(gentle), gentle, "ade_1s", "straight", "frames")
    yield "frames at 20 m/s", N, 0, told(plan_of(gentle), gentle, "ade_1s", "speed_20_30", "frames")
    crowd = truth(CRUISE, leadOne__known=AT < 3, leadOne__present=AT < 1, overriding=AT >= 9)
    yield "frames behind nobody", 40, 0, told(plan_of(crowd), crowd, "ade_1s", "no_lead", "frames")
    yield "frames engaged", 180, 0, told(plan_of(crowd), crowd, "ade_1s", "engaged", "frames")
    side = plan_of(crowd, position__y=np.where(AT < 9, 0.0, 1.0)[:, None] + np.zeros(33))
    yield "engaged, beside", 0.0, 1e-9, told(side, crowd, "lateral_error_1s", "engaged")


def _comfort_trials() -> Iterator[Trial]:
    gentle = truth((15.0, 0.0, 1.0))
    fast = plan_of(gentle, velocity__x=15 + 3.0 * PLAN_T_S + np.zeros((N, 1)))
    yield "too fast", 0.0, 0, told(fast, gentle, "comfort_longitudinal_acceleration")
    hard = truth((40.0, 0.0, -5.0), velocity=np.zeros(N))
    mild = plan_of(hard)
    yield "braked as the human did", 1.0, 0, told(mild, hard, "comfort_longitudinal_acceleration")
    yield "excused", N, 0, told(mild, hard, "comfort_longitudinal_acceleration", part="excused")
    sharp = plan_of(gentle, orientation__z=np.tile(0.4 * PLAN_T_S, (N, 1)), velocity__x=np.full((N, 33), 15.0))
    yield "turned too sharply", 0.0, 0, told(sharp, gentle, "comfort_lateral_acceleration")
    yield "nothing is excused", 0, 0, told(sharp, gentle, "comfort", part="excused")
    unknown = truth((40.0, 0.0, -5.0), valid=np.zeros((N, 33), bool))
    yield "nobody knows what the human did", 0.0, 0, told(mild, unknown, "comfort")
    ramp = truth((10.0, 0.002, 1.5))
    yield "as it said", 0.0, 0.01, told(plan_of(ramp), ramp, "plan_change_yaw_rate")
    rising = plan_of(gentle, velocity__x=np.tile(15 + (0.4 * PLAN_T_S**2), (N, 1)))
    # Every plan begins anew with a growing acceleration of 0.8 m/s³: a frame later it is 0.04 m/s² less.
    yield "as it said not", 0.04, 0.005, told(rising, gentle, "plan_change_acceleration")
    swing = np.tile(0.02 * PLAN_T_S, (N, 1)) * (np.arange(N) % 2)[:, None]
    turned = plan_of(truth(CRUISE), orientation__z=swing)
    yield "turning is acceleration", 0.4, 0.01, told(turned, None, "plan_change_acceleration")
    wave = plan_of(truth(CRUISE), velocity__x=np.tile(20 + 0.4 * np.sin(3.0 * PLAN_T_S), (N, 1)))
    yield "a wave", 0.0, 0, told(wave, None, "comfort_longitudinal_jerk")
    gap = truth(CRUISE, frames=[*range(500, 620), *range(720, 840)])
    yield "pairs of frames", 238, 0, told(plan_of(gap), gap, "consistency", part="frames")


def _action_trials() -> Iterator[Trial]:
    bend = truth(BEND, curvature=np.full(N, 1.0), acceleration=np.full(N, 1.0))
    asked = plan_of(bend, action__desiredCurvature=np.full(N, 0.005), action__desiredAcceleration=0.1 * AT)
    yield "curvature asked for", 0.001, 1e-9, told(asked, bend, "curvature_bias")
    yield "lateral acceleration asked for", 0.4, 1e-9, told(asked, bend, "lateral_acceleration_error")
    yield "jerk", 0.1, 1e-9, told(asked, bend, "longitudinal_jerk")
    rising = plan_of(bend, action__desiredCurvature=0.004 + 1e-4 * AT)
    yield "jerk cost", 100 * 0.04**2, 1e-9, told(rising, bend, "control_cost_jerk")
    yield "cost", 50 * 100 * 0.16, 1e-6, told(asked, bend, "control_cost")
    steps = plan_of(bend, action__desiredAcceleration=np.where(AT < 6, 0.0, 0.5))
    yield "one step", 10 / math.sqrt(239), 1e-9, told(steps, bend, "longitudinal_jerk")
    missing = np.where(AT < 6, np.nan, 0.2)
    lost = told(plan_of(bend, action__desiredAcceleration=missing), bend, "action_not_a_number")
    yield "actions without a number", 0.5, 1e-9, lost
    yield (
        "an action without a number",
        0.2,
        1e-9,
        told(plan_of(bend, action__desiredAcceleration=missing), bend, "acceleration_bias"),
    )


def _lane_trials() -> Iterator[Trial]:
    road, bend = truth(CRUISE), truth((20.0, 0.006, 0.0))
    yield "lines in a bend", 0.0, 0.03, told(plan_of(bend, **lanes(bend)), bend, "lane_line_consistency_2s")
    jumping = lanes(road)
    jumping["laneLines__y"] = jumping["laneLines__y"] + (AT % 2 >= 1)[:, None, None] * np.array(
        [[[0], [5.0], [0], [0]]]
    )
    jumping["laneLineProbs"] = np.where((AT % 2 >= 1)[:, None], [0.9, 0.1, 0.9, 0.9], 0.9)
    yield "a line that is not sure", 0.0, 1e-9, told(plan_of(road, **jumping), road, "lane_line_consistency_1s")
    off = np.where((AT >= 2) & (AT < 5), 0.7, 0.0)[:, None] + np.zeros(33)
    yield "three seconds off", 0.75, 1e-9, told(plan_of(road, position__y=off, **lanes(road)), road, "lane_keeping")
    changing = truth(CRUISE, blinker=((AT >= 2) & (AT < 5)).astype(np.int8))
    yield (
        "changing lanes",
        1.0,
        1e-9,
        told(plan_of(changing, position__y=off, **lanes(changing)), changing, "lane_keeping"),
    )
    crossing = lanes(changing)
    crossing["laneLines__y"] = crossing["laneLines__y"] + np.where(AT < 3.5, 0.0, 3.6)[:, None, None]
    yield (
        "lines across a lane change",
        0.0,
        1e-9,
        told(plan_of(changing, **crossing), changing, "lane_line_consistency_1s"),
    )
    turned = truth((20.0, 0.03, 0.0))  # a right angle in 2.6 s: lines a car leaves at an angle
    across = lanes(turned)
    ahead = 192.0 * (np.arange(33) / 32.0) ** 2
    across["laneLines__y"] = np.tile(np.stack([place + 0.0 * ahead for place in (-5.4, -1.8, 1.8, 5.4)]), (N, 1, 1))
    heading, beside = 0.03 * 20, (1 - math.cos(0.03 * 20)) / 0.03
    expected = np.mean([abs((place - beside) * math.cos(heading) - place) for place in (-1.8, 1.8)])
    yield (
        "lines that stay with the car",
        float(expected),
        0.01,
        told(plan_of(turned, **across), turned, "lane_line_consistency_1s"),
    )


def _forecast_trials() -> Iterator[Trial]:
    come = np.where(AT <= 6, 6 - AT, np.inf)
    driven = truth(
        CRUISE, next__brakeDisengage=come, engaged=AT < 9, laneChange=np.where(AT < 3, -1, 0).astype(np.int8)
    )
    probs = np.full((N, 5), 0.2)
    trace = plan_of(driven, **{SAID + "brakeDisengageProbs": probs})
    came = (come <= 4) & (AT < 9)
    answered = (AT < 9) & ((come <= 4) | (driven.channels["next.known"].values >= 4))
    wrong = np.mean((0.2 - came[answered]) ** 2)
    yield "brier", float(wrong), 1e-9, told(trace, driven, "brake_disengage_brier_4s")
    yield "brier frames", float(answered.sum()), 0, told(trace, driven, "brake_disengage_brier_4s", part="frames")
    engaged = (AT < 9) & ((come <= 2) | (driven.channels["next.known"].values >= 2))
    frames = told(trace, driven, "brake_disengage_brier_2s", part="frames")
    yield "frames of an engagement", float(engaged.sum()), 0, frames
    now, coming = np.zeros((N, 8)), np.zeros((N, 4, 8))
    now[:, 3] = AT < 3
    coming[:, 0, 3] = AT < 1
    desires = plan_of(driven, meta__desireState=now, meta__desirePrediction=coming)
    yield "desire", 0.0, 1e-9, told(desires, driven, "desire_brier_0s")
    yield "desire in two seconds", 0.0, 1e-9, told(desires, driven, "desire_brier_2s")
    leads = truth(
        CRUISE,
        leadOne__known=np.ones(N, bool),
        leadOne__present=AT >= 6,
        leadOne__dRel=np.full(N, 30.0),
        leadOne__vLead=np.full(N, 20.0),
    )
    sure = np.stack([AT >= 6, AT >= 4, AT >= 2], 1).astype(float)
    sees = plan_of(leads, leadsV3__prob=sure, leadsV3__x=np.full((N, 3, 6), 31.52), leadsV3__v=np.full((N, 3, 6), 20.0))
    yield "lead", 0.0, 1e-6, told(sees, leads, "lead_distance_error")
    yield "lead in two seconds", 0.0, 1e-9, told(sees, leads, "lead_brier_2s")
    device = execution_values(TOOK, "driving_model", DeviceKind.TIZI)
    yield "over its time", 1.0, 0, device["model_execution_over"].value
    yield "emulated", 2, 0, float(len(execution_values(TOOK, "driving_model", DeviceKind.EMULATED)))

    attempts = (attempt(40.0), attempt(20.0), attempt(30.0, failed=True))
    result = JobResult("t", "s", "driving_model", "mici", Verdict.PASS, attempts=attempts)
    timed = side_time(result, CANDIDATE)
    yield "time of the attempt that gave the trace", 20.0, 0, getattr(timed, "mean_ms", -1.0)
    kept = execution_time({**attempts[0].measurements, "features_reused": 1.0})
    yield "time of a policy alone", 1.0, 0, float(kept is Untimed.FEATURES)


def attempt(mean_ms: float, *, failed: bool = False) -> Attempt:
    """A try of the candidate that took so long a frame."""
    measured = {"model_execution_mean_ms": mean_ms, "model_execution_max_ms": 51.0, "frames": 1200.0}
    error = ErrorDescription("DeviceTimeoutError", "too long") if failed else None
    return Attempt(CANDIDATE, "mici-01", 1, 0.0, 1.0, error, measurements=measured)


def lane_changes(asked: Iterable[int], over: Iterable[int], rows: int = 200) -> Trace:
    """A trace of a change to the right: rows in which it is asked for, and in which the model thinks it over."""
    ids = np.arange(rows, dtype=np.int64)
    desire, state = np.zeros(rows, np.int8), np.zeros((rows, 8), np.float32)
    desire[list(asked)] = 4
    state[:, 4] = 0.9
    state[list(over), 4] = 0.01
    channels = {"desire": Channel("desire", "", desire), "meta.desireState": Channel("meta.desireState", "", state)}
    return Trace("driving_model", "s", ids, ids * 50_000_000, channels, {})


def _lane_change_trials() -> Iterator[Trial]:
    for name, made, begun, aborted in (
        ("finished", lane_changes(range(10, 51), range(30, 200)), 1, 0),
        ("ended while it faded", lane_changes(range(10, 50), range(30, 200)), 1, 1),
        ("over too soon to count", lane_changes(range(10, 40), range(10, 19)), 1, 1),
        ("cut off", lane_changes(range(180, 200), ()), 0, 0),
        ("never over", lane_changes(range(10, 150), ()), 1, 1),
    ):
        found = count_lane_changes(made)
        yield f"lane change {name}, begun", begun, 0, -1.0 if found is None else found.begun
        yield f"lane change {name}, given up", aborted, 0, -1.0 if found is None else found.aborted


def _pair_trials() -> Iterator[Trial]:
    road = truth(CRUISE)
    base = plan_of(road, state=np.zeros(N, np.int64), extra=np.zeros(N))
    y = np.zeros((N, 33))
    y[10:22, 3], y[22, 3] = 0.1, 0.4
    extra = np.zeros(N)
    extra[5] = np.nan

    def pair(metric: str, **changed: object) -> float:
        channels: dict[str, object] = {"state": np.zeros(N, np.int64), "extra": np.zeros(N)}
        value = pair_metrics(base, plan_of(road, **(channels | changed)), road, NEAR).get(metric)
        return math.nan if value is None else value.value

    yield "share beyond tolerance", 1 / N, 1e-9, pair("divergence_share", position__y=y)
    yield "worst", 4.0, 1e-9, pair("divergence_worst", position__y=y)
    yield "the first check's tolerance", 4.0, 1e-9, pair("divergence_worst", position__y=y)
    yield "a NaN", 1 / N, 1e-9, pair("divergence_share", extra=extra)
    yield "another state", 1.0, 1e-9, pair("divergence_share", state=np.ones(N, np.int64))
    without = replace(base, channels={name: each for name, each in base.channels.items() if name != "extra"})
    lost = pair_metrics(base, without, road, NEAR).get("divergence_share")
    yield "a lost channel", 1.0, 1e-9, math.nan if lost is None else lost.value


def _driven_trials() -> Iterator[Trial]:
    for drive, name in ((circle(20.0, 0.1), "circle"), (sine(), "sine")):
        trace = driven_trace(drive_log(drive, 15.0), "d/l/0")
        x, y, _ = drive.seen_from(2.0, PLAN_T_S)
        off = np.hypot(trace.channels["path.x"].values[40] - x, trace.channels["path.y"].values[40] - y)
        yield f"a {name}", 0.0, 0.01, float(off.max())
    speeding = driven_trace(drive_log(_gaining(), 15.0), "d/l/0")
    yield "speeding up", 250.0, 0.01, float(speeding.channels["path.x"].values[0, -1])
    ill = drive_log(straight(), 15.0, health=lambda at: {"posenetOK": not 8.0 <= at < 8.2})
    yield (
        "known before it was ill",
        0,
        0,
        float(driven_trace(ill, "d/l/0").channels["path.valid"].values[60:150, -1].sum()),
    )
    gap = drive_log(straight(), 15.0, skip_pose=lambda at: 7.9 < at < 8.4)
    yield "known over a gap", 0, 0, float(driven_trace(gap, "d/l/0").channels["path.valid"].values[60:150, -1].sum())
    whole = driven_trace(drive_log(straight(), 15.0), "d/l/0")
    yield "known at the end", 102, 0, float(whole.channels["path.valid"].values[:, -1].sum())
    adrift = driven_trace(drive_log(straight(), 12.0, status="uncalibrated"), "d/l/0")
    yield "known without a mounting", 0, 0, float(adrift.channels["path.valid"].values.sum())
    yield from _surrounding_trials()


def _gaining() -> object:
    drive = straight()
    return replace(drive, course=lambda t: (15.0 + 2.0 * t, np.zeros_like(t)))


def _surrounding_trials() -> Iterator[Trial]:
    log = drive_log(
        straight(),
        10.0,
        state=lambda at: "enabled" if at < 4 else "disabled",
        car=lambda at: {"brakePressed": 6 <= at < 7, "steeringPressed": 1 <= at < 2, "gasPressed": 8 <= at < 9},
        radar=lambda at: {"present": True, "radar": at < 5, "dRel": 30.0},
    )
    channels = driven_trace(log, "d/l/0").channels
    yield "brakes while driving itself", 0, 0, float(np.isfinite(channels["next.brakeDisengage"].values).sum())
    yield "until the brake", 6.0, 0.011, float(channels["next.brakePress"].values[0])
    yield "taking part", 20, 0, float(channels["overriding"].values.sum())
    yield "radar's lead", 101, 2, float(channels["leadOne.present"].values.sum())


def main() -> None:
    """Print what each trial finds."""
    found = {name: value if math.isfinite(value) else None for name, _, _, value in trials()}
    print(json.dumps(found))  # noqa: T201 - that is what this program is for


if __name__ == "__main__":
    main()
