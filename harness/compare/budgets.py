"""What a change may cost: events and engagement of a whole run, pooled, held against a declared budget.

A budget is a count, not a proof: so many new ones, so many more. Where it is a share of what the baseline has, chance
has its part in the count, and being over is only OVER BUDGET when a Poisson rate that kept it would surely not do so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.compare.engagement import Engagement, measure_engagement, pool_engagements
from harness.compare.event_intervals import find_streams
from harness.compare.events import find_changes
from harness.compare.lane_changes import count_lane_changes
from harness.compare.statistics.rates import mcnemar_p, rate_above_p, rate_ratio_interval
from harness.compare.statistics.words import amount, counted, figures, moved_most, number, probability
from harness.domain import EventRules
from harness.intent import Answer, Budget, ClaimResult, Expectation, Pooled, Standing
from harness.trace import Trace

_WORST_SHOWN = 3
_MOST_TIMES = 100
_ABORTS = "aborted lane changes"
_NOTHING = {
    False: "no segment has events and engagement on both sides",
    True: "no segment says on both sides what was asked of the model and what it thought of it",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What one segment costs: events of either side, how many of the candidate's are new, and both sides' totals.

    `begun` are both sides' lane changes, where it is those that are counted.
    """

    segment: str
    route: str
    candidate: int
    baseline: int
    new: int
    engaged: tuple[Engagement, Engagement] | None = None
    begun: tuple[int, int] = (0, 0)


def spend(budget: Budget, baseline: Trace, candidate: Trace, segment: str, route: str) -> Spent | None:
    """What one segment costs of a budget; None where its traces cannot tell."""
    if budget.pooled is Pooled.LANE_CHANGE_ABORTS:
        return _lane_changes(baseline, candidate, segment, route)
    totals = measure_engagement(candidate), measure_engagement(baseline)
    ours, theirs = totals
    if ours is None or theirs is None:
        return None
    if budget.rules is None:
        counts = (ours.by_driver, theirs.by_driver)
        if budget.pooled is not Pooled.DRIVER_DISENGAGEMENTS:
            counts = (ours.disengagements, theirs.disengagements)
        return Spent(segment, route, *counts, 0, (ours, theirs))
    after, before = _count(candidate, budget.rules), _count(baseline, budget.rules)
    new = sum(change.change == "NEW" for change in find_changes(baseline, candidate, budget.rules))
    return Spent(segment, route, after, before, new, (ours, theirs))


def _lane_changes(baseline: Trace, candidate: Trace, segment: str, route: str) -> Spent | None:
    ours, theirs = count_lane_changes(candidate), count_lane_changes(baseline)
    if ours is None or theirs is None:
        return None
    return Spent(segment, route, ours.aborted, theirs.aborted, 0, begun=(ours.begun, theirs.begun))


def judge_budget(
    budget: Budget, intent: str, spent: Sequence[Spent], confidence: float = 0.95, *, lost: int = 0
) -> ClaimResult:
    """Whether the run kept the budget; NO DATA where no segment could tell.

    Of `lost` segments only the baseline has events: nobody knows what they would have cost.
    """
    result = _judged(budget, intent, spent, confidence)
    if lost and result.answer is Answer.WITHIN_BUDGET:
        words = f"{result.words}; {counted(lost, 'segment')} lost the events that the baseline has"
        result = replace(result, answer=Answer.INCONCLUSIVE, words=words)
    most = moved_most(result) if result.standing is not Standing.HOLDS else ""
    return replace(result, words=result.words + most, figures=figures(result))


def _judged(budget: Budget, intent: str, spent: Sequence[Spent], confidence: float) -> ClaimResult:
    aborts = budget.pooled is Pooled.LANE_CHANGE_ABORTS
    result = ClaimResult(
        intent,
        budget.name,
        Expectation.BUDGET,
        Answer.NO_DATA,
        _NOTHING[aborts],
        unit=_ABORTS if aborts else "events",
        segments=len(spent),
        routes=len({each.route for each in spent}),
        confidence=confidence,
        where=budget.where,
    )
    if not spent:
        return result
    if aborts and not any(sum(each.begun) for each in spent):
        return replace(result, words="no lane change is begun on either side: nothing is known of aborts")
    if budget.pooled is Pooled.ENGAGED_SHARE:
        return _share(budget, result, spent)
    candidate, baseline = sum(each.candidate for each in spent), sum(each.baseline for each in spent)
    result = replace(
        result,
        candidate=float(candidate),
        baseline=float(baseline),
        effect=float(candidate - baseline),
        worst=_worst(spent),
    )
    if budget.new is not None:
        new = sum(each.new for each in spent)
        over = new > budget.new
        words = f"{new} new, at most {budget.new} allowed{_discordant(spent)}"
        return replace(result, answer=Answer.OVER_BUDGET if over else Answer.WITHIN_BUDGET, words=words)
    return _more(budget, result, spent, candidate, baseline)


def _more(budget: Budget, result: ClaimResult, spent: Sequence[Spent], candidate: int, baseline: int) -> ClaimResult:
    """At most so much more than the baseline: an amount, or a share of it."""
    more = budget.more
    assert more is not None  # noqa: S101 a budget has one limit
    exposure, per = _exposure(spent) if budget.pooled is not None else (1.0, 0.0)
    if per:
        rates = candidate / (per * exposure), baseline / per
        result = replace(result, unit="per 100 km", candidate=rates[0], baseline=rates[1], effect=rates[0] - rates[1])
    if not more.relative:
        over = candidate - baseline * exposure > more.amount
        words = f"at most {number(more.amount)} more allowed{_begun(spent)}{_discordant(spent)}"
        return replace(result, answer=Answer.OVER_BUDGET if over else Answer.WITHIN_BUDGET, words=words)
    allowed = 1.0 + more.amount
    over = candidate > allowed * baseline * exposure
    p = rate_above_p(candidate, baseline, allowed, exposure)
    low, high = rate_ratio_interval(candidate, baseline, exposure, result.confidence)
    if baseline:
        ends = low - 1.0, None if math.isinf(high) else high - 1.0
        result = replace(result, share=candidate / (baseline * exposure) - 1.0, share_interval=ends)
    words = f"at most {amount(more.amount, '', share=True)} more allowed"
    answer, settle = Answer.WITHIN_BUDGET, None
    if over:
        answer = Answer.OVER_BUDGET if p <= 1.0 - result.confidence else Answer.INCONCLUSIVE
        words += f"; {'' if answer is Answer.OVER_BUDGET else 'over it, but not surely: '}{probability(p)}"
    if answer is Answer.INCONCLUSIVE:
        settle = _settling(candidate, baseline, allowed, exposure, 1.0 - result.confidence, len(spent))
        words += f"; about {counted(settle, 'more segment')} of the same rates would settle it" if settle else ""
    words += _begun(spent) + _discordant(spent)
    return replace(result, answer=answer, words=words, p=p, more_segments=settle)


def _settling(
    candidate: int, baseline: int, allowed: float, exposure: float, alpha: float, segments: int
) -> int | None:
    """How many more segments with these rates would be over the budget surely; None where that takes too many."""
    for total in range(segments + 1, segments * _MOST_TIMES + 1, max(segments // 10, 1)):
        factor = total / segments
        if rate_above_p(round(candidate * factor), round(baseline * factor), allowed, exposure) <= alpha:
            return total - segments
    return None


def _share(budget: Budget, result: ClaimResult, spent: Sequence[Spent]) -> ClaimResult:
    """The share of time that is engaged, of all segments together."""
    less = budget.less
    assert less is not None  # noqa: S101 a budget has one limit
    ours, theirs = (pool_engagements(pair[side] for each in spent if (pair := each.engaged)) for side in (0, 1))
    shares = [side.engaged_s / side.total_s if side.total_s else 0.0 for side in (ours, theirs)]
    fall = shares[1] - shares[0]
    over = fall > less.of(shares[1])
    return replace(
        result,
        answer=Answer.OVER_BUDGET if over else Answer.WITHIN_BUDGET,
        unit="of the time",
        candidate=shares[0],
        baseline=shares[1],
        effect=-fall,
        share=-fall / shares[1] if shares[1] else None,
        words=f"at most {amount(less.amount, 'of the time', share=less.relative)} less allowed; engaged "
        f"{number(ours.engaged_s, 4)} s of {number(ours.total_s, 4)} s, the baseline {number(theirs.engaged_s, 4)} s",
    )


def _count(trace: Trace, rules: EventRules) -> int:
    return sum(len(stream) for stream in find_streams(trace, rules).values())


def _exposure(spent: Sequence[Spent]) -> tuple[float, float]:
    """How much more the candidate was engaged than the baseline, and the baseline's engagement in 100 km.

    By distance where it is known, else by time; then there is no rate to show, and the second is 0. Aborts are counted
    over the same drives.
    """
    ours, theirs = (pool_engagements(pair[side] for each in spent if (pair := each.engaged)) for side in (0, 1))
    if ours.engaged_m and theirs.engaged_m:
        return ours.engaged_m / theirs.engaged_m, theirs.engaged_m / 100_000
    return (ours.engaged_s / theirs.engaged_s if ours.engaged_s and theirs.engaged_s else 1.0), 0.0


def _begun(spent: Sequence[Spent]) -> str:
    """Of how many lane changes those are that were given up."""
    ours, theirs = (sum(each.begun[side] for each in spent) for side in (0, 1))
    return f"; of {counted(ours, 'lane change')} that it began, the baseline of {theirs}" if ours or theirs else ""


def _discordant(spent: Sequence[Spent]) -> str:
    """McNemar's view of it: in how many segments only one side has any."""
    only_ours = sum(each.candidate > 0 and each.baseline == 0 for each in spent)
    only_theirs = sum(each.baseline > 0 and each.candidate == 0 for each in spent)
    if not only_ours + only_theirs:
        return ""
    p = probability(mcnemar_p(only_ours, only_theirs))
    return (
        f"; in {counted(only_ours, 'segment')} only the candidate has any, in {only_theirs} only the baseline "
        f"(McNemar {p})"
    )


def _worst(spent: Sequence[Spent]) -> tuple[tuple[str, float], ...]:
    risen = [(each.segment, float(each.candidate - each.baseline)) for each in spent if each.candidate > each.baseline]
    return tuple(sorted(risen, key=lambda entry: (-entry[1], entry[0]))[:_WORST_SHOWN])
