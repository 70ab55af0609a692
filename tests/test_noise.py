"""The noise floor: measured spreads, and tolerances that follow them within floor and ceiling."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.compare import compare_traces
from harness.domain import Check, NoiseRule, Tolerance
from harness.errors import DataError, DeviceUnhealthyError
from harness.noise import ChannelNoise, NoiseFloor, NoiseMeter, parse_floor, render_floor, resolve
from harness.store.noise import NoiseLedger
from harness.trace import Channel, Exactness, Trace
from harness.verdict import Closeness


def trace(plan: np.ndarray, action: np.ndarray, digest: int = 7) -> Trace:
    frames = np.arange(len(action), dtype=np.int64)
    channels = {
        "plan": Channel("plan", "m", plan.astype(np.float32)),
        "action": Channel("action", "1/m", action.astype(np.float32)),
        "pictures": Channel("pictures", "", np.full(len(action), digest, np.uint64), Exactness.EXACT),
    }
    return Trace("driving_model", "d/l/0", frames, frames * 50_000_000, channels, {"runtime": "r"})


def floor(**channels: ChannelNoise) -> NoiseFloor:
    return NoiseFloor("driving_model", "1", "mici", "r", channels)


def noisy(*worst: float) -> ChannelNoise:
    return ChannelNoise("", 100, 0.9, (0.0, 0.0, max(worst)), worst)


def rule(times: float = 3.0, most: float = 1.0, least: float = 0.0) -> Check:
    return Check("all", ("plan", "action"), Tolerance(noise=NoiseRule(times, most, least)))


FRAMES = st.integers(1, 6)


@given(st.data())
def test_the_worst_spread_is_the_greatest_difference_of_any_two_repeats(data):
    frames, repeats = data.draw(FRAMES), data.draw(st.integers(2, 5))
    numbers = st.floats(-10, 10, width=32)
    plans = data.draw(arrays(np.float32, (repeats, frames, 4), elements=numbers))
    actions = data.draw(arrays(np.float32, (repeats, frames), elements=numbers))
    meter = NoiseMeter()
    meter.take(trace(plan, action) for plan, action in zip(plans, actions, strict=True))
    channels = meter.channels()
    wide = plans.astype(np.float64)
    pairs = np.abs(wide[:, None] - wide[None, :])
    np.testing.assert_allclose(channels["plan"].worst, pairs.max(axis=(0, 1, 2)))
    assert channels["plan"].equal == pytest.approx((pairs.max(axis=(0, 1)) == 0).mean())
    assert channels["action"].values == frames
    assert "pictures" not in channels
    assert list(channels["plan"].quantiles) == sorted(channels["plan"].quantiles)


def test_jobs_add_up():
    meter = NoiseMeter()
    zeros = np.zeros((10, 4))
    meter.take([trace(zeros, zeros[:, 0]), trace(zeros, zeros[:, 0])])
    assert meter.channels()["plan"] == ChannelNoise("m", 40, 1.0, (0.0, 0.0, 0.0), (0.0,) * 4)
    moved = zeros.copy()
    moved[3, 2] = 0.5
    meter.take([trace(zeros, zeros[:, 0]), trace(moved, zeros[:, 0])])
    assert meter.channels()["plan"] == ChannelNoise("m", 80, 79 / 80, (0.0, 0.5, 0.5), (0.0, 0.0, 0.5, 0.0))


def test_what_is_no_noise_is_refused():
    zeros = np.zeros((3, 4))
    one = trace(zeros, zeros[:, 0])
    for other in (
        trace(zeros[:2], zeros[:2, 0]),
        trace(zeros[:, :3], zeros[:, 0]),
        trace(zeros, zeros[:, 0], digest=8),
    ):
        with pytest.raises(DataError, match="that is no noise"):
            NoiseMeter().take([one, other])
    with pytest.raises(DataError, match="two repeats"):
        NoiseMeter().take([one])


def test_a_known_floor_is_told_beside_any_other_tolerance():
    """It decides nothing: what is within tolerance passes however many times the noise it is."""
    zeros, moved = np.zeros((5, 2)), np.zeros((5, 2))
    moved[2] = 0.0, 0.45
    floors = {"plan": (0.0, 0.1)}

    def words(tolerance: Tolerance, **floors: tuple[float, ...]) -> str:
        check = Check("plan", ("plan",), tolerance)
        (result,) = compare_traces(trace(zeros, zeros[:, 0]), trace(moved, zeros[:, 0]), [check], floors)
        return result.findings[0].words if result.findings else ""

    assert ", 1.5 × the tolerance, 4.5 × the noise floor" in words(Tolerance(0.3), **floors)
    assert words(Tolerance(), **floors).endswith("observed 0.45 m, 4.5 × the noise floor")
    assert "noise floor" not in words(Tolerance(0.3), plan=(0.1, 0.0))
    assert "noise floor" not in words(Tolerance(0.3))
    assert words(Tolerance(0.5), **floors) == ""
    moved[2] = np.nan, 0.0
    assert "noise floor" not in words(Tolerance(0.3), plan=(0.1, 0.1))


def test_tolerance_follows_the_noise_along_the_horizon():
    zeros = np.zeros((5, 2))
    (check,) = resolve([rule()], floor(plan=noisy(0.0, 0.1), action=noisy(0.0)), trace(zeros, zeros[:, 0]), "here")
    moved = zeros.copy()
    moved[2, 1] = 0.29
    (result,) = compare_traces(trace(zeros, zeros[:, 0]), trace(moved, zeros[:, 0]), [check])
    assert (result.closeness, result.findings) == (Closeness.WITHIN_NOISE, ())
    moved[2, 1] = 0.45
    (result,) = compare_traces(trace(zeros, zeros[:, 0]), trace(moved, zeros[:, 0]), [check])
    assert result.closeness is Closeness.BEYOND_NOISE
    assert "4.5 × the noise floor" in result.findings[0].words
    moved[:] = 0
    moved[2, 0] = 1e-6
    (result,) = compare_traces(trace(zeros, zeros[:, 0]), trace(moved, zeros[:, 0]), [check])
    assert result.closeness is Closeness.BEYOND_NOISE, "where nothing ever differed nothing may"
    assert compare_traces(trace(zeros, zeros[:, 0]), trace(zeros, zeros[:, 0]), [check])[0].closeness is Closeness.EXACT


def test_the_declared_least_counts_where_there_is_less_noise():
    zeros = np.zeros((5, 2))
    of = floor(plan=noisy(0.0, 0.1), action=noisy(0.0))
    (check,) = resolve([rule(least=0.01)], of, trace(zeros, zeros[:, 0]), "here")
    assert dict(check.tolerance.measured)["plan"] == pytest.approx((0.01, 0.3))
    moved = np.full(5, 0.02)
    (result,) = compare_traces(trace(zeros, zeros[:, 0]), trace(zeros, moved), [check])
    assert "2 × the tolerance" in result.findings[0].words


def test_a_noisy_device_cannot_buy_itself_a_wide_tolerance():
    zeros = np.zeros((5, 2))
    with pytest.raises(DeviceUnhealthyError, match=r"plan differs from itself by 0\.4 on mici: 3 × that is past .* 1"):
        resolve([rule()], floor(plan=noisy(0.0, 0.4), action=noisy(0.0)), trace(zeros, zeros[:, 0]), "here")


@pytest.mark.parametrize("known", [None, floor(plan=noisy(0.0, 0.0))])
def test_what_was_never_measured_is_not_tolerated(known):
    zeros = np.zeros((5, 2))
    with pytest.raises(DataError, match="no noise floor") as caught:
        resolve([rule()], known, trace(zeros, zeros[:, 0]), "here")
    assert "closet noise SUITE" in caught.value.remedy
    exact = Check("exact", ("plan",))
    assert resolve([exact], known, trace(zeros, zeros[:, 0]), "here") == (exact,)


def test_the_newest_measurement_counts_but_not_a_twins(tmp_path):
    ledger = NoiseLedger(tmp_path / "noise.jsonl")
    assert ledger.find("driving_model", "mici", "r") is None
    first, second = floor(plan=noisy(0.1)), floor(plan=noisy(0.2))
    for entry in (first, second):
        ledger.add(entry)
    with (tmp_path / "noise.jsonl").open("a") as stream:
        stream.write('{"cut')
    assert NoiseLedger(ledger.path).find("driving_model", "mici", "r") == second
    ledger.add(dataclasses.replace(floor(plan=noisy(0.9)), twin="half"))
    assert ledger.find("driving_model", "mici", "r") == second
    assert ledger.find("driving_model", "mici", "other") is None
    assert len(ledger.floors()) == 3
    assert parse_floor(render_floor(first), where="") == first
    with pytest.raises(DataError, match="not a noise floor"):
        parse_floor("{}", where="here")
