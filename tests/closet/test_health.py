"""The judgement of a self-check, and the parsing of what a device says of itself."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.closet.health import Vitals, judge_vitals, parse_vitals, unhealthy
from harness.config.upkeep import EMULATED_LIMITS, Limits
from harness.errors import DeviceUnhealthyError

WELL = Vitals(
    free_bytes=20_000_000_000,
    memory_bytes=2_000_000_000,
    temperatures_c={"cpu (0)": 51.0, "gpu (1)": 48.5},
    load=1.2,
    cpus=8,
    os_version="19.6",
    uptime_s=86_400.0,
    clock_offset_s=0.02,
    clock_bound_s=0.001,
)
LIMITS = Limits(os_version=("19.6",))
BROKEN = {
    "min_free_bytes": {"free_bytes": 3_000_000},
    "min_memory_bytes": {"memory_bytes": None},
    "max_temperature_c": {"temperatures_c": {"cpu (0)": 91.25}},
    "max_clock_offset_s": {"clock_offset_s": -3600.0},
    "max_load_per_cpu": {"load": 40.0},
    "os_version": {"os_version": "12"},
    "leftovers": {"leftovers": ("job folder 0123456789abcdef-7", "process 4711 of job 0123456789abcdef-7")},
}


def named(vitals: Vitals, limits: Limits = LIMITS) -> list[str]:
    return [broken.name for broken in judge_vitals(vitals, limits)]


def test_a_device_that_is_well_breaks_nothing() -> None:
    assert judge_vitals(WELL, LIMITS) == ()
    assert unhealthy((), "mici-01") is None


@pytest.mark.parametrize("name", BROKEN)
def test_each_limit_is_named_with_what_was_measured_and_what_to_do(name: str) -> None:
    (broken,) = judge_vitals(replace(WELL, **BROKEN[name]), LIMITS)
    assert broken.name == name
    assert broken.remedy
    assert "wanted" in broken.limit
    measured = {
        "min_free_bytes": "3.0 MB free",
        "min_memory_bytes": "cannot be measured",
        "max_temperature_c": "cpu (0) is at 91.2 °C",
        "max_clock_offset_s": "3600.0 s behind",
        "max_load_per_cpu": "load 40.0 on 8 cores is 5.00 a core",
        "os_version": "/VERSION says 12",
        "leftovers": "process 4711",
    }
    assert measured[name] in broken.measured


def test_everything_that_is_wrong_is_said_at_once() -> None:
    changes: dict[str, Any] = {}
    for change in BROKEN.values():
        changes |= change
    broken = judge_vitals(replace(WELL, **changes), LIMITS)
    assert {entry.name for entry in broken} == set(BROKEN) == {field.name for field in fields(Limits)}
    error = unhealthy(broken, "mici-01")
    assert error is not None
    assert error.kind == "DeviceUnhealthyError"
    assert all(name in error.problem for name in BROKEN)
    assert all(entry.remedy in error.remedy for entry in broken)


def test_a_limit_that_is_taken_away_limits_nothing() -> None:
    changes: dict[str, Any] = {}
    for change in BROKEN.values():
        changes |= change
    none = Limits(None, None, None, None, None, (), None)
    assert judge_vitals(replace(WELL, **changes), none) == ()


def test_what_cannot_be_measured_breaks_the_limit_it_is_for() -> None:
    blind = replace(WELL, temperatures_c={}, os_version="", clock_offset_s=math.nan, load=math.nan)
    assert named(blind) == ["max_temperature_c", "max_clock_offset_s", "max_load_per_cpu", "os_version"]
    assert named(blind, EMULATED_LIMITS) == ["max_clock_offset_s"], "an emulated worker has no zones of its own"


def test_zones_that_are_no_temperature_are_passed_over() -> None:
    odd = {"vbat (9)": 3800.0, "cpu (0)": 60.0, "asleep (3)": -273.0, "broken (4)": math.nan}
    assert replace(WELL, temperatures_c=odd).hottest == ("cpu (0)", 60.0)
    assert replace(WELL, temperatures_c={"vbat (9)": 3800.0}).hottest is None


finite = st.floats(-1e12, 1e12)
vitals = st.builds(
    Vitals,
    free_bytes=st.integers(0, 10**13),
    memory_bytes=st.none() | st.integers(0, 10**12),
    temperatures_c=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats()),
    load=st.floats(),
    cpus=st.integers(1, 64),
    os_version=st.sampled_from(["", "12", "19.6"]),
    uptime_s=st.none() | finite,
    clock_offset_s=st.floats(),
    clock_bound_s=st.floats(0, 100),
    leftovers=st.lists(st.text(max_size=5), max_size=4).map(tuple),
)
limits = st.builds(
    Limits,
    st.none() | st.integers(0, 10**13),
    st.none() | st.integers(0, 10**12),
    st.none() | st.floats(0.1, 150),
    st.none() | st.floats(0.1, 1e6),
    st.none() | st.floats(0.1, 100),
    st.sampled_from([(), ("12",), ("12", "19.6")]),
    st.none() | st.integers(0, 5),
)


@given(vitals, limits)
def test_law_each_limit_is_judged_on_its_own(measured: Vitals, wanted: Limits) -> None:
    """Nothing is broken by a limit that is not set, and each set one is as broken alone as among the others."""
    none = Limits(None, None, None, None, None, (), None)
    alone = []
    for field in fields(Limits):
        alone += named(measured, replace(none, **{field.name: getattr(wanted, field.name)}))
    assert named(measured, wanted) == alone


@given(vitals, limits, st.sampled_from(["free_bytes", "memory_bytes", "load", "hotter", "later", "leftovers"]))
def test_law_what_gets_worse_never_mends_a_limit(measured: Vitals, wanted: Limits, what: str) -> None:
    worse = {
        "free_bytes": {"free_bytes": measured.free_bytes // 2},
        "memory_bytes": {"memory_bytes": None if measured.memory_bytes is None else measured.memory_bytes // 2},
        "load": {"load": math.nan if math.isnan(measured.load) else measured.load + 1.0},
        "hotter": {"temperatures_c": {**measured.temperatures_c, "d": 149.0}} if measured.hottest else {},
        "later": {"clock_offset_s": measured.clock_offset_s * 2},
        "leftovers": {"leftovers": (*measured.leftovers, "one more")},
    }[what]
    assert set(named(measured, wanted)) <= set(named(replace(measured, **worse), wanted))


SAID: dict[str, Any] = {
    "received_unix_s": 1000.0,
    "sent_unix_s": 1000.5,
    "free_bytes": 1,
    "memory_bytes": 2,
    "temperatures_c": {"cpu (0)": 40},
    "load": 0.5,
    "cpus": 8,
    "os_version": "19.6",
    "uptime_s": 12.5,
    "leftovers": [],
}


@given(
    offset_s=st.floats(-1e5, 1e5),
    there_s=st.floats(0, 10),
    back_s=st.floats(0, 10),
    spent_s=st.floats(0, 10),
)
def test_law_the_true_offset_is_within_its_bound(
    offset_s: float, there_s: float, back_s: float, spent_s: float
) -> None:
    """However the way's time is divided between there and back, and however long the device thinks."""
    sent_s = 1_700_000_000.0
    said = SAID | {
        "received_unix_s": sent_s + there_s + offset_s,
        "sent_unix_s": sent_s + there_s + spent_s + offset_s,
    }
    vitals = parse_vitals(said, sent_s, there_s + spent_s + back_s)
    assert abs(vitals.clock_offset_s - offset_s) <= vitals.clock_bound_s + 1e-5
    assert vitals.clock_bound_s <= (there_s + back_s) / 2 + 1e-5


def test_a_slow_answer_is_no_wrong_clock() -> None:
    # Five seconds on the way back: the offset may be 2.5 s or nothing.
    vitals = parse_vitals(SAID | {"received_unix_s": 1000.0, "sent_unix_s": 1000.0}, 1000.0, 5.0)
    assert vitals.clock_offset_s == pytest.approx(-2.5)
    assert named(vitals, replace(LIMITS, max_clock_offset_s=0.1, min_free_bytes=None, min_memory_bytes=None)) == []


@pytest.mark.parametrize(
    "said",
    [
        {},
        SAID | {"load": "much"},
        SAID | {"free_bytes": None},
        SAID | {"temperatures_c": [1, 2]},
        SAID | {"leftovers": None},
        SAID | {"free_bytes": math.inf},
    ],
)
def test_an_answer_that_is_none_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(DeviceUnhealthyError, match="self-check"):
        parse_vitals(said, 1000.0, 0.1, where="mici-01")


def test_texts_from_a_device_are_bounded() -> None:
    vitals = parse_vitals(SAID | {"os_version": "x" * 10_000, "leftovers": ["y" * 10_000] * 3}, 1000.0, 0.1)
    broken = judge_vitals(vitals, LIMITS)
    assert max(len(str(entry)) for entry in broken) < 1000


def test_what_a_device_says_of_itself_is_kept_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "planted-9f1c")
    words = "19.6 planted-9f1c API_KEY=hunter2hunter2"
    said = SAID | {"os_version": words, "leftovers": [f"job folder {words}"], "temperatures_c": {words: 50.0}}
    vitals = parse_vitals(said, 1000.0, 0.1)
    shown = repr(vitals) + repr(judge_vitals(vitals, LIMITS))
    assert "19.6 [redacted] API_KEY=[redacted]" in shown
    assert "planted" not in shown
    assert "hunter" not in shown
    with pytest.raises(DeviceUnhealthyError) as told:
        parse_vitals(SAID | {"load": "planted-9f1c"}, 1000.0, 0.1)
    assert "planted" not in str(told.value)
