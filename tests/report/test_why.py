"""Why trials moved, as text and back from JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import DataError
from harness.explanation import (
    Cause,
    Course,
    Explained,
    Explanation,
    Growth,
    Moved,
    Story,
    Swap,
    parse_explained,
    render_explained,
)
from harness.report import render_why

TOLD = Explanation(
    "r/l/3 · driving_model · mici",
    "r/l/3",
    "mici",
    "FAIL",
    Cause.VISION,
    "vision features (same pictures); the policy follows: the baseline's features remove 97 % of the difference",
    "vision features at frame 412 (20.60 s) (same pictures); the policy follows",
    (Moved("features", 412, 20.6), Moved("plan", 412, 20.6), Moved("action", 413, 20.65)),
    Growth(Course.DIES, 412, 20.6, 415, 20.75, 0.4, 460, 23.0, half_life_s=0.42),
    0.21,
    0.38,
    -0.12,
    swaps=(
        Swap("candidate", "candidate", 0.0),
        Swap("candidate", "baseline", 0.03, 0.03, None),
        Swap("baseline", "candidate", 0.98, 1.0, 0.5),
    ),
)
STORY = Story("1 segment: right of the baseline", (TOLD.name,), TOLD.name, Cause.VISION)
WHOLE = Explained("run-1", "driving_model", 1, (STORY,), (TOLD,), "one thing\nand another")


def test_as_text():
    assert render_why(WHOLE) == (
        "why 1 trial of driving_model moved, in 1 story\n"
        "  1  1 segment: right of the baseline\n"
        "\n"
        "WHY    r/l/3 · mici\n"
        "  cause      vision features (same pictures); the policy follows: the baseline's features remove 97 % of the"
        " difference\n"
        "  first      vision features at frame 412 (20.60 s) (same pictures); the policy follows\n"
        "  moved      features and plan at frame 412 (20.60 s), then action at frame 413\n"
        "  size       plan at 2 s up to 0.38 m right and 0.12 m behind, wanted acceleration 0.21 m/s²"
        " apart (root of mean square)\n"
        "  course     dies away: halves every 420 ms, converged again at frame 460 (23.00 s)\n"
        "  swapped    the candidate's policy over the candidate's features: the same again, bit by bit\n"
        "             the candidate's policy over the baseline's features: 3.0 % of the difference is left\n"
        "             the baseline's policy over the candidate's features: 98.0 % of the difference is left"
        " (100.0 % sideways, 50.0 % along)\n"
        "\n"
        "NOTE   one thing\n"
        "NOTE   and another"
    )


@pytest.mark.parametrize(
    ("growth", "said"),
    [
        (Growth(Course.NOTHING), "no difference"),
        (Growth(Course.MOMENTARY, 7, spells=1), "for a moment at frame 7"),
        (Growth(Course.MOMENTARY, 7, spells=2), "for single frames only"),
        (Growth(Course.GROWS, 7, doubling_s=1.26), "grows: doubles every 1.3 s, not back by the end"),
        (Growth(Course.STAYS, 7), "stays: not back by the end"),
        (Growth(Course.RETURNS, 7, spells=4, share=0.3), "comes and goes: 4 spells, in 30 % of frames"),
        (Growth(Course.ENDS, 7, gone_frame=9, gone_s=0.45), "ends: converged again at frame 9 (0.45 s)"),
    ],
)
def test_courses_in_words(growth, said):
    assert f"\n  course     {said}" in render_why(Explained("r", "d", 0, (), (replace(TOLD, growth=growth),)))


def test_what_is_missing_is_said():
    only_lanes = replace(TOLD, groups=(Moved("lanes", 3, 0.15),), swaps=(Swap("candidate", "baseline", error="gone"),))
    text = render_why(Explained("r", "d", 0, (), (replace(only_lanes, not_a_number_frames=1, note="why not"),)))
    assert "lanes at frame 3 (0.15 s); plan and action never" in text
    assert "features: not replayed: gone" in text
    assert "not a number on one side in 1 frame" in text
    assert "\n  note       why not" in text
    assert render_why(Explained("r", "driving_model", 0)) == "no driving_model trial of r FAILed"


def test_it_comes_back_from_its_text():
    assert parse_explained(render_explained(WHOLE), where="here") == WHOLE
    for text, said in (
        ("{", "not an explanation"),
        (render_explained(replace(WHOLE, format=7)), "format 7, this program reads 1"),
    ):
        with pytest.raises(DataError, match=said):
            parse_explained(text, where="here")
