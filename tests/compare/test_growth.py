"""How a difference goes on: laws that hold for any, and courses whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.growth import find_growth
from harness.explanation import Course, Growth

FRAME_S = 0.05
SIZES = st.lists(st.sampled_from([0.0, 0.001, 0.2, 0.5, 1.0, 1.7, 3.0]), min_size=1, max_size=60)


def grow(size: object, first: int = 100) -> Growth:
    values = np.asarray(size, np.float64)
    return find_growth(values, np.arange(len(values)) * FRAME_S, np.arange(len(values)) + first)


def decaying(half_life_s: float, frames: int = 200, start: int = 20) -> np.ndarray:
    t = np.arange(frames) * FRAME_S
    return np.concatenate([np.zeros(start), np.exp2(-t / half_life_s)])


@given(SIZES, st.integers(-6, 6))
def test_a_difference_that_is_scaled_has_the_same_course(size, power):
    """By powers of two, so that scaling itself rounds nothing."""
    one, other = grow(size), grow(np.array(size) * 2.0**power)
    assert other.peak == one.peak * 2.0**power
    for half in (one, other):
        assert half.half_life_s is None or half.half_life_s > 0
    for name in ("half_life_s", "doubling_s"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or math.isclose(ours, theirs, rel_tol=1e-9)
    level = {"peak": 0.0, "half_life_s": None, "doubling_s": None}
    assert replace(one, **level) == replace(other, **level)


@given(st.floats(0.1, 2.0), st.floats(1e-3, 1e3))
def test_a_decaying_difference_has_its_half_life(half_life_s, scale):
    growth = grow(scale * decaying(half_life_s))
    assert growth.half_life_s == pytest.approx(half_life_s, rel=1e-6)
    assert growth.course is Course.DIES
    assert (growth.first_frame, growth.peak_frame) == (120, 120)
    # Gone when 1 % is left: after log2(100) half-lives.
    if half_life_s * math.log2(100) < 9.9:
        assert growth.gone_s == pytest.approx(1.0 + half_life_s * math.log2(100), abs=FRAME_S)


@given(st.floats(0.2, 2.0))
def test_a_growing_difference_has_its_doubling_time(doubling_s):
    growth = grow(decaying(doubling_s, start=0)[::-1])
    assert growth.doubling_s == pytest.approx(doubling_s, rel=1e-6)
    assert growth.course is Course.GROWS
    assert growth.gone_frame is None
    assert growth.half_life_s is None


@given(st.floats(0.4, 1.0))
def test_one_that_swings_while_it_dies_dies(half_life_s):
    size = decaying(half_life_s) * np.abs(np.cos(np.arange(220) * 0.9))
    growth = grow(size)
    assert growth.course is Course.DIES
    assert growth.half_life_s == pytest.approx(half_life_s, rel=0.15)


def test_courses_that_anybody_would_name():
    away = np.zeros(200)
    assert grow(away) == Growth(Course.NOTHING)
    assert grow([]) == Growth(Course.NOTHING)
    blink = away.copy()
    blink[[30, 90]] = 1.0
    assert (grow(blink).course, grow(blink).spells) == (Course.MOMENTARY, 2)
    step = away.copy()
    step[40:80] = 1.0
    ended = grow(step)
    assert (ended.course, ended.first_frame, ended.gone_frame, ended.gone_s) == (Course.ENDS, 140, 180, 4.0)
    assert ended.half_life_s is None
    assert ended.share == 0.2
    step[40:] = 1.0
    assert (grow(step).course, grow(step).gone_frame) == (Course.STAYS, None)
    step[100:] = 0.3
    lower = grow(step)
    assert (lower.course, lower.half_life_s) == (Course.DIES, None), "it is less, but not steadily"
    for start in (20, 80, 140):
        away[start : start + 10] = 1.0
    assert (grow(away).course, grow(away).spells) == (Course.RETURNS, 3)
