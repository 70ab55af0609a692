"""Intents: what a change is declared to do, from YAML to plain values; strict, with file:line of every mistake."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.config.text import Place, line_of, load_yaml, validated
from harness.domain import ENGAGEMENT_STATES, EVENT_TYPES, EventRules
from harness.errors import ConfigError, ConfigMistakesError
from harness.intent import POLICIES, Action, Budget, Claim, Expectation, GatePolicy, Intent, Pooled, Size

_PERCENT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*%\s*$")
_ALL = "all"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


def _size(given: object) -> object:
    """`0.02` in the metric's unit, or `3 %` of the baseline's mean."""
    if isinstance(given, str) and (found := _PERCENT.match(given)):
        return Size(float(found[1]) / 100, relative=True)
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1e12:
        return Size(float(given))
    raise ValueError("should be an amount in the metric's unit (0.02) or a percentage (3 %)")


def _positive(given: object) -> object:
    size = _size(given)
    if isinstance(size, Size) and size.amount <= 0:
        raise ValueError("should be greater than 0")
    return size


_Size: TypeAlias = Annotated[Size, BeforeValidator(_size)]
_PositiveSize: TypeAlias = Annotated[Size, BeforeValidator(_positive)]
_Names: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
]


def _short(key: str) -> BeforeValidator:
    """What may be said in one word: a list of forms, one form, or only its size (`metric: 3 %`, `metric:`)."""

    def spread(given: object) -> object:
        entries = given if isinstance(given, list) and given else [given]
        return [
            entry if isinstance(entry, dict) else {} if entry is None else {key: entry} for entry in entries
        ]  # `metric:` alone takes the metric's own size

    return BeforeValidator(spread)


class _MetricFile(_Strict):
    size: _PositiveSize | None = None
    """The least change that matters, in the metric's unit (`0.04`) or as a share of the baseline's mean (`5 %`).
    Without it, the metric's own."""
    where: _Names = Field(default_factory=lambda: [_ALL])
    """Conditions: one or several. Each is a claim of its own."""
    direction: Literal["lower", "higher"] | None = None
    """Which way is better, where the metric itself does not say or the other is wanted."""
    spread: _PositiveSize | None = None
    """How much the difference varies from segment to segment (one standard deviation), where no run has shown it."""


class _GuardFile(_Strict):
    margin: _PositiveSize | None = None
    """By how much it must not get worse, in the metric's unit or as a share. Without it, the metric's own size."""
    where: _Names = Field(default_factory=lambda: [_ALL])
    """Conditions: one or several. Each is a claim of its own."""
    direction: Literal["lower", "higher"] | None = None
    """Which way is better, where the metric itself does not say or the other is wanted."""
    spread: _PositiveSize | None = None
    """How much the difference varies from segment to segment (one standard deviation), where no run has shown it."""


class _BudgetFile(_Strict):
    types: list[str] | None = Field(default=None, min_length=1)
    """Counts events of these types."""
    names: list[str] | None = Field(default=None, min_length=1)
    """Counts events whose name fits one of these patterns."""
    states: list[str] | None = Field(default=None, min_length=1)
    """Counts intervals of these engagement states."""
    pooled: (
        Literal["disengagements_per_100_km", "driver_disengagements", "engaged_share", "lane_change_aborts"] | None
    ) = None
    """Instead of events: a rate over all segments together."""
    new: int | None = Field(default=None, ge=0)
    """At most so many intervals without a partner in the baseline."""
    more: _Size | None = None
    """By how much the total, or the rate, may rise: an amount or a share (`10 %`)."""
    less: _Size | None = None
    """By how much the engaged share may fall."""
    collar_s: float = Field(default=EventRules().collar_s, ge=0, le=60, allow_inf_nan=False)
    """Two intervals are the same when they begin at most so many seconds apart."""

    @model_validator(mode="after")
    def _one_thing(self) -> _BudgetFile:
        events = bool(self.types or self.names or self.states)
        if events == (self.pooled is not None):
            raise ValueError("name events (types, names or states) or pooled, and one of them")
        if sum(limit is not None for limit in (self.new, self.more, self.less)) != 1:
            raise ValueError("say how much it may cost: one of new, more or less")
        if (self.less is not None) != (self.pooled == "engaged_share"):
            raise ValueError("less belongs to engaged_share, and engaged_share to less")
        if self.new is not None and not events:
            raise ValueError("new belongs to events; a pooled rate has more")
        for kind in self.types or ():
            if kind not in EVENT_TYPES:
                raise ValueError(f"types: {kind} is none of {', '.join(EVENT_TYPES)}")
        for pattern in self.states or ():
            if not fnmatch.filter(ENGAGEMENT_STATES, pattern):
                raise ValueError(f"states: {pattern} is none of {', '.join(ENGAGEMENT_STATES)}")
        return self

    def rules(self) -> EventRules | None:
        """The events it counts; None for a pooled figure. Names without types are of any type."""
        if self.pooled is not None:
            return None
        types = self.types or (list(EVENT_TYPES) if self.names else [])
        return EventRules(tuple(types), tuple(self.names or ["*"]), tuple(self.states or ()), collar_s=self.collar_s)


_Action: TypeAlias = Literal["block", "warn"]


class _ActionsFile(_Strict):
    name: str = "own"
    """What reports call it."""
    worse: _Action = "block"
    """PROVED worse, over a budget, or PROVED changed where no side is better."""
    inconclusive: _Action = "warn"
    """INCONCLUSIVE."""
    not_better: _Action = "warn"
    """PROVED equivalent where better was declared."""
    changed: _Action = "warn"
    """PROVED better where nothing was to change."""


def _policy(given: object) -> object:
    """A policy that has a name, as what it says; what a mapping leaves unsaid is as in `pr`."""
    if not isinstance(given, str):
        return given
    if given not in POLICIES:
        raise ValueError(f"should be {', '.join(POLICIES)}, or a mapping of worse, inconclusive, not_better, changed")
    policy = POLICIES[given]
    return {
        "name": given,
        "worse": policy.worse.value,
        "inconclusive": policy.inconclusive.value,
        "not_better": policy.not_better.value,
        "changed": policy.changed.value,
    }


PolicyFile: TypeAlias = Annotated[_ActionsFile, BeforeValidator(_policy)]


class IntentFile(_Strict):
    """An intent as a file, or under `intent:` of a suite."""

    intent: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.,-]*$")
    """Its name. Default: that of the file, or of the suite it stands in."""
    expect: Literal["improve", "unchanged"]
    """`improve`: every metric must be PROVED better. `unchanged`: every metric must be PROVED equivalent; without
    `metrics`, all headline metrics."""
    metrics: dict[str, Annotated[list[_MetricFile], _short("size")]] = Field(default_factory=dict)
    """By metric: a size, a mapping, a list of mappings, or nothing (the metric's own size)."""
    guard: dict[str, Annotated[list[_GuardFile], _short("margin")]] = Field(default_factory=dict)
    """By metric that must not get worse: a margin, a mapping, a list of mappings, or nothing."""
    budgets: dict[str, _BudgetFile] = Field(default_factory=dict)
    """By a name of yours: how many events, or how much engagement, the change may cost over the whole run."""
    instead_of: Annotated[list[str] | None, BeforeValidator(lambda given: ["*"] if given == _ALL else given)] = None
    """Checks (`replayer.check`, patterns, or `all`) whose tolerance on values the claims replace. By default an
    `improve` replaces those of what the driving model puts out, an `unchanged` none."""
    policy: PolicyFile | None = None
    """What closes the gate, over the suite's own."""
    sequential: bool = False
    """Whether the evidence of earlier runs of the same candidate and baseline counts; always so under `nightly`."""
    discovery: Literal["by", "bh"] = "by"
    """How p values are adjusted for the number of questions: Benjamini–Yekutieli or Benjamini–Hochberg."""
    confidence: float = Field(default=0.95, ge=0.5, lt=1.0)
    """Of intervals; 1 minus it is the rate of false alarms."""

    @model_validator(mode="after")
    def _says_something(self) -> IntentFile:
        if self.expect == "improve" and not self.metrics:
            raise ValueError("improve what? name metrics")
        return self


def load_intent(path: Path) -> Intent:
    """The intent in a YAML file. ConfigMistakesError with every mistake."""
    content, places, mistakes = load_yaml(path)
    file = validated(IntentFile, content, places, mistakes, path)
    return make_intent(file, path.stem, path, places)


def make_intent(file: IntentFile, name: str, path: Path, places: dict[Place, int], inside: Place = ()) -> Intent:
    """An intent from its form, which stands at `inside` of the file; `name` if it has none of its own."""

    def where(*place: str | int) -> str:
        return f"{path}:{line_of(places, (*inside, *place))}"

    expect = Expectation(file.expect)
    claims: list[Claim] = []
    for metric, forms in file.metrics.items():
        for form in forms:
            claims += _claims(
                metric, form.where, expect, form.size, form.direction, form.spread, where("metrics", metric)
            )
    for metric, guards in file.guard.items():
        for guard in guards:
            at = where("guard", metric)
            claims += _claims(metric, guard.where, Expectation.GUARD, guard.margin, guard.direction, guard.spread, at)
    _once_each(claims)
    return Intent(
        file.intent or name,
        expect,
        tuple(claims),
        tuple(
            Budget(
                budget_name,
                budget.rules(),
                None if budget.pooled is None else Pooled(budget.pooled),
                budget.new,
                budget.more,
                budget.less,
                where("budgets", budget_name),
            )
            for budget_name, budget in file.budgets.items()
        ),
        all_metrics=expect is Expectation.UNCHANGED and not file.metrics,
        instead_of=None if file.instead_of is None else tuple(file.instead_of),
        policy=None if file.policy is None else make_policy(file.policy),
        sequential=file.sequential,
        discovery=file.discovery,
        confidence=file.confidence,
        where=where(),
    )


def make_policy(file: PolicyFile) -> GatePolicy:
    """A policy from its form."""
    return GatePolicy(
        file.name, Action(file.worse), Action(file.inconclusive), Action(file.not_better), Action(file.changed)
    )


def load_policy(path: Path) -> GatePolicy:
    """A policy of its own in a YAML file, called as the file where it has no name. ConfigMistakesError with all."""
    content, places, mistakes = load_yaml(path)
    file = validated(_ActionsFile, content, places, mistakes, path)
    return make_policy(file if "name" in file.model_fields_set else file.model_copy(update={"name": path.stem}))


def _claims(
    metric: str,
    conditions: list[str],
    expect: Expectation,
    size: Size | None,
    direction: str | None,
    spread: Size | None,
    where: str,
) -> Iterator[Claim]:
    for condition in conditions:
        yield Claim(expect, metric, condition, size, direction or "", spread, where)


def _once_each(claims: list[Claim]) -> None:
    errors: list[ConfigError] = []
    seen: dict[tuple[str, str], Claim] = {}
    for claim in claims:
        first = seen.setdefault((claim.metric, claim.condition), claim)
        if first is not claim:
            errors.append(
                ConfigError(
                    f"{claim.metric} where {claim.condition} is claimed twice", where=claim.where, remedy="keep one"
                )
            )
    if errors:
        raise ConfigMistakesError(tuple(errors))
