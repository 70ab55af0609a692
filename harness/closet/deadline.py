"""A deadline is a value that is passed down, so nested waits cannot exceed it."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock by which something must have happened."""

    at_s: float

    @staticmethod
    def after(seconds: float) -> Deadline:
        """The deadline that many seconds from now."""
        return Deadline(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self.at_s - time.monotonic())

    @property
    def passed(self) -> bool:
        """True when nothing is left."""
        return self.left_s == 0.0

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and that many seconds from now: for a step that has a limit of its own."""
        return Deadline(min(self.at_s, time.monotonic() + seconds))
