"""Figures of judging a corpus: thousands of segments into tables, and hundreds of claims answered from them."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.compare.metrics import CONDITIONS, METRICS, SegmentMetrics
from harness.compare.statistics import Question, judge_claims
from harness.errors import ClosetError
from harness.intent import Answer, Claim, Expectation, Size
from harness.pipeline.rows import collect_rows
from harness.pipeline.truth import Measure, Measured, processes

_SEGMENTS_A_ROUTE = 10
_METRICS, _CONDITIONS = 60, 12
_EFFECT, _SPREAD, _ROUTE_SPREAD = 0.03, 0.2, 0.1


@dataclass(frozen=True, slots=True)
class _Costs:
    """Seconds and megabytes of one process that judged `claims` over a corpus."""

    elapsed_s: float
    peak_mb: float
    claims: int


def judgement_time(bench: Workbench) -> float:
    """Seconds of one process."""
    costs = _costs(bench)
    bench.tell(f"{costs.claims} claims in {costs.elapsed_s:.1f} s")
    return costs.elapsed_s


def judgement_memory(bench: Workbench) -> float:
    """Its peak resident memory in megabytes."""
    return _costs(bench).peak_mb


def _costs(bench: Workbench) -> _Costs:
    def make() -> _Costs:
        count = bench.scale.judged_segments
        bench.tell(f"judging {count} segments")
        with processes(1) as pool:
            return pool.submit(_judge, count).result()

    return bench.once("judgement costs", make)


def _judge(segments: int) -> _Costs:
    """All metrics of all segments into tables, as a run does; then 60 metrics under 12 conditions each."""
    names = [f"{number // _SEGMENTS_A_ROUTE}/{number % _SEGMENTS_A_ROUTE}" for number in range(segments)]
    routes = {name: name.partition("/")[0] for name in names}
    began_s = time.perf_counter()
    rows = collect_rows(_measured(names), routes)
    own = [name for name, metric in METRICS.items() if not metric.of_pair][:_METRICS]
    columns = [(metric, condition) for metric in own for condition in list(CONDITIONS)[:_CONDITIONS]]
    questions = [
        Question(Claim(Expectation.IMPROVE, metric, condition), "bench", metric, "m", 1, Size(0.01))
        for metric, condition in columns
    ]
    answers = judge_claims(rows.pairs(columns), questions, seed=1)
    elapsed_s = time.perf_counter() - began_s
    if {Answer.NO_DATA} & {answer.answer for answer in answers}:
        raise ClosetError("a claim found no data", where="closet bench")
    return _Costs(elapsed_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(answers))


def _measured(names: list[str]) -> Iterator[Measured]:
    """Segments one after the other; those of a route are like each other."""
    rng = np.random.default_rng(5)
    shape = (len(METRICS), len(CONDITIONS))
    of_route = rng.standard_normal(shape)
    for number, name in enumerate(names):
        if number % _SEGMENTS_A_ROUTE == 0:
            of_route = rng.standard_normal(shape)
        baseline = 1.0 + _SPREAD * rng.random(shape)
        moved = _EFFECT + _ROUTE_SPREAD * of_route + _SPREAD * rng.standard_normal(shape)
        candidate = baseline - moved
        sides = _table(name, candidate), _table(name, baseline), _table(name, moved)
        yield Measured(Measure(name, "a", "b"), sides[0], sides[1], sides[2])


def _table(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> SegmentMetrics:
    table = np.zeros((*values.shape, 4))
    table[..., 0], table[..., 1], table[..., 2] = values, 1200, np.nan
    return SegmentMetrics(name, "driving_model", tuple(METRICS), tuple(CONDITIONS), table)


FIGURES = (
    Figure("judgement: 5 000 segments, 720 claims", "s", 60.0, Better.LOWER, judgement_time),
    Figure("judgement: memory of that", "MB", 1000.0, Better.LOWER, judgement_memory),
)
