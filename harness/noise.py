"""The noise floor: how far the same software differs from itself on one kind of device and runtime. Pure.

onnxruntime promises no bit-exactness across machines, thread counts, optimisation levels or execution providers: what
may differ between two replays of one job is measured, not guessed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from harness.domain import Check, json_digest
from harness.errors import DataError, DeviceUnhealthyError
from harness.trace import Array, Exactness, Trace

QUANTILES = (0.5, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class ChannelNoise:
    """How far repeats of equal jobs were apart in one channel, over all frames, segments and repeats.

    `values` elements were compared; the share `equal` was the same in every repeat. `quantiles` are those of the
    spread (greatest minus least of the repeats) of an element, at QUANTILES; `worst` the greatest spread along the last
    axis of a frame (plan horizons), one number where frames are single values.
    """

    unit: str
    values: int
    equal: float
    quantiles: tuple[float, ...]
    worst: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What was measured for one replayer on one kind of device and runtime, and how. `when` is ISO 8601.

    Each segment was replayed `repeats` times with each number of `threads` (as many as usual when there is none).
    """

    replayer: str
    replayer_version: str
    device_kind: str
    runtime: str
    channels: dict[str, ChannelNoise]
    when: str = ""
    who: str = ""
    suite: str = ""
    repeats: int = 0
    threads: tuple[int, ...] = ()
    segments: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    model: str = ""
    twin: str = ""
    traces: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        """Names this measurement."""
        return json_digest(_FLOOR.dump_python(self, mode="json"))

    @property
    def is_exact(self) -> bool:
        """Whether nothing ever differed."""
        return all(channel.equal == 1.0 for channel in self.channels.values())


_FLOOR = TypeAdapter(NoiseFloor)


class NoiseMeter:
    """Takes the repeats of jobs, one job's after another, and tells the floor. Holds two arrays a channel at a time."""

    def __init__(self) -> None:
        self._channels: dict[str, _Spreads] = {}

    def take(self, repeats: Iterable[Trace]) -> None:
        """The traces of one job, at least two. DataError when frames or channels differ: that is not noise."""
        least: dict[str, Array] = {}
        greatest: dict[str, Array] = {}
        first: Trace | None = None
        count = 0
        for trace in repeats:
            count += 1
            if first is None:
                first = trace
                numeric = [name for name, one in trace.channels.items() if _is_measured(one.values, one.exactness)]
                least = {name: trace.channels[name].values.copy() for name in numeric}
                greatest = {name: trace.channels[name].values.copy() for name in numeric}
                continue
            _refuse_another_shape(first, trace)
            for name, low in least.items():
                values = trace.channels[name].values
                np.fmin(low, values, out=low)
                np.fmax(greatest[name], values, out=greatest[name])
        if first is None or count < 2:
            raise DataError("noise needs two repeats at least", where="noise", remedy="--repeats 2 or more")
        for name, low in least.items():
            spreads = self._channels.setdefault(name, _Spreads(first.channels[name].unit))
            spreads.add(greatest[name].astype(np.float64) - low.astype(np.float64))

    def channels(self) -> dict[str, ChannelNoise]:
        """What was measured, by channel."""
        return {name: spreads.noise() for name, spreads in sorted(self._channels.items())}


@dataclass(slots=True)
class _Spreads:
    """Spreads of one channel over jobs. Few are above zero where software is nearly exact; those are kept."""

    unit: str
    values: int = 0
    nonzero: list[npt.NDArray[np.float32]] = field(default_factory=list)
    worst: npt.NDArray[np.float64] | None = None

    def add(self, spread: npt.NDArray[np.float64]) -> None:
        spread = np.nan_to_num(spread, nan=0.0, posinf=np.inf)
        self.values += spread.size
        self.nonzero.append(spread[spread > 0].astype(np.float32))
        along = spread.reshape(-1, spread.shape[-1]) if spread.ndim > 1 else spread.reshape(-1, 1)
        worst = along.max(axis=0) if along.size else np.zeros(along.shape[1])
        self.worst = worst if self.worst is None else np.maximum(self.worst, worst)

    def noise(self) -> ChannelNoise:
        nonzero = np.sort(np.concatenate(self.nonzero)) if self.nonzero else np.zeros(0, np.float32)
        zeros = self.values - len(nonzero)
        places = [min(self.values - 1, int(q * self.values)) for q in QUANTILES] if self.values else []
        quantiles = tuple(0.0 if place < zeros else float(nonzero[place - zeros]) for place in places)
        worst = () if self.worst is None else tuple(float(value) for value in self.worst)
        return ChannelNoise(
            self.unit, self.values, zeros / self.values if self.values else 1.0, quantiles, worst or (0.0,)
        )


def resolve(checks: Sequence[Check], floor: NoiseFloor | None, expected: Trace, where: str) -> tuple[Check, ...]:
    """The checks with their limits filled in, for the channels of the trace `expected`.

    DataError where a check follows the noise and none was measured; DeviceUnhealthyError where the device is noisier
    than the check allows any device to be.
    """
    return tuple(
        check if check.tolerance.noise is None else _resolved(check, floor, expected, where) for check in checks
    )


def _resolved(check: Check, floor: NoiseFloor | None, expected: Trace, where: str) -> Check:
    rule = check.tolerance.noise
    if rule is None:
        return check
    names = [
        name
        for name, channel in sorted(expected.channels.items())
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in check.channels)
        and _is_measured(channel.values, channel.exactness)
    ]
    if floor is None or not floor.channels.keys() >= set(names):
        lacking = "" if floor is None else f" of {', '.join(sorted(set(names) - floor.channels.keys())[:3])}"
        raise DataError(
            f"no noise floor{lacking} was measured for this kind of device and runtime",
            where=f"{where}: check {check.name}",
            remedy="closet noise SUITE --repeats 5 measures it",
        )
    measured: list[tuple[str, tuple[float, ...]]] = []
    for name in names:
        noise = floor.channels[name]
        limits = tuple(max(rule.least, rule.times * worst) for worst in noise.worst)
        if max(limits) > rule.most:
            unit = f" {noise.unit}" if noise.unit else ""
            raise DeviceUnhealthyError(
                f"{name} differs from itself by {max(noise.worst):.3g}{unit} on {floor.device_kind}: {rule.times:g} × "
                f"that is past the ceiling of {rule.most:g}{unit}",
                where=f"{where}: check {check.name}",
                remedy="find out why the same software differs so much there; closet noise measures it anew",
            )
        measured.append((name, limits))
    return replace(check, tolerance=replace(check.tolerance, measured=tuple(measured)))


def render_floor(floor: NoiseFloor) -> str:
    """The floor as one line of JSON."""
    return _FLOOR.dump_json(floor).decode() + "\n"


def parse_floor(line: str | bytes, *, where: str) -> NoiseFloor:
    """The floor in a line; DataError when it is none."""
    try:
        return _FLOOR.validate_json(line)
    except ValidationError as error:
        raise DataError(
            f"not a noise floor: {error.errors()[0]['msg']}", where=where, remedy="closet noise measures it anew"
        ) from error


def _is_measured(values: Array, exactness: Exactness) -> bool:
    return exactness is Exactness.NUMERIC and values.dtype.kind == "f"


def _refuse_another_shape(first: Trace, other: Trace) -> None:
    same = np.array_equal(first.frame_ids, other.frame_ids) and {
        name: channel.values.shape for name, channel in first.channels.items()
    } == {name: channel.values.shape for name, channel in other.channels.items()}
    exact = all(
        np.array_equal(channel.values, other.channels[name].values)
        for name, channel in first.channels.items()
        if same and channel.exactness is Exactness.EXACT
    )
    if not (same and exact):
        raise DataError(
            "a repeat differs in frames, channels or states: that is no noise",
            where=f"{first.replayer} on {first.segment}",
            remedy="closet devices check; see which device gives which",
        )
