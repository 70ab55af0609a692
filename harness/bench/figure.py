"""What a figure is: one number with a goal, and the function that measures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from harness.bench.workbench import Workbench
from harness.domain import Json
from harness.errors import ErrorDescription


class Better(StrEnum):
    """Which way a figure wants to go."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that is measured. `goal` is the worst value that is good enough."""

    name: str
    unit: str
    goal: float
    better: Better
    measure: Callable[[Workbench], float]

    def meets(self, value: float) -> bool:
        """True when `value` is good enough; NaN never is."""
        return value <= self.goal if self.better is Better.LOWER else value >= self.goal


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a figure: its value, or the error that kept it from being measured."""

    figure: Figure
    value: float | None
    error: ErrorDescription | None = None

    @property
    def ok(self) -> bool:
        """Measured, and good enough."""
        return self.value is not None and self.figure.meets(self.value)

    def as_json(self) -> dict[str, Json]:
        """name, value (null when it could not be measured), unit, goal, ok."""
        figure = self.figure
        return {"name": figure.name, "value": self.value, "unit": figure.unit, "goal": figure.goal, "ok": self.ok}
