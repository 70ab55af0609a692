from __future__ import annotations

import math

import numpy as np
import pytest

from harness.compare.align import align
from harness.compare.intervals import Interval
from harness.compare.words import (
    T_IDXS_S,
    X_IDXS_M,
    course_words,
    element_words,
    excess_words,
    lateral_words,
    number,
    pair_words,
    plan_words,
    runs_words,
)


@pytest.fixture
def alignment(make_trace):
    trace = make_trace({"a": np.zeros(1200)})
    return align(trace, trace)


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(412, 457, 431), "leaves at frame 412 (20.60 s), peak 431, back after 2.3 s"),
        (Interval(412, 414, 413), "leaves at frame 412 (20.60 s), peak 413, back after 150 ms"),
        (Interval(412, 412, 412), "leaves at frame 412 (20.60 s) for that frame only"),
        (Interval(412, 1199, 500), "leaves at frame 412 (20.60 s), peak 500, not back by the end"),
        (Interval(1199, 1199, 1199), "leaves at the last frame, frame 1199 (59.95 s)"),
    ],
)
def test_course(alignment, interval, words):
    assert course_words(interval, alignment) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0031, "0.0031"),
        (1.0, "1"),
        (0.123456, "0.1235"),
        (-0.0, "0"),
        (1e20, "1e+20"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
    ],
)
def test_number(value, words):
    assert number(value) == words


def test_values_that_round_alike_are_told_apart():
    e, o = np.array([0.1], np.float32), np.nextafter(np.array([0.1], np.float32), np.float32(1))
    assert len(set(pair_words(e, o, 0))) == 2


def test_digests_and_states_are_shown_as_they_are():
    assert pair_words(np.uint64(255), np.uint64(1), 0) == ("00000000000000ff", "0000000000000001")
    assert pair_words(np.bool_(True), np.bool_(False), 0) == ("True", "False")


def test_indices_of_plan_and_lines():
    # Published constants: 10 s and 192 m at the last point, quadratic, 2.5 s at point 16.
    assert T_IDXS_S[[0, 1, 16, 32]] == pytest.approx([0, 0.009766, 2.5, 10], abs=1e-6)
    assert X_IDXS_M[[0, 1, 2, 32]] == pytest.approx([0, 0.1875, 0.75, 192])
    assert element_words("position.y", (33,), 16) == "at 2.5 s"
    assert element_words("laneLines.y", (4, 33), 33 + 32) == "line 1 at 192 m"
    assert element_words("roadEdges.z", (2, 33), 0) == "edge 0 at 0 m"
    assert element_words("leadsV3.x", (3, 6), 6 + 2) == "lead 1 at 4 s"
    assert element_words("features", (512,), 7) == "[7]"
    assert element_words("meta.desirePrediction", (4, 8), 9) == "[1][1]"
    assert element_words("action.shouldStop", (), 0) == ""


@pytest.mark.parametrize(
    ("channel", "slope", "words"),
    [
        ("position.y", 0.19, "plan at 2 s: 0.38 m right"),
        ("position.y", -0.19, "plan at 2 s: 0.38 m left"),
        ("position.x", 0.5, "plan at 2 s: 1.00 m further ahead"),
        ("position.x", -0.5, "plan at 2 s: 1.00 m shorter"),
        ("velocity.x", -0.5, "plan at 2 s: 1.00 m/s slower"),
        ("position.z", 0.5, ""),
        ("position.y", 0.001, ""),
        ("position.y", math.nan, ""),
    ],
)
def test_plan_two_seconds_ahead(channel, slope, words):
    assert plan_words(channel, np.zeros(33), slope * T_IDXS_S) == words


def test_plan_words_need_a_plan():
    assert plan_words("position.y", np.zeros(17), np.ones(17)) == ""


@pytest.mark.parametrize(
    ("expected", "observed", "speed_mps", "words"),
    [
        (0.0031, 0.0058, 20.0, "1.1 m/s² more lateral acceleration"),
        (-0.0031, -0.0058, 20.0, "1.1 m/s² more lateral acceleration"),
        (0.0058, 0.0031, 20.0, "1.1 m/s² less lateral acceleration"),
        (0.001, -0.001, 20.0, "0.8 m/s² of lateral acceleration to the other side"),
        (0.0031, 0.0058, 0.0, ""),
        (0.0031, math.nan, 20.0, ""),
    ],
)
def test_curvature_as_lateral_acceleration(expected, observed, speed_mps, words):
    assert lateral_words(expected, observed, speed_mps) == words


@pytest.mark.parametrize(("excess", "words"), [(1.0000001, "1.01"), (2.5, "2.5"), (9.99, "9.99"), (14.2, "14")])
def test_excess_never_reads_as_one(excess, words):
    assert excess_words(excess) == f"{words} × the tolerance"


def test_runs():
    assert runs_words([(412, 412)]) == "frame 412"
    assert runs_words([(412, 415), (700, 700)]) == "frames 412–415, 700"
    assert runs_words([(n, n) for n in range(8)]) == "frames 0, 1, 2, 3, 4 and 3 more runs"
