"""Whose clock is wrong: devices that agree with each other, and not with us, say that it is ours."""

from __future__ import annotations

import threading
from dataclasses import replace

from harness.closet.health import CLOCK_LIMIT, BrokenLimit, Vitals

_APART_S = 2.0  # besides what is not known of either: they are not asked at the same moment, and drift


class Clocks:
    """What the devices of one run said of their clocks. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[str, Vitals] = {}
        self._right: set[str] = set()

    def judge(self, device: str, vitals: Vitals, broken: tuple[BrokenLimit, ...]) -> tuple[BrokenLimit, ...]:
        """The broken limits of a device, with the remedy for its clock at the place that looks like the cause.

        Two or more devices that are off by the same, and more of them than agree with us, are not each wrong by
        themselves.
        """
        with self._lock:
            if all(entry.name != CLOCK_LIMIT for entry in broken):
                self._wrong.pop(device, None)
                self._right.add(device)
                return broken
            self._right.discard(device)
            self._wrong[device] = vitals
            agreeing = sorted(name for name, other in self._wrong.items() if _agree(vitals, other))
            if len(agreeing) < 2 or len(agreeing) <= len(self._right):
                return broken
        remedy = (
            f"look at this machine's clock first, see whether time is synchronised here: {' and '.join(agreeing)} "
            "agree with each other on another time"
        )
        return tuple(replace(entry, remedy=remedy) if entry.name == CLOCK_LIMIT else entry for entry in broken)


def _agree(one: Vitals, other: Vitals) -> bool:
    unknown_s = one.clock_bound_s + other.clock_bound_s
    return abs(one.clock_offset_s - other.clock_offset_s) <= unknown_s + _APART_S
