"""Names of routes and segments: what users type, and that nothing is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.domain import Route, SegmentId
from harness.errors import ConfigError
from harness.recording.names import Selector, parse_route, parse_segment, parse_selector

NEW = Route("5beb9b58bd12b691", "0000010a--a51155e496")
OLD = Route("a2a0ccea32023010", "2023-07-27--13-01-19")

dongles = st.text("0123456789abcdef", min_size=16, max_size=16)
new_log_ids = st.builds(
    "{}--{}".format,
    st.text("0123456789abcdef", min_size=8, max_size=8),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=10, max_size=10),
)
old_log_ids = st.datetimes().map(
    lambda t: f"{t.year:04}-{t.month:02}-{t.day:02}--{t.hour:02}-{t.minute:02}-{t.second:02}"
)
routes = st.builds(Route, dongles, new_log_ids | old_log_ids)
ends = st.none() | st.integers(-99, 99)


@given(routes, st.sampled_from("|/_"))
def test_route_survives_any_separator(route: Route, separator: str) -> None:
    assert parse_route(f"{route.dongle_id}{separator}{route.log_id}") == route


@given(routes, st.integers(0, 9999), st.sampled_from("|/_"), st.sampled_from(["--", "/"]))
def test_segment_survives_any_separator(route: Route, number: int, first: str, second: str) -> None:
    segment = SegmentId(route, number)
    assert parse_segment(f"{route.dongle_id}{first}{route.log_id}{second}{number}") == segment
    assert parse_segment(segment.folder_name) == segment
    assert parse_segment(str(segment)) == segment


@given(routes, ends, ends, ends.filter(lambda step: step != 0), st.booleans(), st.sampled_from("rqa"))
def test_selector_survives_being_written(
    route: Route, start: int | None, stop: int | None, step: int | None, single: bool, mode: str
) -> None:
    selector = Selector(route, start, stop, step, mode=mode)
    if single and start is not None:
        selector = Selector(route, start, single=True, mode=mode)
    assert parse_selector(str(selector)) == selector


@given(ends, ends, ends.filter(lambda step: step != 0), st.integers(1, 40))
def test_slices_are_pythons(start: int | None, stop: int | None, step: int | None, count: int) -> None:
    numbers = Selector(NEW, start, stop, step).numbers(range(count))
    assert numbers == list(range(count))[start:stop:step]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("/4", [4]),
        ("--4", [4]),
        ("/-1", [9]),
        ("/2:4/q", [2, 3]),
        ("/:5", [0, 1, 2, 3, 4]),
        ("/7:", [7, 8, 9]),
        ("/5::2", [5, 7, 9]),
        ("/0:0", []),
        ("", list(range(10))),
        ("/a", list(range(10))),
    ],
)
def test_selectors_as_users_type_them(text: str, numbers: list[int]) -> None:
    assert parse_selector(f"5beb9b58bd12b691|0000010a--a51155e496{text}").numbers(range(10)) == numbers


def test_mode_is_the_log_to_read() -> None:
    assert [parse_selector(f"{NEW}{tail}").mode for tail in ("", "/2:4/q", "/r", "/3/a")] == ["r", "q", "r", "a"]


def test_numbers_are_the_segments_own_when_some_are_missing() -> None:
    assert parse_selector(f"{OLD}/1:4").numbers([0, 3, 5]) == [3]
    assert parse_selector(f"{OLD}/-1").numbers([0, 3, 5]) == [5]


def test_a_missing_segment_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"segment 4 .* not there .*0–2, 5"):
        parse_selector(f"{OLD}/4").numbers([0, 1, 2, 5])
    with pytest.raises(ConfigError, match="no segment"):
        parse_selector(str(OLD)).numbers([])


def test_regenerated_routes_have_dongles_that_are_not_hexadecimal() -> None:
    segment = parse_segment("regenAA0FC4ED71E|2023-07-27--13-01-19--0")
    assert segment == SegmentId(Route("regenAA0FC4ED71E", "2023-07-27--13-01-19"), 0)


@pytest.mark.parametrize(
    ("address", "start", "stop"),
    [
        ("https://connect.comma.ai/5beb9b58bd12b691/0000010a--a51155e496", None, None),
        ("https://connect.comma.ai/5beb9b58bd12b691/0000010a--a51155e496/90/185", 1, 4),
        ("https://useradmin.comma.ai/?onebox=5beb9b58bd12b691%7C0000010a--a51155e496", None, None),
    ],
)
def test_addresses_of_pages(address: str, start: int | None, stop: int | None) -> None:
    assert parse_selector(address) == Selector(NEW, start, stop)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5beb9b58bd12b691",
        "5beb9b58bd12b69/0000010a--a51155e496",
        "5beb9b58bd12b691/0000010A--a51155e496",
        "5beb9b58bd12b691/0000010a--a51155e496/x",
        "5beb9b58bd12b691/0000010a--a51155e496/1:2:0",
        "5beb9b58bd12b691/0000010a--a51155e496/1:2:3:4",
        "5beb9b58bd12b691/0000010a--a51155e496/1/i",
        "../../etc/passwd",
        "https://connect.comma.ai/5beb9b58bd12b691",
    ],
)
def test_what_is_no_selector_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_selector(text)
    assert refused.value.remedy


@pytest.mark.parametrize("parse", [parse_route, parse_segment])
def test_what_is_no_name_is_refused(parse: object) -> None:
    assert callable(parse)
    with pytest.raises(ConfigError, match="is not a"):
        parse("5beb9b58bd12b691/2023-07-27")
