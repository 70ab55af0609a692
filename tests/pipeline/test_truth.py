"""Segments measured: truth and values made once, recalled after that, in this process or in several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.make import Demo
from harness.compare.metrics import pair_metrics, segment_metrics
from harness.domain import Check, Tolerance
from harness.pipeline.truth import Measure, Measured, measure_segments, truth_of
from harness.replay.driven import load_driven
from harness.store import Store
from harness.trace import Channel, Trace, write_trace

CHECKS = (Check("plan", ("position.*",), Tolerance(absolute=0.1)),)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "home") as store:
        yield store


@pytest.fixture(scope="module")
def driven(tiny_demo: Demo) -> Trace:
    return load_driven(log_of(tiny_demo), str(tiny_demo.segments[0]))


def log_of(demo: Demo) -> Path:
    return demo.routes_folder / demo.segments[0].folder_name / "rlog.zst"


def keep_plan(store: Store, driven: Trace, folder: Path, aside_m: float) -> str:
    """A driving model's trace whose plan is the driven path, so many metres to the right; its digest."""
    names = {
        "position.x": "path.x",
        "position.y": "path.y",
        "orientation.z": "path.heading",
        "velocity.x": "path.speed",
    }
    channels = {name: Channel(name, "m", driven.channels[of].values) for name, of in names.items()}
    beside = channels["position.y"]
    channels["position.y"] = replace(beside, values=(beside.values + aside_m).astype(np.float32))
    path = folder / f"{aside_m}.trace"
    write_trace(path, Trace("driving_model", driven.segment, driven.frame_ids, driven.t_ns, channels, {}))
    return store.put_file(path).sha256


def one(store: Store, measure: Measure, *, workers: int = 1) -> Measured:
    (measured,) = measure_segments([measure], store, workers=workers)
    return measured


def test_what_is_measured_is_what_the_functions_say(store: Store, driven: Trace, tiny_demo: Demo, tmp_path: Path):
    baseline, candidate = (keep_plan(store, driven, tmp_path, aside) for aside in (0.0, 0.3))
    log = log_of(tiny_demo)
    measure = Measure(driven.segment, candidate, baseline, log, store.digest_file(log).sha256, CHECKS)
    assert truth_of(measure, store) == ""
    found = one(store, measure)
    assert found.error is None
    assert found.truth_sha256 == truth_of(measure, store)
    truth = store.load_trace(found.truth_sha256)
    assert truth.channels["path.x"].values.tobytes() == driven.channels["path.x"].values.tobytes()
    traces = [store.load_trace(digest) for digest in (candidate, baseline)]
    for side, trace in zip((found.candidate, found.baseline), traces, strict=True):
        assert side is not None
        assert np.array_equal(side.table, segment_metrics(trace, truth).table, equal_nan=True)
    assert found.pair is not None
    assert np.array_equal(found.pair.table, pair_metrics(traces[1], traces[0], truth, CHECKS).table, equal_nan=True)
    assert found.pair.get("divergence_share").value == 1.0
    assert found.candidate.get("lateral_bias_1s").value == pytest.approx(0.3, abs=0.01)


def test_what_was_measured_is_not_measured_again(store: Store, driven: Trace, tiny_demo: Demo, tmp_path: Path):
    baseline, candidate = (keep_plan(store, driven, tmp_path, aside) for aside in (0.0, 0.3))
    log = tmp_path / "rlog.zst"
    log.write_bytes(log_of(tiny_demo).read_bytes())
    measure = Measure(driven.segment, candidate, baseline, log, store.digest_file(log).sha256, CHECKS)
    first = one(store, measure)
    # Neither the log nor a trace is there any more: nothing but what is kept can answer.
    log.unlink()
    for digest in (candidate, baseline, first.truth_sha256):
        blob = store.path(digest)
        if digest != first.truth_sha256:
            blob.chmod(0o644)
            blob.write_bytes(b"not a trace")
    again = one(store, measure)
    assert again.error is None
    assert again.candidate is not None
    assert np.array_equal(again.candidate.table, first.candidate.table, equal_nan=True)
    # Other tolerances: only the distance of the pair is worked out again, and that needs the traces.
    other = one(store, replace(measure, checks=(Check("all", ("*",)),)))
    assert other.error is not None
    assert "not a readable trace" in other.error.problem


def test_a_new_candidate_costs_only_its_own_values(store: Store, driven: Trace, tiny_demo: Demo, tmp_path: Path):
    baseline, candidate, other = (keep_plan(store, driven, tmp_path, aside) for aside in (0.0, 0.3, -0.2))
    log = tmp_path / "rlog.zst"
    log.write_bytes(log_of(tiny_demo).read_bytes())
    measure = Measure(driven.segment, candidate, baseline, log, store.digest_file(log).sha256, CHECKS)
    first = one(store, measure)
    log.unlink()  # the truth is known by the log's digest
    second = one(store, replace(measure, candidate=other))
    assert second.error is None
    assert second.truth_sha256 == first.truth_sha256
    assert second.candidate.get("lateral_bias_1s").value == pytest.approx(-0.2, abs=0.01)


def test_tags_and_wheels_are_truths_of_their_own(store: Store, driven: Trace, tiny_demo: Demo, tmp_path: Path):
    candidate = keep_plan(store, driven, tmp_path, 0.1)
    log = log_of(tiny_demo)
    plain = Measure(driven.segment, candidate, "", log, store.digest_file(log).sha256)
    rainy = one(store, replace(plain, tags=("rain",)))
    assert rainy.candidate.get("ade_1s", "rain").frames == rainy.candidate.get("ade_1s").frames
    assert rainy.baseline is None
    assert rainy.pair is None
    assert truth_of(plain, store) == ""
    assert truth_of(replace(plain, wheel_speed=True), store) == ""
    without = one(store, replace(plain, log=None, log_sha256=""))
    assert without.truth_sha256 == ""
    assert without.candidate.get("ade_1s") is None
    assert without.candidate.get("comfort").frames == 80


OWN = """
from closet import metric

@metric(unit="m", direction="lower", aggregation="mean", practical_size=0.05)
def right_of_path(trace, truth):
    return trace["position.y"][:, 5] - truth["path.y"][:, 5]
"""


def test_own_metrics_stand_beside_ours(store: Store, driven: Trace, tiny_demo: Demo, tmp_path: Path):
    baseline, candidate = (keep_plan(store, driven, tmp_path, aside) for aside in (0.0, 0.3))
    log, own = log_of(tiny_demo), tmp_path / "own.py"
    own.write_text(OWN)
    plain = Measure(driven.segment, candidate, baseline, log, store.digest_file(log).sha256, CHECKS)
    with_own = replace(plain, own_metrics=own, own_sha256=store.digest_file(own).sha256)
    found = one(store, with_own)
    assert found.candidate.get("right_of_path").value == pytest.approx(0.3, abs=1e-6)
    assert found.baseline.get("right_of_path").value == pytest.approx(0.0, abs=1e-6)
    assert found.candidate.get("lateral_bias_1s").value == pytest.approx(0.3, abs=0.01)
    assert one(store, plain).candidate.get("right_of_path") is None
    own.unlink()
    assert one(store, with_own).candidate.get("right_of_path").value == pytest.approx(0.3, abs=1e-6), "recalled"
    broken = tmp_path / "broken.py"
    broken.write_text(OWN.replace("[:, 5]", "['x']"))
    failed = one(store, replace(plain, own_metrics=broken, own_sha256="another"))
    assert failed.error.kind == "DataError"
    assert "a metric of your own failed" in failed.error.problem


def test_processes_find_what_this_one_finds(store: Store, driven: Trace, tiny_demo: Demo, tmp_path: Path):
    log = log_of(tiny_demo)
    digest = store.digest_file(log).sha256
    candidates = [keep_plan(store, driven, tmp_path, aside / 10) for aside in range(6)]
    measures = [Measure(driven.segment, each, candidates[0], log, digest, CHECKS) for each in candidates]
    broken = tmp_path / "broken.zst"
    broken.write_bytes(b"no log")
    measures.insert(3, Measure(driven.segment, candidates[1], "", broken, store.digest_file(broken).sha256))
    before = dict(os.environ)
    found = {id(each.measure): each for each in measure_segments(measures, store, workers=2)}
    assert dict(os.environ) == before
    assert len(found) == len(measures), "each measure has its outcome"
    told = [found[id(measure)] for measure in measures]
    assert [each.error is not None for each in told] == [False] * 3 + [True] + [False] * 3
    assert told[3].error.kind == "DataError"
    biases = [each.candidate.get("lateral_bias_1s").value for each in told if each.candidate]
    assert biases == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=0.01)
    with Store(tmp_path / "other") as other:
        for each in candidates:
            other.put_file(store.path(each))
        here = list(measure_segments([measures[-1]], other))
    assert np.array_equal(here[0].candidate.table, told[-1].candidate.table, equal_nan=True)
