"""Why trials moved, as plain values: which input made it, how the difference grows or dies, which moved alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from harness.errors import DataError

EXPLANATION_FORMAT = 1


class Cause(StrEnum):
    """What made the candidate differ."""

    PICTURES = "pictures"
    """The model saw other pictures: decoder, warp or calibration, not the model."""
    VISION = "vision"
    """The baseline's features take at least 90 % of the difference away, the baseline's policy at most 10 %."""
    POLICY = "policy"
    """With the baseline's features 90 % or more of the difference is still there."""
    BOTH = "vision and policy"
    """Neither alone, or one of them sideways and the other along."""
    STATE = "state"
    """As vision, but half of the difference's energy or more is in frames whose features are equal: what the model
    remembers."""
    UNKNOWN = "unknown"
    """It could not be told."""


class Course(StrEnum):
    """How a difference goes on after it has begun."""

    NOTHING = "none"
    """There is no difference."""
    MOMENTARY = "for moments"
    """It is there for moments."""
    DIES = "dies away"
    """It dies away steadily."""
    ENDS = "ends"
    """It ends."""
    RETURNS = "comes and goes"
    """It comes and goes."""
    STAYS = "stays"
    """It stays to the end."""
    GROWS = "grows"
    """It grows."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The course of a difference over frames.

    It is there from `first_frame` on (seconds since the trace's first frame) in a `share` of all frames, greatest at
    `peak_frame`; after `gone_frame` minus one it is not seen again. `half_life_s` is in how many seconds it halves
    after the peak, `doubling_s` in how many it doubles before it; None where it does neither steadily.
    """

    course: Course
    first_frame: int | None = None
    first_s: float | None = None
    peak_frame: int | None = None
    peak_s: float | None = None
    peak: float = 0.0
    gone_frame: int | None = None
    gone_s: float | None = None
    half_life_s: float | None = None
    doubling_s: float | None = None
    spells: int = 0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Swap:
    """A policy replayed over the features of the other side, held against the baseline.

    `policy` and `features` say whose they are. `left` is the share of the difference that is left, root of mean square
    over frames; None where it was not replayed, and `error` says why. `sideways` and `along` are the same of either
    alone; None where that hardly differs.
    """

    policy: str
    features: str
    left: float | None = None
    sideways: float | None = None
    along: float | None = None
    trace: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A group of channels that moved, from which frame on (seconds since the trace's first frame)."""

    group: str
    first_frame: int
    first_s: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one trial moved.

    `groups` are what moved, first to move first. `action_mps2` is how far the wanted accelerations (sideways and along)
    are apart, root of mean square over frames; `lateral_m` and `longitudinal_m` how far the plan is apart 2 s ahead
    where that is most, right and ahead of the baseline positive. `carried` is the share of the difference's energy in
    frames in which the model was shown the same as the baseline, from `carried_from` on.
    """

    name: str
    segment: str
    device_kind: str
    verdict: str
    cause: Cause
    words: str
    first: str
    groups: tuple[Moved, ...]
    growth: Growth
    action_mps2: float = 0.0
    lateral_m: float = 0.0
    longitudinal_m: float = 0.0
    not_a_number_frames: int = 0
    swaps: tuple[Swap, ...] = ()
    carried: float = 0.0
    carried_from: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """Segments that moved alike, with the one that is most like the others."""

    words: str
    segments: tuple[str, ...]
    exemplar: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a run's trials moved. `failed` trials of the replayer are told in stories; `note` says what is missing."""

    run: str
    replayer: str
    failed: int
    stories: tuple[Story, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    note: str = ""
    format: int = field(default=EXPLANATION_FORMAT)


_EXPLAINED = TypeAdapter(Explained)


def render_explained(explained: Explained) -> str:
    """As JSON text, keys in declaration order."""
    return _EXPLAINED.dump_json(explained, indent=1).decode() + "\n"


def parse_explained(text: str | bytes, *, where: str) -> Explained:
    """The value in `text`; DataError naming `where` when it is not one of this format."""
    try:
        explained = _EXPLAINED.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"not an explanation: {place}: {first['msg']}", where=where, remedy="closet why RUN") from error
    if explained.format != EXPLANATION_FORMAT:
        raise DataError(
            f"explanation format {explained.format}, this program reads {EXPLANATION_FORMAT}",
            where=where,
            remedy="closet why RUN",
        )
    return explained
