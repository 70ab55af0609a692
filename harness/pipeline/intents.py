"""What is declared for a run: intents read and held against the metrics there are, and the checks they replace."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.compare.metrics import CONDITIONS, METRICS, Metric
from harness.compare.statistics import Question
from harness.config import ReplayerConfig, Suite, gather
from harness.config.intent import load_intent
from harness.domain import Check, json_digest
from harness.errors import ConfigError, ConfigMistakesError
from harness.files import file_sha256
from harness.intent import (
    NIGHTLY_POLICY,
    PR_POLICY,
    Answer,
    ClaimResult,
    Expectation,
    GatePolicy,
    Intent,
)
from harness.pipeline.questions import Known, make_questions
from harness.pipeline.user_metrics import declared_metrics
from harness.verdict import planned_name

MEASURED = "driving_model"
"""The replayer whose traces the metrics are of."""
_SHOWN = ("pictures.*", "vEgo", "frameDropPerc")  # what a model is shown: no change of it could alter that
_NOT_JUDGED = "not judged: the run ended before"


@dataclass(frozen=True, slots=True)
class OwnMetrics:
    """A file of a person's own metrics, its digest, and what it declares."""

    path: Path
    sha256: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """The intents of a run, the questions of each in order, and the policy by which the gate weighs the answers.

    `own` are metrics that the suite brings along.
    """

    intents: tuple[Intent, ...] = ()
    questions: tuple[tuple[Question, ...], ...] = ()
    policy: GatePolicy = PR_POLICY
    own: OwnMetrics | None = None

    @property
    def digest(self) -> str:
        """One digest of all that is asked, whichever files it stands in; "" where nothing is."""
        if not self.intents:
            return ""
        own = [] if self.own is None else [self.own.sha256]
        return json_digest([*own, *(_without_places(asdict(intent)) for intent in self.intents)])

    @property
    def planned(self) -> tuple[ClaimResult, ...]:
        """The entries a record starts with: every claim without data, so that none can vanish."""
        found: list[ClaimResult] = []
        for intent, questions in zip(self.intents, self.questions, strict=True):
            found += [_not_judged(intent, each) for each in questions if not _is_optional(intent, each)]
            if intent.all_metrics:
                found.append(ClaimResult(intent.name, EVERY_METRIC, intent.expect, Answer.NO_DATA, _NOT_JUDGED))
            found += [
                ClaimResult(
                    intent.name, budget.name, Expectation.BUDGET, Answer.NO_DATA, _NOT_JUDGED, where=budget.where
                )
                for budget in intent.budgets
            ]
        return tuple(found)

    @property
    def planned_names(self) -> tuple[str, ...]:
        """What must be among the record's claims in the end."""
        return tuple(planned_name(claim) for claim in self.planned if claim.name != EVERY_METRIC)

    @property
    def discovery(self) -> str:
        """How all questions of the run are adjusted for each other: carefully where any intent wants that."""
        return "by" if not self.intents or any(intent.discovery == "by" for intent in self.intents) else "bh"

    def is_sequential(self, intent: Intent) -> bool:
        """Whether the evidence of earlier runs counts for an intent: where it says so, and every night."""
        return intent.sequential or (intent.policy or self.policy).name == NIGHTLY_POLICY.name

    def checks(self, config: ReplayerConfig) -> tuple[Check, ...]:
        """A replayer's checks: those that an intent replaces are told apart."""
        return tuple(
            replace(check, replaced=any(_replaces(intent, config.name, check) for intent in self.intents))
            for check in config.checks
        )


EVERY_METRIC = "every headline metric"


def declare(suite: Suite, files: Sequence[Path]) -> Declared:
    """What the suite and the given files declare. ConfigMistakesError with every mistake in any of them."""
    intents = list(suite.intents)
    own: list[OwnMetrics] = []
    gather([*(_loading(path, intents) for path in files), lambda: own.extend(_own_metrics(suite))])
    metrics = dict(METRICS) | {metric.name: metric for each in own for metric in each.metrics}
    errors = _taken(suite)
    known = Known(metrics, (*CONDITIONS, *suite.conditions), suite.device_kinds)
    questions: list[tuple[Question, ...]] = []
    for number, intent in enumerate(intents):
        if intent.name in {other.name for other in intents[:number]}:
            errors.append(ConfigError(f"two intents are called {intent.name}", where=intent.where, remedy="rename one"))
        try:
            questions.append(make_questions(intent, known))
        except ConfigMistakesError as mistakes:
            errors += mistakes.errors
        errors += _unknown_checks(intent, suite)
    if errors:
        raise ConfigMistakesError(tuple(errors))
    return Declared(tuple(intents), tuple(questions), _policy(suite, intents), own[0] if own else None)


def _taken(suite: Suite) -> list[ConfigError]:
    """Conditions of the suite's own that would hide one there is."""
    return [
        ConfigError(f"conditions: {name} is a condition already", where=str(suite.path), remedy="call it otherwise")
        for name in suite.conditions
        if name in CONDITIONS
    ]


def _own_metrics(suite: Suite) -> tuple[OwnMetrics, ...]:
    """What the suite's file of metrics declares, if it names one."""
    if suite.metrics is None:
        return ()
    if not suite.metrics.is_file():
        raise ConfigError(f"no file of metrics at {suite.metrics}", where=str(suite.path), remedy="mind `metrics:`")
    return (OwnMetrics(suite.metrics, file_sha256(suite.metrics), declared_metrics(suite.metrics)),)


def _policy(suite: Suite, intents: Sequence[Intent]) -> GatePolicy:
    """The suite's, or else `pr`; and the strictest of all where intents have their own."""
    own = [intent.policy for intent in intents if intent.policy is not None]
    if suite.policy is not None or len(own) < len(intents) or not own:
        own.insert(0, suite.policy or PR_POLICY)
    policy = own[0]
    for other in own[1:]:
        policy = policy.stricter(other)
    return policy


def _loading(path: Path, into: list[Intent]) -> Callable[[], None]:
    return lambda: into.append(load_intent(path))


def _is_optional(intent: Intent, question: Question) -> bool:
    """Whether a claim was not asked for by its own name, and may go unanswered where it has no data."""
    return question.claim not in intent.claims


def _not_judged(intent: Intent, question: Question) -> ClaimResult:
    claim = question.claim
    return ClaimResult(
        intent.name,
        question.words,
        claim.expect,
        Answer.NO_DATA,
        _NOT_JUDGED,
        metric=claim.metric,
        condition=claim.condition,
        unit=question.unit,
        where=claim.where,
    )


def _replaces(intent: Intent, replayer: str, check: Check) -> bool:
    """Whether an intent's claims stand for a check's tolerance on values.

    Said by name, or else for an `improve`: two models that are meant to differ fail every exact check of what they put
    out. What they are shown must be the same, and events are gates or have budgets.
    """
    if check.events is not None:
        return False
    if intent.instead_of is not None:
        return any(_is_meant(pattern, replayer, check) for pattern in intent.instead_of)
    shown = all(pattern in _SHOWN for pattern in check.channels)
    return intent.expect is Expectation.IMPROVE and replayer == MEASURED and not shown


def _is_meant(pattern: str, replayer: str, check: Check) -> bool:
    """`check`, `replayer.check` or a shell pattern of the latter; `*` means all of what the metrics are of."""
    if pattern == "*":
        return replayer == MEASURED and not all(channel in _SHOWN for channel in check.channels)
    return check.name == pattern or fnmatch.fnmatchcase(f"{replayer}.{check.name}", pattern)


def _unknown_checks(intent: Intent, suite: Suite) -> list[ConfigError]:
    """Names in `instead_of` that mean no check of the suite: what they were to replace would go on closing the gate."""
    channel_checks = [(each.name, check) for each in suite.replayers for check in each.checks if check.events is None]
    return [
        ConfigError(
            f"instead_of: suite {suite.name} has no check of values called {pattern}",
            where=intent.where,
            remedy=f"one of {', '.join(f'{name}.{check.name}' for name, check in channel_checks)}, or all",
        )
        for pattern in intent.instead_of or ()
        if pattern != "*" and not any(_is_meant(pattern, name, check) for name, check in channel_checks)
    ]


def _without_places(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_places(entry) for key, entry in value.items() if key != "where"}
    if isinstance(value, list | tuple):
        return [_without_places(entry) for entry in value]
    return value
