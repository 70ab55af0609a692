"""Segments that moved alike: known groups are found, whatever the order, and said in the reader's words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compare.growth import find_growth
from harness.compare.motion import Motion, Road
from harness.compare.shapes import Shape, find_shape
from harness.compare.stories import find_stories
from harness.explanation import Cause

FRAMES = 400
BENDS = {"left": -0.004, "right": 0.004, "straight": 0.0}


@dataclass(frozen=True)
class Made:
    """One made difference: metres right or ahead in part of a minute."""

    name: str
    right_m: float = 0.0
    ahead_m: float = 0.0
    bend: str = "straight"
    pace: float = 0.0
    speed: float = 22.0
    start: int = 100
    cause: Cause = Cause.VISION
    broken: int = 0
    lead: bool = False

    def shape(self, scale: float = 1.0) -> Shape:
        window = np.zeros(FRAMES)
        window[self.start : self.start + 80] = np.sin(np.linspace(0, np.pi, 80))
        plan = scale * np.stack([self.right_m * window, self.ahead_m * window], axis=1)
        broken = np.arange(FRAMES) < self.broken
        motion = Motion(np.arange(FRAMES), np.arange(FRAMES) * 0.05, np.zeros((FRAMES, 2)), plan, broken)
        full = np.ones(FRAMES)
        road = Road(
            self.speed * full, BENDS[self.bend] * full, self.pace * full, full < 0, full > 0 if self.lead else full < 0
        )
        growth = find_growth(motion.size, motion.seconds, motion.frame_ids)
        return find_shape(f"{self.name} · driving_model · mici", self.name, motion, road, growth, self.cause)


def told(*made: Made) -> list[str]:
    return [story.words for story in find_stories([each.shape() for each in made])]


LEFT = [Made(f"l{i}", right_m=0.1 + 0.05 * i, bend="left", start=40 + 30 * i) for i in range(6)]
LATE = [
    Made(f"b{i}", ahead_m=0.5 + 0.3 * i, pace=-1.5, speed=12.0, start=300 - 40 * i, cause=Cause.POLICY)
    for i in range(4)
]
ODD = [Made("x", right_m=-0.3, bend="straight", cause=Cause.STATE)]


@given(st.permutations([*LEFT, *LATE, *ODD]))
@settings(max_examples=25)
def test_known_groups_are_found_in_any_order(made):
    stories = find_stories([each.shape() for each in made])
    assert [len(story.segments) for story in stories] == [6, 4, 1]
    assert stories[0].words.startswith(
        "6 segments: right of the baseline in left curves at 20–25 m/s, from vision; worst 0.35 m at 2 s · exemplar l"
    )
    assert stories[1].words.startswith(
        "4 segments: ahead of the baseline when braking at 10–15 m/s, from the policy; worst 1.4 m at 2 s"
    )
    assert stories[2].words.startswith("1 segment: left of the baseline on straights at 20–25 m/s, from state carried")
    for story in stories:
        assert story.exemplar in story.segments
    assert stories == find_stories([each.shape() for each in [*LEFT, *LATE, *ODD]])


SHAPES = st.builds(
    Made,
    name=st.uuids().map(str),
    right_m=st.floats(-1, 1),
    ahead_m=st.floats(-2, 2),
    bend=st.sampled_from(sorted(BENDS)),
    pace=st.sampled_from([-2.0, 0.0, 2.0]),
    speed=st.floats(0, 40),
    cause=st.sampled_from(list(Cause)),
)


@given(st.lists(SHAPES, min_size=1, max_size=14, unique_by=lambda made: made.name), st.randoms(), st.integers(1, 8))
@settings(max_examples=40)
def test_every_segment_is_in_one_story_whatever_the_order(made, random, most):
    shapes = [each.shape() for each in made]
    stories = find_stories(shapes, most)
    assert sorted(name for story in stories for name in story.segments) == sorted(shape.name for shape in shapes)
    assert 1 <= len(stories) <= most
    shuffled = list(shapes)
    random.shuffle(shuffled)
    assert find_stories(shuffled, most) == stories


@given(SHAPES, st.integers(-4, 4))
@settings(max_examples=40)
def test_a_difference_that_is_scaled_is_the_same_shape(made, power):
    np.testing.assert_allclose(made.shape(2.0**power).vector, made.shape().vector, atol=1e-9)


def test_sides_in_words():
    assert "left of the baseline in left curves" in told(Made("a", right_m=-0.2, bend="left"))[0]
    outside = [Made(f"o{i}", right_m=0.2 if bend == "left" else -0.2, bend=bend) for i, bend in enumerate(BENDS)][:2]
    together = find_stories([each.shape() for each in outside], 1)
    assert "to the outside of curves" in together[0].words
    inside = find_stories(
        [Made("i", right_m=-0.2, bend="left").shape(), Made("j", right_m=0.2, bend="right").shape()], 1
    )
    assert "to the inside of curves" in inside[0].words
    pulling = Made("p", ahead_m=-1.0, pace=1.5)
    assert "behind the baseline when accelerating" in told(pulling)[0]
    late = find_stories([Made("q", ahead_m=1.0, pace=-1.5).shape(), pulling.shape()], 1)
    assert "later to brake and to accelerate" in late[0].words
    assert "at steady speed behind a car" in told(Made("s", ahead_m=1.0, lead=True))[0]
    assert "not a number on one side, in up to 7 frames" in told(Made("n", broken=7))[0]
    assert "did not move" in told(Made("z"))[0]
    assert find_stories([]) == ()


@pytest.mark.parametrize(
    ("causes", "said"),
    [([Cause.UNKNOWN] * 3, "cause not told"), ([Cause.VISION, Cause.VISION, Cause.UNKNOWN], "from vision (2 of 3)")],
)
def test_the_cause_of_a_story_is_what_is_known_of_its_segments(causes, said):
    made = [Made(f"s{i}", right_m=0.2, bend="left", cause=cause) for i, cause in enumerate(causes)]
    (words,) = told(*made)
    assert said in words
