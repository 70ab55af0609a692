"""What a change is declared to do, written before the run; what the gate does with the answers; and those answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.domain import EventRules


class Expectation(StrEnum):
    """What is expected of a metric or an event: to get better, to stay, not to get worse, or to keep a budget."""

    IMPROVE = "improve"
    UNCHANGED = "unchanged"
    GUARD = "guard"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Size:
    """An amount in a metric's own unit, or a share of the baseline's mean when `relative` (0.03 is 3 %)."""

    amount: float
    relative: bool = False

    def of(self, baseline: float) -> float:
        """It in the metric's unit, where the baseline's mean is this."""
        return self.amount * abs(baseline) if self.relative else self.amount


@dataclass(frozen=True, slots=True)
class Claim:
    """One metric under one condition, and what is expected of it.

    `size` is the least change that matters: a margin where it is a guard or must stay unchanged; None takes the
    metric's own. `direction` is `lower` or `higher`, empty to take the metric's own. `spread` is how much the
    difference is thought to vary from segment to segment (one standard deviation), where no run has shown it yet.
    """

    expect: Expectation
    metric: str
    condition: str
    size: Size | None = None
    direction: str = ""
    spread: Size | None = None
    where: str = ""


class Pooled(StrEnum):
    """What a budget can hold against the baseline besides events, over all segments of a run together."""

    DISENGAGEMENTS = "disengagements_per_100_km"
    DRIVER_DISENGAGEMENTS = "driver_disengagements"
    ENGAGED_SHARE = "engaged_share"
    LANE_CHANGE_ABORTS = "lane_change_aborts"


@dataclass(frozen=True, slots=True)
class Budget:
    """How many events, or how much engagement, a change may cost over the whole run.

    Of `rules` (events) or `pooled` one is set. `new` is how many intervals without a partner in the baseline are put
    up with; `more` by how much the total, or the rate, may rise; `less` by how much the engaged share may fall.
    """

    name: str
    rules: EventRules | None = None
    pooled: Pooled | None = None
    new: int | None = None
    more: Size | None = None
    less: Size | None = None
    where: str = ""


class Action(StrEnum):
    """What the gate does about an answer that is not the wanted one."""

    BLOCK = "block"
    """It closes the gate."""
    WARN = "warn"
    """It is told, and closes nothing."""


class Standing(StrEnum):
    """How an answer stands to what was expected. All but HOLDS and NO_DATA are for the policy to weigh."""

    HOLDS = "holds"
    """It is as declared."""
    WORSE = "worse"
    """It got worse, a budget was passed, or it changed where no side is better."""
    NOT_BETTER = "not proved better"
    """Better was declared, and it was proved to be no better."""
    CHANGED = "changed"
    """Nothing was to change, and it was proved better."""
    INCONCLUSIVE = "inconclusive"
    """The segments cannot tell."""
    NO_DATA = "no data"
    """No segment had a value. It always closes the gate."""


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Which standings close the gate. What had no data always does: nothing judged is never green."""

    name: str = "pr"
    worse: Action = Action.BLOCK
    inconclusive: Action = Action.WARN
    not_better: Action = Action.WARN
    changed: Action = Action.WARN

    def action(self, standing: Standing) -> Action | None:
        """What to do about a standing; None where all is well."""
        return {
            Standing.HOLDS: None,
            Standing.WORSE: self.worse,
            Standing.NOT_BETTER: self.not_better,
            Standing.CHANGED: self.changed,
            Standing.INCONCLUSIVE: self.inconclusive,
            Standing.NO_DATA: Action.BLOCK,
        }[standing]

    def stricter(self, other: GatePolicy) -> GatePolicy:
        """Both at once: what either of them blocks is blocked."""
        if self == other:
            return self
        pairs = (
            (self.worse, other.worse),
            (self.inconclusive, other.inconclusive),
            (self.not_better, other.not_better),
            (self.changed, other.changed),
        )
        actions = (Action.BLOCK if Action.BLOCK in pair else Action.WARN for pair in pairs)
        name = self.name if self.name == other.name else f"{self.name} and {other.name}"
        return GatePolicy(name, *actions)


PR_POLICY = GatePolicy()
RELEASE_POLICY = GatePolicy("release", Action.BLOCK, Action.BLOCK, Action.BLOCK, Action.BLOCK)
NIGHTLY_POLICY = GatePolicy("nightly")
POLICIES = {policy.name: policy for policy in (PR_POLICY, RELEASE_POLICY, NIGHTLY_POLICY)}


@dataclass(frozen=True, slots=True)
class Intent:
    """What a change is declared to do: claims, guards and budgets, judged together.

    `all_metrics` asks the headline metrics too (an `unchanged` that names none). `instead_of` are the checks whose
    tolerance on values the claims replace (`replayer.check`, patterns); None leaves the default of `expect`. With
    `sequential` the evidence of earlier runs counts, and looking often costs nothing. `discovery` is BY or BH.
    """

    name: str
    expect: Expectation
    claims: tuple[Claim, ...]
    budgets: tuple[Budget, ...] = ()
    all_metrics: bool = False
    instead_of: tuple[str, ...] | None = None
    policy: GatePolicy | None = None
    sequential: bool = False
    discovery: str = "by"
    confidence: float = 0.95
    where: str = ""


class Answer(StrEnum):
    """What the segments say about one claim."""

    BETTER = "PROVED better"
    """The difference is sure, in the wanted direction, and as large as was asked for."""
    EQUIVALENT = "PROVED equivalent"
    """The true difference surely lies within the margin, to either side."""
    NOT_WORSE = "PROVED not worse"
    """The true difference surely lies within the margin on the worse side."""
    WORSE = "PROVED worse"
    """The difference is sure, in the unwanted direction, and large enough to matter."""
    CHANGED = "PROVED changed"
    """The difference is sure and large enough to matter, of a metric that has no better side."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """Neither could be shown. The text says what could have been, and what would settle it."""
    WITHIN_BUDGET = "WITHIN BUDGET"
    """No more events, or no less engagement, than is allowed."""
    OVER_BUDGET = "OVER BUDGET"
    """More than is allowed."""
    NO_DATA = "NO DATA"
    """No segment has a value on both sides."""


Range = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One claim, answered. What is not known is None; an interval's end that is unbounded too.

    `candidate` and `baseline` are means over segments, `effect` their difference, `share` the same as a share of the
    baseline's mean. `size` is what matters in practice, `smallest` the least effect that so many segments could have
    shown, both in the metric's unit; `more_segments` would settle the size. `spread` is how much the difference varies
    from segment to segment, as far as routes are independent; `worst` are the segments that moved most in the
    unwanted direction, and how far. `human` is what the recorded drives score themselves; in `excused` frames of
    `excused_segments` segments the candidate failed a check that the driver failed too, and the baseline in
    `baseline_excused`: those do not count against either. `figures` say both sides and the difference in a line,
    `words` why the answer is what it is.
    """

    intent: str
    name: str
    expect: Expectation
    answer: Answer
    words: str
    figures: str = ""
    metric: str = ""
    condition: str = ""
    unit: str = ""
    segments: int = 0
    routes: int = 0
    candidate: float | None = None
    baseline: float | None = None
    effect: float | None = None
    interval: Range = (None, None)
    share: float | None = None
    share_interval: Range = (None, None)
    confidence: float = 0.95
    p: float | None = None
    adjusted_p: float | None = None
    equivalence_p: float | None = None
    size: float | None = None
    size_share: float | None = None
    smallest: float | None = None
    smallest_share: float | None = None
    more_segments: int | None = None
    spread: float | None = None
    worst: tuple[tuple[str, float], ...] = ()
    human: float | None = None
    excused: int = 0
    excused_segments: int = 0
    baseline_excused: int = 0
    looks: int = 0
    where: str = ""

    @property
    def standing(self) -> Standing:
        """How the answer stands to what was expected."""
        return standing(self.expect, self.answer)


_WELL = {
    Expectation.IMPROVE: (Answer.BETTER,),
    Expectation.UNCHANGED: (Answer.EQUIVALENT,),
    Expectation.GUARD: (Answer.BETTER, Answer.EQUIVALENT, Answer.NOT_WORSE),
    Expectation.BUDGET: (Answer.WITHIN_BUDGET,),
}


def standing(expect: Expectation, answer: Answer) -> Standing:
    """How an answer stands to what was expected."""
    if answer in _WELL[expect]:
        return Standing.HOLDS
    if answer in {Answer.WORSE, Answer.CHANGED, Answer.OVER_BUDGET}:  # what has no better side must not change
        return Standing.WORSE
    if answer is Answer.NO_DATA:
        return Standing.NO_DATA
    if answer is Answer.INCONCLUSIVE:
        return Standing.INCONCLUSIVE
    return Standing.NOT_BETTER if expect is Expectation.IMPROVE else Standing.CHANGED
