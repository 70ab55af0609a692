"""A bench so small that it only shows that everything works."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.bench import Scale, Workbench

TINY = Scale(
    groups=1,
    kinds=1,
    width=482,
    height=302,
    segments=2,
    log_messages=2000,
    staged_mb=2,
    run_jobs=2,
    repeats=1,
    replay_goes=1,
    staging_goes=1,
    dashboard_runs=3,
    dashboard_jobs=4,
    dashboard_viewers=2,
    dashboard_goes=1,
    page_jobs=20,
    judged_segments=50,
    corpus_rows=2_000,
)


@pytest.fixture
def said() -> list[str]:
    """What the bench told on the way."""
    return []


@pytest.fixture
def tiny_bench(tmp_path: Path, said: list[str]) -> Workbench:
    return Workbench(tmp_path / "work", tmp_path / "made", TINY, said.append)
