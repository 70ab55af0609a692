"""Every regression shows on the tiny demo, where it must, and the harness's replay finds the very same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fixtures.make import Demo, raw_answers
from fixtures.messages import FIRST_FRAME_ID
from fixtures.oracle import Answers
from harness.recording.layout import open_recording
from harness.trace import Trace, load_trace

ROOT = Path(__file__).parents[2]
SPLIT = ("release", "reexport", "curve_bias", "longitudinal_lag", "late_lane_change", "nan_frame", "noisy")


def _changed_rows(demo: Demo, variant: str) -> np.ndarray:
    release, other = (raw_answers(demo, name, demo.segments[0]).policy for name in ("release", variant))
    return np.flatnonzero(~((release == other) | (np.isnan(release) & np.isnan(other))).all(axis=1))


@pytest.mark.parametrize(
    ("variant", "rows", "by_vision"),
    [
        ("curve_bias", range(20, 45), True),
        ("longitudinal_lag", range(40, 75), False),
        ("late_lane_change", range(20, 21), False),
        ("nan_frame", range(40, 72), False),
        ("noisy", range(80), True),
    ],
)
def test_a_regression_begins_where_the_drive_asks_for_it(
    tiny_demo: Demo, variant: str, rows: range, by_vision: bool
) -> None:
    found = tiny_demo.truth(variant)[tiny_demo.segments[0]]
    assert found.policy_row in rows
    assert (found.vision_row is not None) == by_vision
    assert found.frame_id == FIRST_FRAME_ID + found.policy_row


def test_the_reexport_never_differs(tiny_demo: Demo) -> None:
    found = tiny_demo.truth("reexport")[tiny_demo.segments[0]]
    assert (found.vision_row, found.policy_row, found.frame_id) == (None, None, None)


def test_just_one_frame_is_not_a_number(tiny_demo: Demo) -> None:
    plan = raw_answers(tiny_demo, "nan_frame", tiny_demo.segments[0]).plan
    rows = np.flatnonzero(np.isnan(plan).any(axis=(1, 2)))
    assert rows.tolist() == _changed_rows(tiny_demo, "nan_frame").tolist()
    assert len(rows) == 1
    assert np.isnan(plan[rows[0]]).all()


def test_noise_is_occasional(tiny_demo: Demo) -> None:
    assert 1 <= len(_changed_rows(tiny_demo, "noisy")) <= 16


@pytest.fixture(scope="module")
def traces(tiny_demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    """What `python -m harness.replay` makes of the demo with every model."""
    folder = tmp_path_factory.mktemp("replay")
    recording = open_recording(tiny_demo.routes_folder, tiny_demo.segments[0])
    names = (*SPLIT, "supercombo")
    job = {
        "format": 1,
        "segment": str(tiny_demo.segments[0]),
        "replayer": "driving_model",
        "options": {},
        "recording": {path.name: str(path) for path in recording.files.values()},
        "replays": [
            {
                "job": name,
                "model": {path.name: str(path) for path in sorted(tiny_demo.models[name].iterdir())},
                "provenance": {},
            }
            for name in names
        ],
        "output_folder": "out",
        "cache_folder": None,
    }
    (folder / "job.json").write_text(json.dumps(job))
    subprocess.run(
        [sys.executable, "-m", "harness.replay", str(folder / "job.json")],
        check=True,
        cwd=ROOT,
        env=os.environ | {"CLOSET_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    return {name: load_trace(folder / "out" / f"{name}.trace") for name in names}


def _first_frame(expected: Trace, observed: Trace) -> int | None:
    """Frame id at which any decoded channel first differs."""
    rows = []
    for name, channel in expected.channels.items():
        a, b = channel.values, observed.channels[name].values
        same = (a == b) | ((a != a) & (b != b))  # noqa: PLR0124
        rows += np.flatnonzero(~same.reshape(len(a), -1).all(axis=1))[:1].tolist()
    return int(expected.frame_ids[min(rows)]) if rows else None


def test_replay_and_oracle_say_the_same(tiny_demo: Demo, traces: dict[str, Trace]) -> None:
    said: Answers = raw_answers(tiny_demo, "release", tiny_demo.segments[0])
    trace = traces["release"]
    assert trace.frame_ids.tolist() == list(range(FIRST_FRAME_ID, FIRST_FRAME_ID + 80))
    np.testing.assert_array_equal(trace.channels["features"].values, said.features)
    for channel, column in (("position.x", 0), ("position.y", 1), ("velocity.x", 3), ("orientation.z", 11)):
        np.testing.assert_array_equal(trace.channels[channel].values, said.plan[:, :, column])


@pytest.mark.parametrize("variant", SPLIT)
def test_replay_differs_first_where_the_oracle_does(tiny_demo: Demo, traces: dict[str, Trace], variant: str) -> None:
    expected = tiny_demo.truth(variant)[tiny_demo.segments[0]].frame_id
    assert _first_frame(traces["release"], traces[variant]) == expected


def test_the_single_file_drives_as_the_split_model_does(traces: dict[str, Trace]) -> None:
    for channel in ("position.x", "position.y", "velocity.x"):
        np.testing.assert_allclose(
            traces["supercombo"].channels[channel].values, traces["release"].channels[channel].values, atol=1e-4
        )
