"""What figures share: how large everything is, a folder, and things made once for all of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from harness.domain import json_digest

T = TypeVar("T")

Tell = Callable[[str], None]

# Goes up when what is made changes, so that a kept folder of before is not used.
_MADE_VERSION = 3

GROUP_S = 1.5


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a bench is. A group is 30 pictures (`GROUP_S`); `groups` a segment, `kinds` different ones."""

    groups: int = 40
    kinds: int = 5
    width: int = 1928
    height: int = 1208
    segments: int = 4
    log_messages: int = 100_000
    staged_mb: int = 256
    run_jobs: int = 16
    repeats: int = 5
    replay_goes: int = 2
    staging_goes: int = 3
    judged_segments: int = 5000
    corpus_rows: int = 100_000
    page_jobs: int = 500
    dashboard_runs: int = 10_000
    dashboard_jobs: int = 200
    dashboard_viewers: int = 50
    dashboard_goes: int = 60


FULL = Scale()
QUICK = Scale(
    groups=4,
    kinds=2,
    segments=2,
    log_messages=20_000,
    staged_mb=64,
    run_jobs=4,
    repeats=2,
    replay_goes=1,
    judged_segments=200,
    page_jobs=40,
    dashboard_runs=100,
    dashboard_jobs=50,
    dashboard_viewers=10,
    dashboard_goes=5,
)


@dataclass(slots=True)
class Workbench:
    """One bench. `folder` is its own and may be filled; `kept` outlives it and holds what is costly to make."""

    folder: Path
    kept: Path
    scale: Scale
    tell: Tell
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    _shared: dict[str, object] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """The value of `make`, made when first asked for under this name."""
        if name not in self._shared:
            self._shared[name] = make()
        return cast("T", self._shared[name])

    def made(self, name: str, build: Callable[[Path], None]) -> Path:
        """A folder that `build` filled, now or in an earlier bench that kept it; whole or not there at all."""
        key = json_digest({"version": _MADE_VERSION, "scale": asdict(self.scale), "name": name})
        target = self.kept / f"{name}-{key[:16]}"
        if not target.is_dir():
            self.tell(f"making {name}")
            self.kept.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=self.kept))
            try:
                build(unfinished)
                unfinished.rename(target)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return target

    def fresh(self, name: str) -> Path:
        """A new empty folder of this bench."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
