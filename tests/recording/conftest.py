"""Fixtures of the recording tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings; tests that need it are skipped, visibly, where it is absent."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("CLOSET_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real data not at {folder}; set CLOSET_SHARED_DATA")
    return folder
