"""What the statistics promise, held against made corpora whose truth is known; run as a program by ci/stats.

A corpus is routes of several segments; a segment is the mean of frames that are alike from one to the next (AR(1)),
with heavy tails (Student's t with 3 degrees of freedom), and the segments of a route share part of their difference.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from harness.compare.statistics import Look, Pairs, Question, judge_claims, sum_routes
from harness.compare.statistics.bootstrap import bootstrap_intervals
from harness.compare.statistics.discovery import adjusted_p
from harness.compare.statistics.family import Member, adjust_family
from harness.compare.statistics.sequential import always_valid_p
from harness.compare.statistics.signflip import sign_flip_p
from harness.compare.statistics.student import equivalence_p, smallest_effect, standard_error
from harness.intent import Answer, Claim, Expectation, Size

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
_SURE = 0.999  # of each line's interval: a run of ci/stats has about twenty lines, and shall not cry wolf
_FRAMES, _ALIKE, _TAILS = 60, 0.95, 3.0


@dataclass(frozen=True, slots=True)
class Design:
    """So many segments of so many routes, of which `shared` is the part of the spread that a route has in common."""

    segments: int
    routes: int
    shared: float = 0.5

    def __str__(self) -> str:
        return f"{self.segments} segments of {self.routes} routes"


@dataclass(frozen=True, slots=True)
class Line:
    """One promise: what was counted in how many corpora, and between which rates it has to lie."""

    promise: str
    count: int
    corpora: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """How often it came true."""
        return self.count / self.corpora

    @property
    def kept(self) -> bool:
        """Whether the count is one that chance gives when the true rate lies between the bounds."""
        least = 0 if self.low <= 0.0 else int(binom.ppf((1 - _SURE) / 2, self.corpora, self.low))
        most = self.corpora if self.high >= 1.0 else int(binom.ppf((1 + _SURE) / 2, self.corpora, self.high))
        return least <= self.count <= most


def differences(design: Design, corpora: int, rng: np.random.Generator, *, skew: bool = False) -> Floats:
    """(segments, corpora) paired differences without any true difference, of a standard deviation of about 1."""
    shape = (design.segments, corpora)
    noise = _draw((_FRAMES, *shape), rng, skew=False)
    for frame in range(1, _FRAMES):
        noise[frame] = _ALIKE * noise[frame - 1] + math.sqrt(1 - _ALIKE**2) * noise[frame]
    own = noise.mean(axis=0)
    own /= math.sqrt(np.mean(own**2))
    of_route = _draw((design.routes, corpora), rng, skew=skew)
    of_route /= math.sqrt(np.mean(of_route**2))
    route = np.arange(design.segments) * design.routes // design.segments
    mixed: Floats = math.sqrt(1 - design.shared) * own + math.sqrt(design.shared) * of_route[route]
    return mixed


def _draw(shape: tuple[int, ...], rng: np.random.Generator, *, skew: bool) -> Floats:
    return rng.exponential(size=shape) - 1.0 if skew else rng.standard_t(_TAILS, shape)


def pairs_of(design: Design, moved: Floats, baseline: Floats | float = 10.0) -> Pairs:
    """Pairs that differ by `moved` (segments, k)."""
    routes = tuple(f"r{number * design.routes // design.segments:04d}" for number in range(design.segments))
    names = tuple(f"{route}/{number}" for number, route in enumerate(routes))
    below = np.broadcast_to(np.asarray(baseline, np.float64), moved.shape)
    return Pairs(names, routes, below + moved, below)


def question(size: float, expect: Expectation = Expectation.IMPROVE) -> Question:
    """A claim over differences in which more is worse."""
    return Question(Claim(expect, "m", "all", Size(size)), "simulated", "error", "m", 1, Size(size))


DESIGNS = (Design(24, 24, 0.0), Design(24, 9), Design(60, 12), Design(60, 40), Design(120, 30))


def false_alarms(design: Design, corpora: int, rng: np.random.Generator) -> Line:
    """Differences found where there is none; an exact test cannot reach every level, only multiples of 2/2^routes."""
    sums = sum_routes(pairs_of(design, differences(design, corpora, rng)))
    found = int((sign_flip_p(sums.difference, 1) <= ALPHA).sum())
    steps = 2.0 ** (design.routes - 1)
    nominal = math.floor(ALPHA * steps) / steps if design.routes <= 16 else ALPHA
    return Line(f"false alarms, {design}", found, corpora, nominal, nominal)


def false_discoveries(design: Design, corpora: int, rng: np.random.Generator, *, real: int) -> Line:
    """Families of 30 claims of which `real` differ: corpora in which more than α of what is found is not so, or any.

    With none real every discovery is false, and at most α of the families may have one.
    """
    claims = 30
    moved = differences(design, corpora * claims, rng).reshape(design.segments, corpora, claims)
    moved[:, :, :real] += 1.5
    sums = sum_routes(pairs_of(design, moved.reshape(design.segments, -1)))
    p = sign_flip_p(sums.difference, 2).reshape(corpora, claims)
    found = np.stack([adjusted_p(row) for row in p]) <= ALPHA
    false = found[:, real:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    # The share of false ones is an expectation; counted as whole corpora it has a binomial bound.
    return Line(
        f"false share of discoveries, {real} of {claims} real, {design}", round(float(false.sum())), corpora, 0.0, ALPHA
    )


def false_intents(
    design: Design, corpora: int, rng: np.random.Generator, *, intents: int, claims: int
) -> Iterator[Line]:
    """Runs of several intents under which nothing differs: those in which anything is called a difference.

    All that may close one gate is one family. With a family an intent it would be wrong about as often as there are
    intents, which the second line shows.
    """
    moved = differences(design, corpora * intents * claims, rng)
    p = sign_flip_p(sum_routes(pairs_of(design, moved)).difference, 5).reshape(corpora, intents, claims)
    together = apart = 0
    for run in p:
        members = [
            Member(part, tuple((number, claim) for claim in range(claims)), ALPHA) for number, part in enumerate(run)
        ]
        together += any((part.p <= ALPHA).any() for part in adjust_family(members, "bh"))
        apart += any((adjusted_p(part, "bh") <= ALPHA).any() for part in run)
    yield Line(f"any false alarm under {intents} intents of {claims}, {design}", together, corpora, 0.0, ALPHA)
    yield Line("  the same with a family for each intent", apart, corpora, 0.0, 1.0)


def coverage(design: Design, corpora: int, rng: np.random.Generator, *, skew: bool = False) -> Line:
    """Intervals that hold the true difference. Where they are lopsided it may miss a little more."""
    sums = sum_routes(pairs_of(design, differences(design, corpora, rng, skew=skew)))
    spans = bootstrap_intervals(sums, 1 - ALPHA, 3, draws=799)
    held = int(((spans.low <= 0.0) & (spans.high >= 0.0)).sum())
    least = 0.93 if skew else 0.95
    tails = "lopsided" if skew else "heavy tails"
    return Line(f"intervals that hold the truth, {tails}, {design}", held, corpora, least, 0.975)


def false_equivalence(design: Design, corpora: int, rng: np.random.Generator) -> Line:
    """PROVED equivalent where the true difference is the margin itself."""
    size = 1.0
    sums = sum_routes(pairs_of(design, differences(design, corpora, rng) + size))
    found = int((equivalence_p(sums, size * sums.count) <= ALPHA).sum())
    return Line(f"equivalent at the margin, {design}", found, corpora, 0.0, ALPHA)


def false_looks(design: Design, corpora: int, rng: np.random.Generator, *, looks: int) -> Iterator[Line]:
    """Alarms at any of so many looks where there is no difference; and how it would be without paying for them."""
    moved = differences(Design(design.segments * looks, design.routes * looks, design.shared), corpora, rng)
    ever = naive = 0
    for corpus in range(corpora):
        series, plain = [], []
        for look in range(looks):
            part = moved[look * design.segments : (look + 1) * design.segments, corpus]
            sums = part.reshape(design.routes, -1).sum(axis=1)
            count = np.full(design.routes, design.segments / design.routes)
            series.append(Look(sums, sums, count))
            total = np.concatenate([each.difference for each in series])
            plain.append(abs(total.sum()) >= 1.96 * math.sqrt((total**2).sum()))
        ever += always_valid_p(series, ALPHA) <= ALPHA
        naive += any(plain)
    yield Line(f"alarm at any of {looks} looks, {design} a night", ever, corpora, 0.0, ALPHA)
    yield Line("  the same with an ordinary test every night", naive, corpora, 0.0, 1.0)


def power_at_smallest(design: Design, corpora: int, rng: np.random.Generator) -> Line:
    """Differences found that are as large as was said to be the least that could be shown (80 % promised)."""
    moved = differences(design, corpora, rng)
    sums = sum_routes(pairs_of(design, moved))
    error = float(np.median(standard_error(sums.difference, sums.count)))
    least = float(smallest_effect(error, design.routes, ALPHA))
    shifted = sum_routes(pairs_of(design, moved + least))
    found = int((sign_flip_p(shifted.difference, 4) <= ALPHA).sum())
    return Line(f"found at the smallest effect, {design}", found, corpora, 0.70, 0.90)


def answers(design: Design, corpora: int, rng: np.random.Generator, effect: float, size: float) -> dict[Answer, float]:
    """How often each answer is given where the true difference is `effect`, in standard deviations of a segment."""
    found = judge_claims_one_by_one(pairs_of(design, differences(design, corpora, rng) + effect), size)
    return {answer: found.count(answer) / corpora for answer in Answer if answer in found}


def judge_claims_one_by_one(pairs: Pairs, size: float) -> list[Answer]:
    """The answer of every column as the only claim of its intent."""
    columns = pairs.candidate.shape[1]
    singles = (
        Pairs(pairs.segments, pairs.routes, pairs.candidate[:, [column]], pairs.baseline[:, [column]])
        for column in range(columns)
    )
    return [judge_claims(single, [question(size)])[0].answer for single in singles]


def promises(corpora: int, seed: int = 1) -> Iterator[Line]:
    """Every line of the table, each from random numbers of its own."""
    family = max(corpora // 10, 20)
    made: list[Callable[[np.random.Generator], Line | Iterator[Line]]] = [
        *(partial(false_alarms, design, corpora) for design in DESIGNS),
        *(partial(false_discoveries, Design(60, 15), family, real=real) for real in (0, 10)),
        partial(false_intents, Design(60, 12), family, intents=4, claims=3),
        *(partial(coverage, design, corpora) for design in DESIGNS[:4]),
        partial(coverage, Design(60, 40), corpora, skew=True),
        *(partial(false_equivalence, design, corpora) for design in DESIGNS[:4]),
        partial(false_looks, Design(12, 6), corpora, looks=20),
        *(partial(power_at_smallest, design, corpora) for design in DESIGNS[2:]),
    ]
    for number, make in enumerate(made):
        lines = make(np.random.default_rng([seed, number]))
        yield from [lines] if isinstance(lines, Line) else lines


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Print the table and the power curves; 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog="ci/stats", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpora", type=int, default=2000, help="made corpora a line (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    begin, broken = time.monotonic(), 0
    _say(f"{'promise':<72} {'rate':>7}  {'promised':>13}")
    for line in promises(chosen.corpora, chosen.seed):
        promised = f"{line.low:.3f} … {line.high:.3f}"
        _say(f"{line.promise:<72} {line.rate:>7.4f}  {promised:>13}  {'' if line.kept else 'BROKEN'}")
        broken += not line.kept
    _say(
        f"\n{'answers, by the true difference':<34} {'better':>8} {'equivalent':>11} {'worse':>8} {'inconclusive':>13}"
    )
    design, size = Design(24, 9), 0.6
    for effect in (-1.6, -0.8, -0.4, 0.0, 0.4, 0.8, 1.6):
        rates = answers(design, max(chosen.corpora // 10, 20), np.random.default_rng([chosen.seed, 99]), effect, size)
        shown = (Answer.BETTER, Answer.EQUIVALENT, Answer.WORSE, Answer.INCONCLUSIVE)
        cells = " ".join(
            f"{rates.get(answer, 0.0):>{width}.2f}" for answer, width in zip(shown, (8, 11, 8, 13), strict=True)
        )
        _say(f"{effect:+.1f} σ, {size} σ matters, {design.segments} of {design.routes}{'':<3} {cells}")
    _say(f"\n{broken} promises broken · {time.monotonic() - begin:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
