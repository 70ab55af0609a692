"""From what an intent claims to questions: every name held against what there is, and what cannot be is refused."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.compare.metrics import ALL, CONDITIONS, EXECUTION_METRICS, Direction, Metric
from harness.compare.statistics import Question
from harness.domain import DeviceKind, EventRules
from harness.errors import ConfigError, ConfigMistakesError
from harness.intent import Claim, Expectation, Intent, Size
from harness.pipeline.execution_times import on_kind
from harness.replay.selfdrive.events import known_events

_HORIZON = re.compile(r"_(\d+)s$")
_WORSE = {Direction.LOWER: 1, Direction.HIGHER: -1, Direction.NONE: 0}
_SHARE = "share of"


@dataclass(frozen=True, slots=True)
class Known:
    """What may be named: metrics, conditions (those of tags among them), and the kinds of devices that measure."""

    metrics: Mapping[str, Metric]
    conditions: tuple[str, ...] = tuple(CONDITIONS)
    kinds: tuple[DeviceKind, ...] = (DeviceKind.EMULATED,)


def make_questions(intent: Intent, known: Known) -> tuple[Question, ...]:
    """The questions of an intent, in order. ConfigMistakesError with every claim and budget that cannot be."""
    errors: list[ConfigError] = []
    questions: list[Question] = []
    claims = list(intent.claims)
    if intent.all_metrics:
        named = {(claim.metric, claim.condition) for claim in claims}
        claims += [
            Claim(intent.expect, metric.name, ALL, where=intent.where)
            for metric in known.metrics.values()
            if metric.headline and not metric.of_pair and (metric.name, ALL) not in named
        ]
    for claim in claims:
        try:
            questions += _questions(intent, claim, known)
        except ConfigError as error:
            errors.append(error)
    for budget in intent.budgets:
        errors += [] if budget.rules is None else unknown_events(budget.rules, budget.where)
    if errors:
        raise ConfigMistakesError(tuple(errors))
    return tuple(questions)


def title(metric: Metric) -> str:
    """`lateral error at 2 s`: the metric's name as people say it."""
    named, horizon = metric.name, _HORIZON.search(metric.name)
    if horizon is None:
        return named.replace("_", " ")
    return f"{named[: horizon.start()].replace('_', ' ')} at {horizon[1]} s"


def _questions(intent: Intent, claim: Claim, known: Known) -> list[Question]:
    """One question, and of an execution time one for each kind of device."""
    metric = known.metrics.get(claim.metric)
    if metric is None:
        raise unknown("metric", claim.metric, known.metrics, claim.where)
    if claim.condition not in known.conditions:
        raise unknown("condition", claim.condition, known.conditions, claim.where)
    direction = _direction(metric, claim)
    size = claim.size or Size(metric.practical_size)
    _refuse_impossible(metric, claim, size, direction)
    words = title(metric)
    if claim.condition != ALL:
        words += f", {claim.condition.replace('_', ' ')}"
    if direction is not metric.direction:
        words += f" ({direction.value} is better, as declared)"
    if metric.name not in EXECUTION_METRICS:
        return [Question(claim, intent.name, words, metric.unit, _WORSE[direction], size)]
    if claim.condition != ALL:
        raise ConfigError(
            f"{claim.metric} is measured over whole segments, not where {claim.condition}",
            where=claim.where,
            remedy=f"leave `where` out, or say `{ALL}`",
        )
    return [
        Question(
            claim,
            intent.name,
            f"{words}, {kind.value}",
            metric.unit,
            _WORSE[direction],
            size,
            on_kind(metric.name, kind),
        )
        for kind in known.kinds
        # What nobody asked for by name is not to hang on how busy this machine was.
        if kind is not DeviceKind.EMULATED or claim in intent.claims
    ]


def _direction(metric: Metric, claim: Claim) -> Direction:
    """Which way is better. An intent may say so where a metric does not, but not turn a worse one into a better one."""
    if not claim.direction:
        if claim.expect is Expectation.IMPROVE and metric.direction is Direction.NONE:
            raise ConfigError(
                f"{claim.metric} has no better side", where=claim.where, remedy="say `direction: lower` or `higher`"
            )
        return metric.direction
    direction = Direction(claim.direction)
    if metric.direction not in {Direction.NONE, direction}:
        raise ConfigError(
            f"{claim.metric} is better {metric.direction.value}: with `direction: {direction.value}` what got worse "
            "would be called better",
            where=claim.where,
            remedy="leave `direction` out; a metric of your own (`metrics: FILE` in the suite) may say otherwise",
        )
    return direction


def _refuse_impossible(metric: Metric, claim: Claim, size: Size, direction: Direction) -> None:
    """What lies between bounds cannot improve past them: such a claim could never be proved."""
    if claim.expect is not Expectation.IMPROVE:
        return
    if size.relative and size.amount > 1.0 and direction is Direction.LOWER and metric.direction is Direction.LOWER:
        raise ConfigError(
            f"{claim.metric} is never below 0 and cannot fall by {size.amount * 100:g} %",
            where=claim.where,
            remedy="100 % would be a perfect one; ask for less",
        )
    if not size.relative and size.amount > 1.0 and metric.unit.startswith(_SHARE):
        raise ConfigError(
            f"{claim.metric} is a share, from 0 to 1, and cannot change by {size.amount:g}",
            where=claim.where,
            remedy="0.02 is two hundredths; `2 %` is that much of the baseline",
        )


def unknown_events(rules: EventRules, where: str) -> list[ConfigError]:
    """Events that no release of openpilot has: nothing would ever be found of them, whatever happens."""
    events = sorted(known_events())
    names = rules.names if rules.types else ()
    return [unknown("event", name, events, where) for name in names if not fnmatch.filter(events, name)]


def unknown(what: str, name: str, known: Iterable[str], where: str) -> ConfigError:
    """The error that names what is not there, and what is nearest to it."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 3, 0.5)
    remedy = f"did you mean {', '.join(near)}?" if near else f"one of {', '.join(names[:12])}, …"
    return ConfigError(f"there is no {what} {name}", where=where, remedy=remedy)
