"""What tests of several parts share: the tiny demo, built once, and the real data where it is."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from fixtures.make import TINY, Demo, build_demo
from tests.browser import browser
from tests.postgres import postgres_server, postgres_url

__all__ = ["browser", "postgres_server", "postgres_url"]

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[1]

# The same examples every time, however busy the machine is: a gate's own tests do not flake.
settings.register_profile("closet", deadline=None, derandomize=True)
settings.load_profile("closet")


def pytest_collection_finish() -> None:
    """Thousands of tests and their modules stay to the end: no collection of garbage goes through them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_demo() -> Demo:
    """One rendered segment of eighty frames and all model variants; kept between sessions until the fixtures change."""
    folder = ROOT / ".closet" / "fixtures" / f"tiny-{TINY.digest[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    return build_demo(folder, TINY, jobs=1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data; tests that need it are skipped, visibly, elsewhere."""
    folder = Path(os.environ.get("CLOSET_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set CLOSET_SHARED_DATA")
    return folder
