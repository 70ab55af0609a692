"""How two traces are held together: tolerances, which events, and checks, which are named groups of channels."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NoiseRule:
    """A tolerance that follows the measured noise floor: `times` the floor, but at least `least`.

    Where it would be more than `most` nothing is judged: a noisy device cannot buy itself a wide tolerance.
    """

    times: float
    most: float
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far observed may be from expected: |e − o| ≤ max(absolute, relative · max(|e|, |o|)), per element.

    With `noise` it depends on channel, kind of device and runtime: `measured` are the limits (channel, along the last
    axis of a frame, one when all elements have the same), which are known once the floor was looked up. `limits` are
    those of one channel, as `of` gives them.
    """

    absolute: float = 0.0
    relative: float = 0.0
    noise: NoiseRule | None = None
    measured: tuple[tuple[str, tuple[float, ...]], ...] = ()
    limits: tuple[float, ...] = ()

    @property
    def is_exact(self) -> bool:
        """True when only equality passes."""
        return self.absolute == 0.0 and self.relative == 0.0 and not any(self.limits)

    def of(self, channel: str) -> Tolerance:
        """The tolerance of one channel."""
        if self.noise is None:
            return self
        return Tolerance(noise=self.noise, limits=dict(self.measured).get(channel, ()))


# Bits of an event's mask in a trace, from bit 0: the order in which openpilot's OnroadEvent has them.
EVENT_TYPES = (
    *("enable", "noEntry", "warning", "userDisable", "softDisable", "immediateDisable"),
    *("preEnable", "permanent", "overrideLongitudinal", "overrideLateral"),
)
# Values of a trace's `state` channel.
ENGAGEMENT_STATES = ("disabled", "preEnabled", "enabled", "softDisabling", "overriding")
EVENT_CLASSES = ("NEW", "GONE", "MOVED", "LONGER", "SHORTER", "OUTCOME")


@dataclass(frozen=True, slots=True)
class EventRules:
    """Which intervals of two traces are held against each other, and how strictly.

    `types` × `names` (shell patterns) pick events, `states` (patterns) intervals of the engagement state, `channels`
    (patterns) those in which a true-or-false or counting channel is not zero. Two intervals of one name are the same
    when they begin at most `collar_s` apart. Beginnings and lengths that differ by at most `tolerance_s` are not told;
    intervals at most `merge_s` apart are one. `severities` are (what, class, BLOCK | NOTE | IGNORE): `what` is an event
    type, the name of an event, state or channel, `state`, `channel`, or empty for everything.
    """

    types: tuple[str, ...] = ("softDisable", "immediateDisable", "userDisable")
    names: tuple[str, ...] = ("*",)
    states: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    collar_s: float = 0.2
    tolerance_s: float = 0.0
    merge_s: float = 0.0
    severities: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A named group of channels judged together.

    `channels` are shell patterns (`action.*`). What a check finds closes the gate when `blocks`; else it is noted.
    With `events` it is intervals that are compared, by those rules, and `channels` and `tolerance` say nothing.
    Where it is `replaced`, an intent's claims judge how far values may move: that they moved is noted then, while what
    is missing, extra, infinite or not a number closes the gate as ever.
    """

    name: str
    channels: tuple[str, ...]
    tolerance: Tolerance = field(default_factory=Tolerance)
    blocks: bool = True
    events: EventRules | None = None
    replaced: bool = False
