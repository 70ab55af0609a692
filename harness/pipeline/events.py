"""What a run tells whoever watches it, beside the events of the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.closet.work import PoolEvent
from harness.domain import Plan, Task
from harness.errors import ClosetError
from harness.verdict import JobResult


@dataclass(frozen=True, slots=True)
class Planned:
    """What the run will do: the whole plan, and the tasks that are left after reusing stored traces."""

    run_folder: Path
    plan: Plan
    tasks: tuple[Task, ...]
    device_count: int


@dataclass(frozen=True, slots=True)
class Judged:
    """One trial has its verdict."""

    result: JobResult


@dataclass(frozen=True, slots=True)
class Repeating:
    """One trial FAILed and is repeated before anybody is blamed; it is not judged yet."""

    result: JobResult


@dataclass(frozen=True, slots=True)
class NotArchived:
    """The database did not take the run's row; `closet serve` makes it from the record when it starts."""

    error: ClosetError


RunEvent: TypeAlias = NotArchived | Planned | Judged | Repeating | PoolEvent
Observer: TypeAlias = Callable[[RunEvent], None]
