"""Whose clock is told to be wrong."""

from __future__ import annotations

from dataclasses import replace

from harness.closet.clocks import Clocks
from harness.closet.health import Vitals, judge_vitals
from harness.config.upkeep import Limits

LIMITS = Limits(1, None, None, max_clock_offset_s=5.0)
WELL = Vitals(1, None, {}, 0.0, 1, "", None, 0.1, 0.02)


def remedy(clocks: Clocks, device: str, offset_s: float, limits: Limits = LIMITS) -> str:
    """What is to be done about the clock of a device that is off by so much; empty when nothing is."""
    vitals = replace(WELL, clock_offset_s=offset_s)
    broken = clocks.judge(device, vitals, judge_vitals(vitals, limits))
    return "; ".join(entry.remedy for entry in broken if entry.name == "max_clock_offset_s")


def test_one_device_that_is_off_is_off_itself() -> None:
    clocks = Clocks()
    for _ in range(2):
        assert remedy(clocks, "mici-01", 3600.0).startswith("set the clock")
    assert remedy(clocks, "mici-02", 0.0) == ""


def test_two_that_agree_with_each_other_say_that_it_is_this_machine() -> None:
    clocks = Clocks()
    remedy(clocks, "mici-01", -3600.0)
    told = remedy(clocks, "mici-02", -3600.9)
    assert told.startswith("look at this machine's clock")
    assert "mici-01 and mici-02 agree" in told
    assert remedy(clocks, "mici-01", -3600.1) == told, "the first one hears of it when it is asked again"


def test_two_that_are_off_by_another_time_are_each_off_themselves() -> None:
    clocks = Clocks()
    remedy(clocks, "mici-01", -3600.0)
    assert remedy(clocks, "mici-02", 3600.0).startswith("set the clock")
    assert remedy(clocks, "mici-03", -3590.0).startswith("set the clock")


def test_as_many_that_agree_with_us_outvote_them() -> None:
    clocks = Clocks()
    for name in ("tizi-01", "tizi-02"):
        assert remedy(clocks, name, 0.2) == ""
    remedy(clocks, "mici-01", 60.0)
    assert remedy(clocks, "mici-02", 60.0).startswith("set the clock")
    assert remedy(clocks, "mici-03", 60.0).startswith("look at this machine's clock")


def test_other_limits_keep_their_remedies() -> None:
    clocks = Clocks()
    full = replace(WELL, clock_offset_s=60.0, free_bytes=0)
    for name in ("mici-01", "mici-02"):
        broken = clocks.judge(name, full, judge_vitals(full, LIMITS))
    assert [entry.name for entry in broken] == ["min_free_bytes", "max_clock_offset_s"]
    assert broken[0].remedy == "make room there"
