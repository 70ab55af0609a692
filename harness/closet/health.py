"""A device's self-check: what it measured of itself, as values, and the judgement against the limits. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from harness.closet.answers import LARGEST, told_words
from harness.config.upkeep import Limits
from harness.errors import DeviceUnhealthyError, ErrorDescription

# What a thermal zone of a phone's chip can mean. Some zones report current or charge under that name.
_COLDEST_C, _HOTTEST_C = -40.0, 150.0
_MOST_WORDS = 300
CLOCK_LIMIT = "max_clock_offset_s"
_MOST_ZONES, _MOST_LEFTOVERS = 1000, 100


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a device measured of itself. None is what it could not measure.

    `clock_offset_s` is how far its clock is ahead of ours, known to within `clock_bound_s`.
    """

    free_bytes: int
    memory_bytes: int | None
    temperatures_c: Mapping[str, float]
    load: float
    cpus: int
    os_version: str
    uptime_s: float | None
    clock_offset_s: float
    clock_bound_s: float
    leftovers: tuple[str, ...] = field(default=())

    @property
    def hottest(self) -> tuple[str, float] | None:
        """The hottest zone and its temperature in °C; zones that cannot be one are passed over."""
        likely = [(zone, value) for zone, value in self.temperatures_c.items() if _COLDEST_C <= value <= _HOTTEST_C]
        return max(likely, key=lambda entry: entry[1], default=None)


@dataclass(frozen=True, slots=True)
class BrokenLimit:
    """A limit that is not kept: its name in devices.yaml, what was measured, what it should be, what to do."""

    name: str
    measured: str
    limit: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.measured}, {self.limit}"


def parse_vitals(said: Mapping[str, Any], sent_unix_s: float, round_trip_s: float, *, where: str = "") -> Vitals:
    """What an agent says of its machine, asked at `sent_unix_s` of our clock and answered `round_trip_s` later.

    Raises DeviceUnhealthyError when it is no such answer. The offset is that of NTP (RFC 5905): with the four times of
    question and answer it is their mean difference, and wrong by at most half of what the way took.
    """
    try:
        received_s, answered_s = float(said["received_unix_s"]), float(said["sent_unix_s"])
        back_s = sent_unix_s + round_trip_s
        vitals = Vitals(
            free_bytes=_within(int(said["free_bytes"])),
            memory_bytes=None if said["memory_bytes"] is None else _within(int(said["memory_bytes"])),
            temperatures_c={
                told_words(zone, 80): float(value)
                for zone, value in islice(said["temperatures_c"].items(), _MOST_ZONES)
            },
            load=float(said["load"]),
            cpus=max(1, _within(int(said["cpus"]))),
            os_version=told_words(said["os_version"], 80),
            uptime_s=None if said["uptime_s"] is None else float(said["uptime_s"]),
            clock_offset_s=((received_s - sent_unix_s) + (answered_s - back_s)) / 2,
            clock_bound_s=max(0.0, round_trip_s - (answered_s - received_s)) / 2,
            leftovers=tuple(told_words(entry, 200) for entry in said["leftovers"][:_MOST_LEFTOVERS]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DeviceUnhealthyError(
            f"its self-check is none: {type(error).__name__}: {told_words(str(error), _MOST_WORDS)}",
            where=where,
            remedy="see what runs on the device",
        ) from error
    return vitals


def _within(value: int) -> int:
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{str(value)[:30]} cannot be")
    return value


def judge_vitals(vitals: Vitals, limits: Limits) -> tuple[BrokenLimit, ...]:
    """Every limit that the device does not keep. What a limit is for and could not be measured, breaks it."""
    found = (
        _least(
            "min_free_bytes", vitals.free_bytes, limits.min_free_bytes, "free in the work folder", "make room there"
        ),
        _least(
            "min_memory_bytes", vitals.memory_bytes, limits.min_memory_bytes, "memory available", "see what fills it"
        ),
        _temperature(vitals, limits.max_temperature_c),
        _clock(vitals, limits.max_clock_offset_s),
        _load(vitals, limits.max_load_per_cpu),
        _version(vitals, limits.os_version),
        _leftovers(vitals, limits.leftovers),
    )
    return tuple(broken for broken in found if broken is not None)


def unhealthy(broken: tuple[BrokenLimit, ...], where: str) -> ErrorDescription | None:
    """The broken limits as one error; None when there is none."""
    if not broken:
        return None
    remedies = dict.fromkeys(entry.remedy for entry in broken)
    return DeviceUnhealthyError(
        "; ".join(str(entry) for entry in broken), where=where, remedy="; ".join(remedies)
    ).describe()


def _least(name: str, value: float | None, limit: int | None, what: str, remedy: str) -> BrokenLimit | None:
    if limit is None or (value is not None and value >= limit):
        return None
    measured = "cannot be measured" if value is None else f"{_bytes(value)} {what}"
    return BrokenLimit(name, measured, f"at least {_bytes(limit)} wanted", remedy)


def _temperature(vitals: Vitals, limit_c: float | None) -> BrokenLimit | None:
    hottest = vitals.hottest
    if limit_c is None or (hottest is not None and hottest[1] <= limit_c):
        return None
    wanted = f"at most {limit_c:g} °C wanted"
    if hottest is None:
        remedy = "a device that has none: `limits: {max_temperature_c: null}`"
        return BrokenLimit("max_temperature_c", "no thermal zone can be read", wanted, remedy)
    measured = f"{hottest[0]} is at {hottest[1]:.1f} °C"
    return BrokenLimit("max_temperature_c", measured, wanted, "let it cool down, see fan and airflow")


def _clock(vitals: Vitals, limit_s: float | None) -> BrokenLimit | None:
    # Off by more than the limit for certain: a slow answer alone is no wrong clock.
    certain_s = abs(vitals.clock_offset_s) - vitals.clock_bound_s
    if limit_s is None or certain_s <= limit_s:
        return None
    offset = vitals.clock_offset_s
    side = "cannot be told" if math.isnan(offset) else f"{abs(offset):.1f} s {'ahead' if offset > 0 else 'behind'}"
    return BrokenLimit(
        CLOCK_LIMIT,
        f"the clock is {side} (± {vitals.clock_bound_s:.2f} s)",
        f"at most {limit_s:g} s wanted",
        "set the clock, see whether time is synchronised there",
    )


def _load(vitals: Vitals, limit: float | None) -> BrokenLimit | None:
    if limit is None or vitals.load / vitals.cpus <= limit:
        return None
    return BrokenLimit(
        "max_load_per_cpu",
        f"load {vitals.load:.1f} on {vitals.cpus} cores is {vitals.load / vitals.cpus:.2f} a core",
        f"at most {limit:g} wanted",
        "see what else runs there",
    )


def _version(vitals: Vitals, wanted: tuple[str, ...]) -> BrokenLimit | None:
    if not wanted or vitals.os_version in wanted:
        return None
    shown = f"/VERSION says {vitals.os_version}" if vitals.os_version else "there is no /VERSION"
    return BrokenLimit("os_version", shown, f"{' or '.join(wanted)} wanted", "flash the wanted version")


def _leftovers(vitals: Vitals, limit: int | None) -> BrokenLimit | None:
    if limit is None or len(vitals.leftovers) <= limit:
        return None
    listed = ", ".join(vitals.leftovers)
    shown = listed if len(listed) <= _MOST_WORDS else listed[:_MOST_WORDS] + "…"
    return BrokenLimit("leftovers", shown, f"at most {limit} wanted", "end and remove them; a reboot does")


def _bytes(count: float) -> str:
    """A size as a person says it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"
