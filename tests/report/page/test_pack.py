"""Arrays as text that a page unpacks, and a script that no content can break out of."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from harness.report.page.pack import pack_floats, pack_steps, pack_whole, script_of
from tests.report.page.conftest import MadePage


def test_a_page_unpacks_what_was_packed(browser: Browser, made_page: MadePage) -> None:
    page = browser.new_page()
    page.goto(made_page.overview())
    metres = np.array([[0.0, -1.234, 327.67], [400.0, -999.0, np.nan]])
    unpacked = page.evaluate(
        "packed => Array.from(closet.unpack(packed), x => Number.isNaN(x) ? null : x)", pack_steps(metres, 0.01)
    )
    assert unpacked[:3] == [0.0, np.float32(-1.23), np.float32(327.67)]
    assert unpacked[3:] == [np.float32(327.67), np.float32(-327.67), None], "beyond its reach it is cut to the end"
    floats = np.array([1e-9, -3.5e7, np.nan, 0.1], np.float32)
    told = page.evaluate(
        "packed => Array.from(closet.unpack(packed), x => Number.isNaN(x) ? null : x)", pack_floats(floats)
    )
    assert told == [float(floats[0]), float(floats[1]), None, float(floats[3])]
    same = page.evaluate("packed => Array.from(closet.unpack(packed))", pack_floats(np.full(5, 0.25)))
    assert same == [0.25] * 5
    frames = np.array([7, 8, 9, 12, 13, 2**40], np.int64)
    assert page.evaluate("packed => Array.from(closet.unpack(packed))", pack_whole(frames)) == frames.tolist()
    page.close()


@given(st.lists(st.integers(0, 2**50), max_size=30))
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    packed = pack_whole(np.array(numbers, np.int64))
    assert isinstance(packed, dict)
    values = [packed["first"]] if packed["count"] else []
    for step, count in packed["runs"]:
        for _ in range(count):
            values.append(values[-1] + step)
    assert values == numbers


def test_frames_that_follow_each_other_take_no_room() -> None:
    assert pack_whole(np.arange(240, 1440)) == {"first": 240, "count": 1200, "runs": [[1, 1199]]}


@given(st.text())
def test_nothing_ends_the_script_early(words: str) -> None:
    text = script_of("segment", {"words": words + "</script><!--", "number": float("nan")})
    assert text.isascii()
    assert not set("<>&") & set(text)
    content = json.loads(text.removeprefix('closet.take("segment",').removesuffix(");\n"))
    assert content == {"words": words + "</script><!--", "number": None}
